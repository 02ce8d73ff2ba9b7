"""The environments of installed packs: which are needed, which are ready (domain.md 2.4)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attune_cli.errors import AttuneError, Detail, NotFoundError
from attune_cli.runtime.model.actions import BUILT_IN_RUNNERS, ActionDefinition, RuntimeDefinition
from attune_cli.runtime.model.automations import SensorDefinition
from attune_cli.runtime.model.versions import parse_requirement
from attune_cli.runtime.packs.environments import environments_of
from attune_cli.runtime.packs.interpreters import choose
from attune_cli.runtime.packs.reading import RUNNER_ALIASES
from attune_cli.runtime.packs.toolchain import Toolchain, toolchain_for
from attune_cli.runtime.services.packs import find
from attune_cli.runtime.store import definitions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attune_cli.config import Home
    from attune_cli.runtime.model.definitions import PackManifest
    from attune_cli.runtime.packs.interpreters import Interpreters
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.packs import Pack

Record = dict[str, Any]


@immutable
class Need:
    """A runtime that actions or sensors of a pack use, and what it comes to here."""

    pack_ref: str
    runtime_ref: str
    toolchain: Toolchain | None
    fault: str | None = None
    """Why there is no toolchain."""

    def to_record(self) -> Record:
        environment = self.toolchain.environment if self.toolchain else None
        return {
            "kind": "environment",
            "ref": self.pack_ref,
            "runtime_ref": self.runtime_ref,
            "form": "environment",
            "state": self.state,
            "interpreter": self.toolchain.interpreter[0]
            if self.toolchain and self.toolchain.interpreter
            else None,
            "manifest": str(environment.manifest) if environment else None,
            "folder": str(environment.folder) if environment else None,
            "fault": self.fault,
        }

    @property
    def state(self) -> str:
        if self.toolchain is None:
            return "failed"
        if self.toolchain.environment is None:
            return "not needed"
        return "ready" if self.toolchain.environment.is_ready else "missing"


def content_folder(pack: Pack, home: Home) -> Path:
    """Return where an installed pack's files lie."""
    return Path(pack.link) if pack.link is not None else home.packs / pack.ref / pack.digest


def needs(tx: Transaction, ref: str, *, home: Home, interpreters: Interpreters) -> list[Need]:
    """Return what each runtime that a pack uses comes to, one for each version asked for."""
    pack = find(tx, ref)
    users: list[ActionDefinition | SensorDefinition] = [
        *(
            ActionDefinition.from_json(row.definition)
            for row in definitions.all_of(tx, "action", pack_ref=ref)
        ),
        *(
            SensorDefinition.from_json(row.definition)
            for row in definitions.all_of(tx, "sensor", pack_ref=ref)
        ),
    ]
    used = dict.fromkeys((user.runner_type, user.runtime_version) for user in users)
    found = [
        _need(tx, pack, runner, constraint, home, interpreters)
        for runner, constraint in used
        if runner not in BUILT_IN_RUNNERS
    ]
    by_place = {(need.runtime_ref, str(need.to_record()["folder"])): need for need in found}
    return [by_place[place] for place in sorted(by_place)]


def _need(
    tx: Transaction, pack: Pack, runner: str, constraint: str | None, home: Home, interpreters: Interpreters
) -> Need:
    row = definitions.get(tx, "runtime", runner)
    if row is None:
        return Need(pack.ref, runner, None, "no installed pack defines it")
    try:
        toolchain = toolchain_for(
            home,
            interpreters,
            RuntimeDefinition.from_json(row.definition),
            pack_ref=pack.ref,
            pack_folder=content_folder(pack, home),
            constraint=constraint,
        )
    except AttuneError as error:
        return Need(pack.ref, runner, None, error.message)
    return Need(pack.ref, runner, toolchain)


def outdated(found: Iterable[Need], ref: str, home: Home) -> list[Path]:
    """Return the environments of a pack that nothing it has now would use."""
    folders = {need.to_record()["folder"] for need in found}
    return [path for path in environments_of(home, ref) if str(path) not in folders]


def refuse_missing_runtimes(tx: Transaction, manifest: PackManifest, interpreters: Interpreters) -> None:
    """Raise NotFoundError with every runtime of `runtime_deps` that is not here, or not in that version."""
    faults = [fault for text in manifest.runtime_deps if (fault := _runtime_fault(tx, text, interpreters))]
    if faults:
        raise NotFoundError(
            f"pack '{manifest.ref}' needs runtimes that are not on this machine",
            code="runtime_missing",
            details=faults,
            hint="attune doctor, or --no-deps to install it all the same",
        )


def _runtime_fault(tx: Transaction, text: str, interpreters: Interpreters) -> Detail | None:
    requirement = parse_requirement(text)
    ref = RUNNER_ALIASES.get(requirement.name, requirement.name)
    if ref in BUILT_IN_RUNNERS:
        return None
    row = definitions.get(tx, "runtime", ref)
    if row is None:
        return Detail(text, "no installed pack defines such a runtime")
    try:
        choose(RuntimeDefinition.from_json(row.definition), requirement.constraint, interpreters)
    except NotFoundError as error:
        return Detail(text, error.message)
    return None
