"""Writing YAML that is read back as what it was, by the readers of packs (YAML 1.2 core schema) and by others (1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from attune_cli.runtime.packs.documents import reads_as_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attune_cli.declaring.rule_documents import Document

_ONE_LINE = 60
"""So long a list of words may be, in characters, to stand in one line."""


class _Writer(yaml.SafeDumper):
    """Quotes what YAML 1.1 takes for text and YAML 1.2 for a number (`1e3`), and has no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - the library's signature
        return True


def _text(writer: _Writer, text: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))  # pyright: ignore[reportUnknownMemberType] - the stub leaves it untyped


def _style(text: str) -> str | None:
    """Return how a text is written: plain where that is safe, in lines where it has some, else in quotes."""
    lines = text.split("\n")
    if len(lines) > 1 and all(line.isprintable() and line == line.strip() for line in lines) and lines[0]:
        return "|"
    if not text.isprintable():
        return '"'
    return None if reads_as_text(text) else "'"


def _list(writer: _Writer, items: list[Any]) -> yaml.SequenceNode:
    """Short lists of words in one line: `[a, b]`."""
    is_flat = all(not isinstance(item, (list, dict)) for item in items) and len(str(items)) < _ONE_LINE
    return writer.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=is_flat)  # pyright: ignore[reportUnknownMemberType] - as above


_Writer.add_representer(str, _text)
_Writer.add_representer(list, _list)


def yaml_documents(documents: Iterable[Document]) -> str:
    """Return documents as one text, keys in their order."""
    return "".join(f"---\n{yaml_document(document)}" for document in documents)


def yaml_document(document: Document) -> str:
    """Return one document as text."""
    return yaml.dump(document, Dumper=_Writer, allow_unicode=True, sort_keys=False, width=1000)
