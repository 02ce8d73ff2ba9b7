"""From files to what they declare, with every fault of all of them at its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from attune_cli.declaring.kinds import KINDS
from attune_cli.errors import Detail, UsageError, did_you_mean
from attune_cli.runtime.expressions.faults import Fault
from attune_cli.runtime.packs.documents import DocumentError, parse_documents
from attune_cli.runtime.packs.fields import Fields
from attune_cli.runtime.packs.findings import Finding, as_strict, errors_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attune_cli.declaring.sources import File
    from attune_cli.errors import AttuneError
    from attune_cli.runtime.packs.documents import Document as Parsed

_UNKNOWN_KEY = "unknown key "
_COMMAND = "attune "
_SCHEMAS = {"sensor": "sensor_switch"}
"""Kinds of documents whose fields stand elsewhere: a pack describes a sensor, a project switches it."""


@dataclass
class Declaration:
    """One document: what it declares, and where."""

    kind: str
    ref: str
    value: Any
    fields: Fields

    @property
    def path(self) -> str:
        return self.fields.shown_as

    def fault(self, error: AttuneError) -> None:
        """Note what keeps it from being kept: each part at its place, else at the name."""
        faults = [detail for detail in error.details if isinstance(detail, Fault)]
        self.fields.note(faults)
        if not faults:
            for detail in error.details:
                self.fields.error(f"{detail.path}: {detail.message}", KINDS[self.kind].identified_by)
        if not error.details:
            self.fields.error(error.message, KINDS[self.kind].identified_by, suggestion=error.hint)


@dataclass
class Reader:
    """Reads files, one after the other; `findings` are of all of them."""

    findings: list[Finding] = field(default_factory=list[Finding])
    declarations: list[Declaration] = field(default_factory=list[Declaration])
    files: set[str] = field(default_factory=set[str])
    """As messages call them; what is found elsewhere is of a pack."""
    begun: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    """File, line and kind of each document, faulty ones too, as they were read."""

    def read(self, files: Iterable[File]) -> None:
        for file in files:
            self.files.add(file.path)
            try:
                documents = parse_documents(file.content)
            except DocumentError as fault:
                self.findings.append(Finding(file.path, *fault.position, "error", fault.message))
                continue
            if not documents:
                self.findings.append(Finding(file.path, 1, 1, "warning", "holds no document"))
            for document in documents:
                self._read(file, document)
        self._refuse_twice()
        order = list(KINDS)
        self.declarations.sort(key=lambda one: order.index(one.kind))

    def _read(self, file: File, document: Parsed) -> None:
        self.findings += [
            Finding(file.path, *position, "error", f"the key '{key}' is already in line {first[0]}")
            for key, position, first in document.repeated
        ]
        fields = Fields(document, file.path, self.findings)
        if not isinstance(document.value, dict):
            return
        name = fields.text("kind") or file.kind
        if name is None:
            fields.error("missing key 'kind'", suggestion=f"one of {', '.join(KINDS)}")
            return
        if name not in KINDS:
            fields.error(
                f"there is no kind '{name}'",
                "kind",
                suggestion=did_you_mean(name, KINDS) or f"one of {', '.join(KINDS)}",
            )
            return
        self.begun.append((file.path, fields.position(())[0], name))
        kind = KINDS[name]
        before = len(errors_of(self.findings))
        fields.require(kind.identified_by)
        value = kind.decode(fields)
        if len(errors_of(self.findings)) == before:
            self.declarations.append(
                Declaration(name, str(getattr(value, kind.identified_by)), value, fields)
            )

    def _where_to_look(self, errors: list[Finding], files: set[str]) -> str:
        """Return the command that helps: one that mends all, else one that tells of documents, or of packs."""
        cures = [one.suggestion or "" for one in errors]
        if all(cure.startswith(_COMMAND) for cure in cures):
            return cures[0]
        if files.isdisjoint(self.files):
            return "attune validate"
        kind = next(filter(None, map(self._kind_at, errors)), "rule")
        return f"attune schema {_SCHEMAS.get(kind, kind)}"

    def _kind_at(self, finding: Finding) -> str | None:
        """Return the kind of the document that a finding is in."""
        kinds = [kind for path, line, kind in self.begun if path == finding.path and line <= finding.line]
        return kinds[-1] if kinds else None

    def _refuse_twice(self) -> None:
        first: dict[tuple[str, str], Declaration] = {}
        for one in self.declarations:
            other = first.setdefault((one.kind, one.ref), one)
            if other is not one:
                line, _ = other.fields.position(())
                one.fields.error(
                    f"{one.kind} '{one.ref}' is already in {other.path}:{line}", KINDS[one.kind].identified_by
                )

    def found(self, *, strict: bool) -> list[Finding]:
        """Return all that is wrong or not quite right, each once, by its place."""
        return sorted(dict.fromkeys(_strict(one, strict=strict) for one in self.findings))

    def warnings(self, *, strict: bool) -> list[Finding]:
        """Return what is not quite right; raises UsageError with every fault of all files together."""
        found = self.found(strict=strict)
        errors = errors_of(found)
        if errors:
            files = {one.path for one in errors}
            raise UsageError(
                f"{_counted(len(errors), 'fault')} in {_counted(len(files), 'file')}; nothing was changed",
                code="invalid_files",
                details=[Detail(one.place, str(one).removeprefix(f"{one.place}: ")) for one in errors],
                hint=self._where_to_look(errors, files),
            )
        return found


def _strict(finding: Finding, *, strict: bool) -> Finding:
    """A key that nothing reads is a slip: what somebody wanted would not happen."""
    if strict or finding.message.startswith(_UNKNOWN_KEY):
        return as_strict([finding])[0]
    return finding


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
