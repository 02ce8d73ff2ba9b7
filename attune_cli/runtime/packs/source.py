"""Reading a whole pack folder: every definition and every finding together (domain.md 1)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import attune_cli
from attune_cli.errors import NotFoundError
from attune_cli.runtime.model.actions import ActionDefinition, RuntimeDefinition
from attune_cli.runtime.model.automations import DEFINITIONS, TriggerDefinition
from attune_cli.runtime.model.refs import is_ref, pack_of
from attune_cli.runtime.model.versions import parse_requirement
from attune_cli.runtime.packs.documents import DocumentError, parse_document
from attune_cli.runtime.packs.fields import Fields
from attune_cli.runtime.packs.files import list_files
from attune_cli.runtime.packs.findings import Finding, errors_of
from attune_cli.runtime.packs.kinds.action import decode_action
from attune_cli.runtime.packs.kinds.manifest import decode_manifest
from attune_cli.runtime.packs.kinds.permission_set import decode_permission_set
from attune_cli.runtime.packs.kinds.policy import decode_policy
from attune_cli.runtime.packs.kinds.queue import decode_queue
from attune_cli.runtime.packs.kinds.rule import decode_rule
from attune_cli.runtime.packs.kinds.runtime import decode_runtime
from attune_cli.runtime.packs.kinds.sensor import decode_sensor
from attune_cli.runtime.packs.kinds.trigger import decode_trigger
from attune_cli.runtime.packs.kinds.workflow import companion_action, decode_workflow
from attune_cli.runtime.packs.reading import Installed, Reading, unresolved
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from attune_cli.runtime.expressions.faults import Fault
    from attune_cli.runtime.model.actions import Schema
    from attune_cli.runtime.model.automations import Definition, WorkflowDefinition
    from attune_cli.runtime.model.containers import ContainerPolicy
    from attune_cli.runtime.model.definitions import PackManifest
    from attune_cli.runtime.packs.findings import Severity

Wanted = TypeVar("Wanted")

MANIFEST_NAMES = ("pack.yaml", "pack.yml")
SUFFIXES = (".yaml", ".yml")
_NO_PACK = "file"
"""Stands for the pack in the ref of a file that lies in none, as in that of a script (`attune run file`)."""

DECODERS: dict[str, tuple[str, Callable[[Fields, Reading], Definition]]] = {
    "permission_set": ("permission_sets", decode_permission_set),
    "runtime": ("runtimes", decode_runtime),
    "trigger": ("triggers", decode_trigger),
    "action": ("actions", decode_action),
    "queue": ("queues", decode_queue),
    "rule": ("rules", decode_rule),
    "sensor": ("sensors", decode_sensor),
    "policy": ("policies", decode_policy),
}
"""Kind → its folder and decoder, in load order (domain.md 1.1)."""


@immutable
class PackSource:
    """A pack as its folder holds it. With an error among `findings`, what is there may be incomplete."""

    folder: Path
    manifest: PackManifest
    definitions: dict[str, tuple[Definition, ...]]
    """Kind → definitions in name order of their files; every kind is there."""
    findings: tuple[Finding, ...]
    files: tuple[str, ...]
    """Every file of the pack, relative and sorted."""
    places: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """(kind, ref) → the file that defines it, as findings name it."""

    @property
    def errors(self) -> list[Finding]:
        return errors_of(self.findings)

    def of(self, wanted: type[Wanted]) -> tuple[Wanted, ...]:
        """Return the definitions of one class, e.g. ActionDefinition."""
        everything = (definition for group in self.definitions.values() for definition in group)
        return tuple(definition for definition in everything if isinstance(definition, wanted))


def core_pack_folder() -> Path:
    """Return where the core pack lies: inside the package when installed, beside it in a checkout."""
    package = Path(attune_cli.__file__).parent
    installed = package / "packs" / "core"
    return installed if installed.is_dir() else package.parent / "packs" / "core"


def read_pack(
    folder: Path,
    *,
    shown_as: str = "",
    installed: Installed | None = None,
    policy: ContainerPolicy | None = None,
) -> PackSource:
    """Read every file of the pack in `folder`; what is wrong with it is among the findings.

    With a `policy`, so is what that refuses to containers.

    `shown_as` goes before the path of each finding. Without `installed`, only refs to the pack itself and
    to core are checked. Raises NotFoundError when there is no such folder.
    """
    if not folder.is_dir():
        raise NotFoundError(f"no pack folder '{folder}'", hint="attune pack new REF")
    known = core_as_installed() if installed is None else installed
    return _Reader(folder, shown_as, known, policy).read()


def read_lone_workflow(path: Path, *, installed: Installed | None = None) -> PackSource:
    """Read a workflow's file that lies in no pack, as all that there is of one: that of its ref, else `file`."""
    known = core_as_installed() if installed is None else installed
    return _Reader(path.parent, "", known).read_alone(path.name)


