"""Checking what files declare without a database and without keys (cli.md 3.9, `validate`)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.config import PROJECT_FILE
from attune_cli.declaring.applying import keep, verify
from attune_cli.declaring.kinds import KINDS
from attune_cli.declaring.missing_keys import DeclaringSealer
from attune_cli.declaring.project_packs import link
from attune_cli.declaring.reading import Reader
from attune_cli.declaring.sources import Sources, find_sources, sources_of_project
from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_empty_store
from attune_cli.runtime.model.refs import pack_of
from attune_cli.runtime.packs.source import MANIFEST_NAMES
from attune_cli.runtime.store import packs
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.config import Home
    from attune_cli.context import Context
    from attune_cli.declaring.reading import Declaration
    from attune_cli.declaring.sources import File
    from attune_cli.runtime.packs.findings import Finding
    from attune_cli.runtime.store.database import Transaction

_LOCAL = "local"


@immutable
class Checked:
    """What was found in documents, how many of them there are, and which paths mean some, or a project."""

    findings: Sequence[Finding]
    count: int
    paths: frozenset[Path]


def check_documents(context: Context, paths: Iterable[Path], *, strict: bool) -> Checked:
    """Check the documents that paths mean, each within the project that it lies in."""
    meant: set[Path] = set()
    named: dict[Path | None, dict[Path, File]] = {}
    for path in paths:
        if not path.exists() or _lies_in_pack(path):
            continue
        project = _project_of(path)
        files = find_sources(context, [str(path)], recursive=False).files
        if files or path.absolute() == project:
            meant.add(path)
            named.setdefault(project, {}).update({Path(file.path).absolute(): file for file in files})
    findings: list[Finding] = []
    count = 0
    for project, files in named.items():
        reader = _within(context, project, files)
        findings += [one for one in reader.found(strict=strict) if Path(one.path).absolute() in files]
        count += sum(Path(path).absolute() in files for path, _, _ in reader.begun)
    return Checked(findings, count, frozenset(meant))


def _lies_in_pack(path: Path) -> bool:
    here = path.absolute()
    return any((folder / name).is_file() for folder in (here, *here.parents) for name in MANIFEST_NAMES)


def _project_of(path: Path) -> Path | None:
    here = path.absolute()
    return next((folder for folder in (here, *here.parents) if (folder / PROJECT_FILE).is_file()), None)


def _within(context: Context, project: Path | None, files: dict[Path, File]) -> Reader:
    """Read documents with all that is around them: a file of a project names what others declare."""
    around = Sources((), ()) if project is None else sources_of_project(project)
    for sentence in around.overlooked:
        context.out.warning(sentence)
    everything = {**files, **{Path(file.path).absolute(): file for file in around.files}}
    reader = Reader()
    reader.read(everything.values())
    store = open_empty_store(context.home)
    try:
        with store.write(SystemClock().now()) as tx:
            known = {_LOCAL} if project is not None else set[str]()
            _check(tx, reader, context.home, around.packs, known)
    finally:
        store.close()
    return reader


def _check(tx: Transaction, reader: Reader, home: Home, folders: Iterable[Path], known: set[str]) -> None:
    """Keep everything in an empty database, where nothing else may be missing than what packs elsewhere bring."""
    sealer = DeclaringSealer(home.secret_key, pretends=True)
    for folder in folders:
        with suppress(AttuneError), tx.savepoint():  # its own faults are told by the reader of packs
            link(tx, folder, home=home, sealer=sealer)
    known |= {pack.ref for pack in packs.all_packs(tx)}
    unchecked: set[str] = set()
    for one in reader.declarations:
        if _is_within_reach(one, known, unchecked):
            keep(tx, one, sealer, missing="expected")
        else:
            unchecked.add(one.ref)
    for one in reader.declarations:
        if one.ref not in unchecked:
            verify(tx, one)


def _is_within_reach(one: Declaration, known: set[str], unchecked: set[str]) -> bool:
    """Tell whether all that a document needs can be looked at; warn where it cannot."""
    kind = KINDS[one.kind]
    needs = list(kind.needs(one.value))
    elsewhere = sorted({pack for pack in map(_pack_of, needs) if pack not in known})
    if elsewhere:
        packs_named = ", ".join(f"'{pack}'" for pack in elsewhere)
        one.fields.warn(f"not checked against what is not in this project: {packs_named}", kind.identified_by)
    return not elsewhere and unchecked.isdisjoint(needs)


def _pack_of(ref: str) -> str:
    return pack_of(ref) if "." in ref else ref
