"""Making things as files declare them: one transaction, everything or nothing, and only what differs (cli.md 3.9)."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

from attune_cli.declaring.kinds import KINDS, PRUNED
from attune_cli.declaring.missing_keys import DeclaringSealer, stand_in
from attune_cli.declaring.project_packs import link, pack_document
from attune_cli.declaring.reading import Reader
from attune_cli.declaring.yaml_writing import yaml_document
from attune_cli.errors import AttuneError, Detail, UsageError
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store, open_store_for_reading
from attune_cli.runtime.model.automations import RuleDefinition
from attune_cli.runtime.model.refs import pack_of
from attune_cli.runtime.packs.findings import Finding
from attune_cli.runtime.services import rules
from attune_cli.runtime.store import packs
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from attune_cli.config import Home, Settings
    from attune_cli.declaring.missing_keys import Missing
    from attune_cli.declaring.reading import Declaration
    from attune_cli.declaring.rule_documents import Document
    from attune_cli.declaring.sources import Sources
    from attune_cli.runtime.store.database import Transaction

Change = Literal["created", "updated", "unchanged", "pruned"]


@immutable(kw_only=True)
class Step:
    """What becomes of one thing: how it was, how it is to be, and which file says so."""

    kind: str
    ref: str
    path: str | None
    before: Document | None
    after: Document | None

    @property
    def change(self) -> Change:
        if self.before is None:
            return "created"
        if self.after is None:
            return "pruned"
        return "unchanged" if self.before == self.after else "updated"

    def difference(self) -> str:
        """Return a unified diff from what is kept to what is declared; empty when there is none."""
        lines = difflib.unified_diff(
            _lines(self.before),
            _lines(self.after),
            "/dev/null" if self.before is None else f"kept/{self.kind}/{self.ref}",
            "/dev/null" if self.after is None else self.path or f"declared/{self.kind}/{self.ref}",
            lineterm="",
        )
        return "".join(f"{line}\n" for line in lines)


def _lines(document: Document | None) -> list[str]:
    return [] if document is None else yaml_document(document).splitlines()


@immutable(kw_only=True)
class Pruning:
    """Whether what no file declares is taken away, and of which pack only."""

    is_asked: bool = False
    pack: str | None = None


class _UndoneError(Exception):
    """Ends a transaction without a trace."""


@immutable(kw_only=True)
class Outcome:
    """What was done, or would be; `warnings` are of the files."""

    steps: Sequence[Step]
    warnings: Sequence[Finding]


def apply(
    home: Home, settings: Settings, sources: Sources, pruning: Pruning, *, strict: bool, look: bool
) -> Outcome:
    """Do what files declare, or (`look`) only find out what would be done. Raises with all faults of all files."""
    reader = Reader()
    reader.read(sources.files)
    store = (open_store_for_reading if look else open_store)(home, settings)
    found: list[Outcome] = []
    try:
        with store.write(SystemClock().now()) as tx:
            sealer = DeclaringSealer(home.secret_key, pretends=look)
            steps = list(_steps(tx, home, reader, sources, pruning, sealer, look=look))
            found.append(Outcome(steps=steps, warnings=reader.warnings(strict=strict)))
            _undo(when=look or all(step.change == "unchanged" for step in steps))
    except _UndoneError:
        pass
    finally:
        store.close()
    return found[0]


def _undo(*, when: bool) -> None:
    """End a transaction as if it had not been: what would only be written again as it is, is no news to anybody."""
    if when:
        raise _UndoneError


def _steps(
    tx: Transaction,
    home: Home,
    reader: Reader,
    sources: Sources,
    pruning: Pruning,
    sealer: DeclaringSealer,
    *,
    look: bool,
) -> Iterator[Step]:
    if pruning.pack is not None and packs.get(tx, pruning.pack) is None and pruning.pack != "local":
        raise UsageError(f"--scope: no pack '{pruning.pack}'", hint="attune pack list")
    for folder in sources.packs:
        before = {pack.ref: pack_document(tx, pack.ref) for pack in packs.all_packs(tx)}
        try:
            ref = link(tx, folder, home=home, sealer=sealer)
        except AttuneError as error:
            reader.findings += _of_pack(str(folder), error)
            continue
        if ref is not None:
            yield Step(
                kind="pack", ref=ref, path=str(folder), before=before.get(ref), after=pack_document(tx, ref)
            )
    for one in reader.declarations:
        step = keep(tx, one, sealer, missing="warning" if look else "error")
        if step is not None:
            yield step
    for one in reader.declarations:
        verify(tx, one)
    if pruning.is_asked:
        yield from _prune(tx, reader.declarations, pruning)


def _of_pack(folder: str, error: AttuneError) -> list[Finding]:
    """Return the faults of a pack at their places."""
    return [_finding(detail, folder) for detail in error.details] or [
        Finding(folder, 1, 1, "error", error.message, error.hint)
    ]


def _finding(detail: Detail, folder: str) -> Finding:
    path, _, place = detail.path.partition(":")
    line, _, column = place.partition(":")
    if line.isdecimal() and column.isdecimal():
        return Finding(path, int(line), int(column), "error", detail.message)
    return Finding(folder, 1, 1, "error", f"{detail.path}: {detail.message}")


def keep(tx: Transaction, one: Declaration, sealer: DeclaringSealer, *, missing: Missing) -> Step | None:
    """Keep what a document declares and return what became of it; None where it cannot be kept, which is noted."""
    kind = KINDS[one.kind]
    before = kind.current(tx, one.ref)
    try:
        stand_in(tx, one, sealer, missing=missing)
        kind.keep(tx, one.value, sealer)
    except AttuneError as error:
        one.fault(error)
        return None
    if isinstance(one.value, RuleDefinition):
        one.fields.note(rules.doubts(tx, one.value), "warning")
    return Step(kind=one.kind, ref=one.ref, path=one.path, before=before, after=kind.current(tx, one.ref))


def verify(tx: Transaction, one: Declaration) -> None:
    """Note what a document names that is not there, now that everything is kept."""
    try:
        KINDS[one.kind].verify(tx, one.value)
    except AttuneError as error:
        one.fault(error)


def _prune(tx: Transaction, declarations: Sequence[Declaration], pruning: Pruning) -> Iterator[Step]:
    declared = {(one.kind, one.ref) for one in declarations}
    for name in PRUNED:
        for ref in KINDS[name].refs(tx, everything=False):
            if (name, ref) in declared or pruning.pack not in (None, pack_of(ref)):
                continue
            before = KINDS[name].current(tx, ref)
            KINDS[name].remove(tx, ref)
            yield Step(kind=name, ref=ref, path=None, before=before, after=None)