def without_faulty(source: PackSource) -> tuple[PackSource, list[str]]:
    """Leave out the files that have errors; returns what is left, and the refs and unread files that are not in it.

    A workflow and the action that runs it go together. An error of the manifest is kept.
    """
    faulty = {finding.path for finding in source.errors}
    dropped = {(kind, ref) for (kind, ref), path in source.places.items() if path in faulty}
    dropped |= {
        (other, ref)
        for kind, ref in dropped & set(source.places)
        for other in ("action", "workflow")
        if kind in {"action", "workflow"}
    }
    kept = {
        kind: tuple(one for one in definitions if (kind, one.ref) not in dropped)
        for kind, definitions in source.definitions.items()
    }
    manifest_faults = [finding for finding in source.errors if finding.path.endswith(MANIFEST_NAMES)]
    warnings = [finding for finding in source.findings if finding.severity == "warning"]
    left = replace(source, definitions=kept, findings=tuple(sorted([*warnings, *manifest_faults])))
    unread = faulty - set(source.places.values()) - {finding.path for finding in manifest_faults}
    return left, [*sorted({ref for _, ref in dropped}), *sorted(unread)]


@cache
def core_as_installed() -> Installed:
    return as_installed([_Reader(core_pack_folder(), "", Installed()).read()])


def as_installed(sources: Iterable[PackSource], *, is_complete: bool = False) -> Installed:
    """Say what these packs offer to others."""
    packs: set[str] = set()
    refs: dict[str, frozenset[str]] = {}
    names: dict[str, str] = {}
    outputs: dict[str, Schema] = {}
    actions: dict[str, ActionDefinition] = {}
    for source in sources:
        packs.add(source.manifest.ref)
        outputs |= {trigger.ref: trigger.output for trigger in source.of(TriggerDefinition)}
        actions |= {action.ref: action for action in source.of(ActionDefinition)}
        names |= runtime_names(source.of(RuntimeDefinition))
        for kind, definitions in source.definitions.items():
            refs[kind] = refs.get(kind, frozenset()) | {definition.ref for definition in definitions}
    return Installed(frozenset(packs), refs, names, is_complete, outputs, actions)


def needed_packs(manifest: PackManifest) -> frozenset[str]:
    """Return the packs that a manifest names as dependencies."""
    found: set[str] = set()
    for text in manifest.dependencies:
        with suppress(ValueError):  # its own reader tells of it
            found.add(parse_requirement(text).name)
    return frozenset(found)


def default_name(file: str) -> str:
    """Return the name that a file gives to what it defines without saying so."""
    return file.rpartition("/")[2].rpartition(".")[0].removesuffix(".workflow")


def runtime_names(runtimes: Iterable[RuntimeDefinition]) -> dict[str, str]:
    """Return lower-case name or alias → ref."""
    return {name.lower(): one.ref for one in runtimes for name in (one.name, *one.aliases)}


def place_of_fault(source: PackSource, kind: str, ref: str, fault: Fault) -> str:
    """Return file:line:column of a fault that was found in a definition after it was read."""
    shown_as = source.places[kind, ref]
    file = max((path for path in source.files if shown_as.endswith(path)), key=len)
    try:
        document = parse_document((source.folder / file).read_bytes())
    except (OSError, DocumentError):  # it has changed since
        return shown_as
    line, column = document.position_of_value(fault.steps)
    return f"{shown_as}:{line}:{column}"


