"""What the decoders of one pack share: its ref, its folder, the runtimes by name, and what it refers to."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from attune_cli.errors import did_you_mean, nearest
from attune_cli.runtime.model.actions import (
    BUILT_IN_RUNNERS,
    CONTAINER_RUNNER,
    HTTP_RUNNER,
    INQUIRY_RUNNER,
)
from attune_cli.runtime.model.refs import name_of, pack_of
from attune_cli.runtime.packs.files import leaves
from attune_cli.runtime.packs.findings import Finding
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from attune_cli.runtime.model.actions import ActionDefinition, Schema
    from attune_cli.runtime.model.automations import RuleDefinition, WorkflowDefinition
    from attune_cli.runtime.model.containers import ContainerPolicy
    from attune_cli.runtime.packs.fields import Fields

RUNNER_ALIASES: dict[str, str] = {
    **dict.fromkeys(("shell", "bash", "sh"), "core.shell"),
    **dict.fromkeys(("python", "python3"), "core.python"),
    **dict.fromkeys(("node", "nodejs", "node.js"), "core.nodejs"),
    **dict.fromkeys(("native", "builtin", "standalone"), "core.native"),
    **dict.fromkeys(("ruby", "rb"), "core.ruby"),
    **dict.fromkeys(("go", "golang"), "core.go"),
    **dict.fromkeys(("java", "jdk", "openjdk"), "core.java"),
    **dict.fromkeys(("perl", "perl5"), "core.perl"),
    **dict.fromkeys(("r", "rscript"), "core.r"),
    "http": HTTP_RUNNER,
    **dict.fromkeys(("container", "docker"), CONTAINER_RUNNER),
    "inquiry": INQUIRY_RUNNER,
}
"""Spellings of `runner_type` that need no look-up (domain.md 1.4)."""
_CORE = "core"
_TO_BE_TAKEN_AS_THERE = "name it under 'dependencies' in pack.yaml"


@immutable
class Installed:
    """What other packs offer; `is_complete` when there is nothing else (it comes from a database)."""

    packs: frozenset[str] = frozenset()
    refs: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Refs by kind, e.g. "action"."""
    runtime_names: Mapping[str, str] = field(default_factory=dict[str, str])
    """Lower-case name or alias of a runtime → its ref."""
    is_complete: bool = False
    outputs: Mapping[str, Schema] = field(default_factory=dict[str, "Schema"])
    """What the payloads of a trigger hold, by its ref."""
    actions: Mapping[str, ActionDefinition] = field(default_factory=dict[str, "ActionDefinition"])
    """By ref: what tasks may give to them."""
    is_final: bool = False
    """Nothing more can come, since what is read is to be run now."""


@immutable
class Reference:
    """A ref to something that has to exist, and where it is written."""

    kind: str
    ref: str
    path: str
    line: int
    column: int
    looked_up_late: bool = False
    """Looked up when it runs, so another pack may still bring it."""


@dataclass
class Reading:
    """One pack while it is read."""

    ref: str
    folder: Path
    runtime_names: dict[str, str]
    has_all_runtimes: bool
    policy: ContainerPolicy | None = None
    """What this machine allows containers; not known where a pack is only described."""
    references: list[Reference] = field(default_factory=list[Reference])
    rules: list[tuple[Fields, RuleDefinition]] = field(default_factory=list["tuple[Fields, RuleDefinition]"])
    """To be held against what triggers declare, when all are read."""
    workflows: list[tuple[Fields, WorkflowDefinition]] = field(
        default_factory=list["tuple[Fields, WorkflowDefinition]"]
    )
    """To be held against what actions take, when all are read."""

    def refer(self, kind: str, ref: str, fields: Fields, *inner: str | int, late: bool = False) -> None:
        if ref:
            position = fields.position((*fields.path, *inner))
            self.references.append(Reference(kind, ref, fields.shown_as, *position, looked_up_late=late))

    def runner(self, fields: Fields, default: str) -> str:
        """Read `runner_type` as the ref of a runtime, or as one of the engine's own runners (domain.md 1.4)."""
        written = fields.text("runner_type", default=default)
        name = written.lower()
        if name in RUNNER_ALIASES:
            return RUNNER_ALIASES[name]
        if name in BUILT_IN_RUNNERS:
            return name
        if name in self.runtime_names:
            return self.runtime_names[name]
        if "." in name:
            self.refer("runtime", name, fields, "runner_type")
            return name
        suggestion = did_you_mean(name, [*RUNNER_ALIASES, *self.runtime_names])
        if self.has_all_runtimes:
            fields.error(f"unknown runner_type '{written}'", "runner_type", suggestion=suggestion)
        else:
            message = f"runner_type '{written}' is neither of this pack nor of core"
            fields.warn(message, "runner_type", suggestion=suggestion)
        return name

    def has_runtime(self, ref: str) -> bool:
        return ref in self.runtime_names.values()

    def is_file(self, *parts: str) -> bool:
        return os.path.isfile(os.path.join(self.folder, *parts))  # noqa: PTH113, PTH118 - False for any text, code too

    def leaves(self, *parts: str) -> bool:
        return leaves(self.folder, *parts)


def unresolved(
    references: list[Reference],
    own: Mapping[str, frozenset[str]],
    pack_ref: str,
    installed: Installed,
    needed: frozenset[str] | None = None,
) -> Iterator[Finding]:
    """Report references to what neither this pack nor an installed one defines.

    What a pack brings that is `needed` and cannot be looked at here is taken to be there; None: any pack.
    """
    for reference in references:
        pack, kind = pack_of(reference.ref), reference.kind
        known = own if pack == pack_ref else installed.refs
        if reference.ref in known.get(kind, frozenset()):
            continue
        is_known = pack in {pack_ref, *installed.packs}
        if not (is_known or installed.is_complete) and (needed is None or pack in needed):
            continue
        # What belongs to this pack or to core cannot come from elsewhere.
        late = reference.looked_up_late and pack not in {pack_ref, _CORE} and not installed.is_final
        may_come = late or not (is_known or installed.is_complete)
        near = _meant(reference, {*own.get(kind, ()), *installed.refs.get(kind, ())}, is_known)
        yield Finding(
            reference.path,
            reference.line,
            reference.column,
            "warning" if may_come else "error",
            f"unknown {kind} '{reference.ref}'" + ("" if is_known else f": there is no pack '{pack}'"),
            near or (None if is_known or installed.is_complete else _TO_BE_TAKEN_AS_THERE),
        )


def _meant(reference: Reference, known: set[str], is_known: bool) -> str | None:
    """Suggest a ref by its name; where the pack is not known, one of a pack of nearly that name."""
    pack = pack_of(reference.ref)
    wanted = pack if is_known else nearest(pack, {pack_of(ref) for ref in known})
    name = nearest(name_of(reference.ref), [name_of(ref) for ref in known if pack_of(ref) == wanted])
    return None if name is None else f"did you mean {wanted}.{name}?"
