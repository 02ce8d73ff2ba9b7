"""Actions and workflows that are not installed: the YAML file of one in a pack folder, for `attune run file`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.errors import Detail, NotFoundError, UsageError
from attune_cli.runtime.model.actions import ActionDefinition, RuntimeDefinition
from attune_cli.runtime.model.automations import WorkflowDefinition
from attune_cli.runtime.packs.source import MANIFEST_NAMES, PackSource, read_pack
from attune_cli.runtime.services import installation
from attune_cli.runtime.services.submission import job_of
from attune_cli.values import immutable

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.packs.reading import Installed
    from attune_cli.runtime.store.database import Transaction

_FOLDERS = ("actions", "workflows", "actions/workflows")
"""Where in a pack files lie that can be run."""


@immutable
class LooseAction:
    """What one file of a pack's folder defines; of a workflow also its graph."""

    source: PackSource
    action: ActionDefinition
    workflow: WorkflowDefinition | None
    warnings: list[str]
    """What the file should not say."""


def read_loose_action(path: Path, installed: Installed | None = None) -> LooseAction:
    """Read `PACK/actions/NAME.yaml` or a workflow's file; without what is `installed` it needs no database.

    Raises NotFoundError when there is no file, UsageError with every fault of it and of the graph that it names.
    """
    if not path.is_file():
        raise NotFoundError(f"no file {str(path)!r}")
    path = path.absolute()
    folder = _pack_of(path)
    source = read_pack(folder, installed=installed)
    within = str(path.relative_to(folder))
    refs = {ref for (_, ref), place in source.places.items() if place == within}
    action = next((one for one in source.of(ActionDefinition) if one.ref in refs), None)
    meant = {within, *([action.workflow_file] if action and action.workflow_file else ()), *MANIFEST_NAMES}
    faults = [finding for finding in source.errors if finding.path in meant]
    if faults:
        raise UsageError(
            f"{path} cannot be run",
            code="invalid_file",
            details=[Detail(one.place, one.said) for one in faults],
            hint=f"attune pack validate {folder}",
        )
    if action is None:
        raise UsageError(f"{path} defines no action", hint=f"attune pack validate {folder}")
    workflow = next((one for one in source.of(WorkflowDefinition) if one.ref == action.ref), None)
    warnings = [str(one) for one in source.findings if one.path in meant and one.severity == "warning"]
    return LooseAction(source, action, workflow, warnings)


def job_of_action_file(tx: Transaction, path: Path) -> tuple[JobDefinition, list[str]]:
    """Return the job of a file, and what that should not say; raises as `read_loose_action`.

    The tasks of a workflow run what is installed: only its graph is taken from the file.
    """
    loose = read_loose_action(path, replace(installation.installed(tx), is_final=True))
    runtimes = {runtime.ref: runtime for runtime in loose.source.of(RuntimeDefinition)}
    definition = job_of(tx, loose.action, runtimes=runtimes, workflow=loose.workflow)
    alone = loose.workflow is None
    return replace(
        definition, folder=str(loose.source.folder), pack_digest=None, caller_environment=alone
    ), loose.warnings


def _pack_of(path: Path) -> Path:
    """Return the folder of the pack that a file lies in."""
    for folder in path.parents:
        if any((folder / name).is_file() for name in MANIFEST_NAMES):
            if str(path.parent.relative_to(folder)) in _FOLDERS:
                return folder
            break
    raise UsageError(
        f"{path} lies in no pack: an action's YAML is looked for in the actions/ folder of one",
        hint="attune pack new demo",
    )
