"""What a pack's tests find before the PATH: the environments that its actions run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import NotFoundError
from attune_cli.runtime.model.actions import ActionDefinition, RuntimeDefinition
from attune_cli.runtime.packs.environments import build_environment
from attune_cli.runtime.packs.interpreters import Interpreters
from attune_cli.runtime.packs.source import core_pack_folder, read_pack
from attune_cli.runtime.packs.toolchain import toolchain_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from attune_cli.config import Home
    from attune_cli.runtime.packs.source import PackSource

_PLACES = ("bin", "node_modules/.bin")


def pack_programs(home: Home, found: PackSource, report: Callable[[str], None]) -> list[Path]:
    """Build the environments of the pack's runtimes where that is still to do; return where their programs lie.

    Raises RunFailedError with the installer's words.
    """
    runtimes = {one.ref: one for one in read_pack(core_pack_folder()).of(RuntimeDefinition)}
    runtimes |= {one.ref: one for one in found.of(RuntimeDefinition)}
    used = dict.fromkeys(
        (action.runner_type, action.runtime_version) for action in found.of(ActionDefinition)
    )
    interpreters = Interpreters(home.environments / "interpreters.json")
    folders: list[Path] = []
    for runner, constraint in used:
        try:
            tools = toolchain_for(
                home,
                interpreters,
                runtimes[runner],
                pack_ref=found.manifest.ref,
                pack_folder=found.folder,
                constraint=constraint,
            )
        except (KeyError, NotFoundError):
            continue  # of another pack, or not on this machine: the tests will say what they miss
        if tools.environment is not None:
            build_environment(tools.environment, report=report)
            folders += [tools.environment.folder / place for place in _PLACES]
    return [folder for folder in folders if folder.is_dir()]