class _Reader:
    """One pass over a pack folder."""

    def __init__(
        self, folder: Path, shown_as: str, installed: Installed, policy: ContainerPolicy | None = None
    ) -> None:
        self._policy = policy
        self._folder = folder
        self._shown_as = shown_as
        self._installed = installed
        self._findings: list[Finding] = []
        self._defined: dict[tuple[str, str], str] = {}
        self._unread: set[str] = set()
        """Names of files that are no documents: what they define is not known."""
        self._definitions: dict[str, tuple[Definition, ...]] = dict.fromkeys(DEFINITIONS, ())

    def read(self) -> PackSource:
        self._files = self._list_files()
        manifest = self._read_manifest()
        names = dict(self._installed.runtime_names)
        self._reading = Reading(manifest.ref, self._folder, names, self._installed.is_complete, self._policy)
        for kind, (folder, decode) in DECODERS.items():
            self._definitions[kind] = tuple(self._read_kind(kind, folder, decode))
            if kind == "runtime":
                names |= runtime_names(self._source(manifest).of(RuntimeDefinition))
        self._read_workflows(self._source(manifest).of(ActionDefinition))
        return self._checked(manifest)

    def read_alone(self, file: str) -> PackSource:
        """Read one workflow, and nothing else of its folder."""
        self._files = (file,)
        manifest = decode_manifest(Fields(parse_document(b"version: 0.0.0"), "", []), self._pack_of(file))
        names = dict(self._installed.runtime_names)
        self._reading = Reading(manifest.ref, self._folder, names, self._installed.is_complete, self._policy)
        workflow = self._read_graph(file, None)
        if workflow is not None:
            self._defined["action", workflow.ref] = file
            self._definitions["workflow"] = (workflow,)
            self._definitions["action"] = (companion_action(workflow),)
        return self._checked(manifest)

    def _pack_of(self, file: str) -> str:
        """Return the pack that a file's own ref names, else `file`."""
        with suppress(DocumentError, OSError):
            value = parse_document((self._folder / file).read_bytes()).value
            ref = cast("dict[str, object]", value).get("ref") if isinstance(value, dict) else None
            if isinstance(ref, str) and is_ref(ref):
                return pack_of(ref)
        return _NO_PACK

    def _checked(self, manifest: PackManifest) -> PackSource:
        """Hold what was read against each other and what is installed."""
        own = as_installed([self._source(manifest)])
        self._findings += self._unresolved(own, manifest)
        self._doubt_rules({**self._installed.outputs, **own.outputs})
        self._check_inputs({**self._installed.actions, **own.actions})
        return self._source(manifest)

    def _unresolved(self, own: Installed, manifest: PackManifest) -> Iterator[Finding]:
        """Yield references that lead nowhere, but for those to what stands in a file that cannot be read."""
        unread = {f"{manifest.ref}.{name}" for name in self._unread}
        references = [one for one in self._reading.references if one.ref not in unread]
        return unresolved(references, own.refs, manifest.ref, self._installed, needed_packs(manifest))

    def _check_inputs(self, actions: Mapping[str, ActionDefinition]) -> None:
        if self._reading.workflows:
            from attune_cli.runtime.packs.workflow_input_faults import input_doubts, input_faults

            for fields, workflow in self._reading.workflows:
                fields.note(input_faults(fields.members, workflow, actions.get))
                fields.note(input_doubts(fields.members, workflow, actions.get), "warning")

    def _doubt_rules(self, outputs: Mapping[str, Schema]) -> None:
        if self._reading.rules:
            from attune_cli.runtime.packs.payload_fields import undeclared_fields

            for fields, rule in self._reading.rules:
                fields.note(undeclared_fields(rule, outputs), "warning")

    def _source(self, manifest: PackManifest) -> PackSource:
        findings = tuple(sorted(set(self._findings)))
        places = {defined: self._shown_as + path for defined, path in self._defined.items()}
        return PackSource(self._folder, manifest, dict(self._definitions), findings, self._files, places)

    # --- files ---

    def _list_files(self) -> tuple[str, ...]:
        files = list_files(self._folder)
        for file in files:
            if file.fault:
                self._add("error", file.path, file.fault)
        return tuple(file.path for file in files if not file.fault)

    def _add(self, severity: Severity, path: str, message: str, position: tuple[int, int] = (1, 1)) -> None:
        self._findings.append(Finding(self._shown_as + path, *position, severity, message))

    def _in_folder(self, folder: str) -> list[str]:
        """Return the documents that lie directly in a folder of the pack, in name order."""
        start = f"{folder}/"
        inside = [path for path in self._files if path.startswith(start) and path.endswith(SUFFIXES)]
        return [path for path in inside if "/" not in path[len(start) :]]

    def _open(self, path: str) -> Fields | None:
        """Parse one file; None, with the fault noted, when it is no mapping."""
        try:
            document = parse_document((self._folder / path).read_bytes())
        except DocumentError as fault:
            self._add("error", path, fault.message, fault.position)
            self._unread.add(default_name(path))
            return None
        except OSError as fault:
            self._add("error", path, f"cannot be read: {fault.strerror}")
            self._unread.add(default_name(path))
            return None
        for key, position, first in document.repeated:
            self._add("error", path, f"the key '{key}' is already in line {first[0]}", position)
        if isinstance(document.value, dict):
            return Fields(document, self._shown_as + path, self._findings)
        self._add(
            "error", path, "the file is empty" if document.value is None else "expected a mapping of keys"
        )
        return None

    # --- definitions ---

    def _read_manifest(self) -> PackManifest:
        present = [name for name in MANIFEST_NAMES if name in self._files]
        if not present:
            self._add("error", MANIFEST_NAMES[0], "a pack needs this file")
        fields = self._open(present[0]) if present else None
        # What is missing is said once, above; the rest of the pack is still read.
        return decode_manifest(fields or Fields(parse_document(b"{}"), "", []), self._folder.resolve().name)

    def _read_kind(
        self, kind: str, folder: str, decode: Callable[[Fields, Reading], Definition]
    ) -> Iterator[Definition]:
        for path in self._in_folder(folder):
            fields = self._open(path)
            if fields is None:
                continue
            if not fields.has("ref"):
                fields.warn("the file is skipped: it has no 'ref'")
                continue
            definition = decode(fields, self._reading)
            first = self._defined.setdefault((kind, definition.ref), path)
            if first == path:
                yield definition
            else:
                fields.error(f"'{definition.ref}' is already defined in {first}", "ref")

    def _read_workflows(self, actions: tuple[ActionDefinition, ...]) -> None:
        """Read the graphs that actions link to, then those that stand alone, each with its own action."""
        linked = {action.workflow_file for action in actions if action.workflow_file}
        graphs = [
            self._read_graph(action.workflow_file, action) for action in actions if action.workflow_file
        ]
        alone: list[WorkflowDefinition] = []
        for file in [*self._in_folder("actions/workflows"), *self._in_folder("workflows")]:
            workflow = None if file in linked else self._read_graph(file, None)
            if workflow is not None and self._is_free(workflow):
                alone.append(workflow)
        self._definitions["workflow"] = (*(graph for graph in graphs if graph), *alone)
        self._definitions["action"] = (*actions, *(companion_action(workflow) for workflow in alone))

    def _read_graph(self, file: str, action: ActionDefinition | None) -> WorkflowDefinition | None:
        if action is not None and file not in self._files and (self._folder / file).is_file():
            self._add("error", file, "is not read: the folder is no part of a pack")
        fields = self._open(file) if file in self._files else None
        if fields is None:
            return None
        if action is not None:
            self._defined["workflow", action.ref] = file
        return decode_workflow(fields, self._reading, file, action, default_name(file))

    def _is_free(self, workflow: WorkflowDefinition) -> bool:
        """Note a stand-alone workflow whose ref is taken; in `workflows/` it gives way (domain.md 5.1)."""
        first = self._defined.setdefault(("action", workflow.ref), workflow.file)
        if first == workflow.file:
            return True
        gives_way = first.startswith("actions/workflows/")
        message = f"'{workflow.ref}' is already defined in {first}"
        self._add("warning" if gives_way else "error", workflow.file, message)
        return False
