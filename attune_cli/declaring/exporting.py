"""Behind `attune export`: what there is, as the documents that would make it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.declaring.kinds import KINDS
from attune_cli.declaring.sources import FOLDERS
from attune_cli.declaring.yaml_writing import yaml_document, yaml_documents
from attune_cli.errors import ConflictError, Detail, NotFoundError, UnavailableError, UsageError, did_you_mean
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store_for_reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from attune_cli.context import Context
    from attune_cli.declaring.rule_documents import Document
    from attune_cli.runtime.store.database import Transaction

_FOLDER_OF = {kind: folder for folder, kind in FOLDERS.items()}


def export(context: Context, words: Sequence[str], *, everything: bool, to: Path | None) -> None:
    """Print documents, or write each into a file of its own below `to`."""
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        documents = collect(tx, words, everything=everything)
    if to is not None:
        _write(context, documents, to)
    elif context.out.is_text:
        context.out.text(yaml_documents(documents))
    else:
        context.out.records([{**one, "ref": one.get("ref", one.get("name"))} for one in documents], ())


def collect(tx: Transaction, words: Sequence[str], *, everything: bool) -> list[Document]:
    """Return the documents of what is named: `rule`, `rule/pack.name`; without words of all that people made."""
    wanted: dict[tuple[str, str], None] = {}
    for word in words or KINDS:
        noun, slash, ref = word.partition("/")
        noun = noun if noun in KINDS else noun.removesuffix("s")
        if noun not in KINDS:
            raise UsageError(
                f"nothing called {noun!r} can be exported; there are {', '.join(KINDS)}",
                code="unknown_kind",
                hint=did_you_mean(noun, KINDS),
            )
        refs = [ref] if slash else KINDS[noun].refs(tx, everything=everything)
        wanted.update(dict.fromkeys((noun, one) for one in refs))
    return [_document(tx, noun, ref) for noun, ref in wanted]


def _document(tx: Transaction, noun: str, ref: str) -> Document:
    document = KINDS[noun].current(tx, ref)
    if document is None:
        near = did_you_mean(ref, KINDS[noun].refs(tx, everything=True))
        raise NotFoundError(f"no {noun} '{ref}'", hint=near)
    return {"kind": noun, **document}


def _write(context: Context, documents: Sequence[Document], to: Path) -> None:
    """Write files; one that says something else is only overwritten with --yes."""
    texts = {
        to / _FOLDER_OF[one["kind"]] / f"{one.get('ref', one.get('name'))}.yaml": yaml_document(one)
        for one in documents
    }
    try:
        others = [path for path, text in texts.items() if path.exists() and path.read_text("utf-8") != text]
        if others and not context.yes:
            raise ConflictError(
                f"{len(others)} files say something else",
                code="exists",
                details=[Detail(str(path), "exists") for path in others],
                hint="add --yes to overwrite them",
            )
        if not context.dry_run:
            for path, text in texts.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(f"{to} cannot be written: {error}") from error
    paths = [str(path) for path in texts]
    context.out.outcome({"kind": "outcome", "files": paths}, paths)
