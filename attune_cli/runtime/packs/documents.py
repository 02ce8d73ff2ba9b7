"""Reading YAML as JSON values that know where they stand.

The YAML 1.2 core schema decides what a plain word means, so `no`, `12:30` and `2026-05-01` stay text, as
they do for the existing platform. The document is built from parser events, not from composed nodes: nesting
is counted before the library recurses into it.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, cast

from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import yaml

    from attune_cli.runtime.model.actions import Json

MAX_BYTES = 1024 * 1024
"""The existing platform's limit for a workflow file (domain.md 5.1); no other file needs more."""
MAX_DEPTH = 100
MAX_VALUES = 100_000
"""Counted with every alias written out, so that a few nested aliases cannot fill the memory."""

Path = tuple[str | int, ...]
Position = tuple[int, int]
"""Line and column, from 1."""

_PREFIX = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_PREFIX + name for name in ("null", "bool", "int", "float"))
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_MERGE = "<<"


class DocumentError(Exception):
    """The text is not a document; says why and where."""

    def __init__(self, message: str, position: Position = (1, 1)) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@immutable
class Document:
    """A parsed file: its value, where each key and each value stands, and keys written twice."""

    value: Json
    keys: dict[Path, Position] = field(default_factory=dict[Path, Position])
    values: dict[Path, Position] = field(default_factory=dict[Path, Position])
    repeated: tuple[tuple[str, Position, Position], ...] = ()
    """Key, where it stands again, where it stood first."""
    styles: dict[Path, str] = field(default_factory=dict[Path, str])
    """How a text is written that is not plain: ' " | or >."""
    lines: tuple[str, ...] = ()
    begin: Position = (1, 1)

    def position_of_key(self, path: Path) -> Position:
        return self.keys.get(path) or self.position_of_value(path)

    def position_of_value(self, path: Path) -> Position:
        """Return where the value stands, or the nearest one around it."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, (1, 1))

    def position_within(self, path: Path, line: int, column: int) -> Position:
        """Return where line and column of the text at `path` stand in the file, as near as its style allows."""
        start, left = self.position_of_value(path)
        style = self.styles.get(path, "")
        if style in {"|", ">"}:
            first = next((text for text in self.lines[start:] if text.strip()), "")
            return start + line, len(first) - len(first.lstrip(" ")) + column
        if line > 1 or start > len(self.lines):
            return start, left
        return start, left + column - 1 + len(style)


def parse_document(content: bytes) -> Document:
    """Read one YAML document; raises DocumentError."""
    documents = list(_parse(content))
    if len(documents) > 1:
        raise DocumentError("a second document begins here; one file holds one", documents[1].begin)
    return documents[0] if documents else Document(None)


def parse_documents(content: bytes) -> list[Document]:
    """Read all YAML documents of a file, but for empty ones; raises DocumentError."""
    return [document for document in _parse(content) if document.value is not None]


def _parse(content: bytes) -> Iterator[Document]:
    if len(content) > MAX_BYTES:
        raise DocumentError(f"larger than {MAX_BYTES // 1024} KiB")
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    parse = cast("Callable[..., Iterator[yaml.Event]]", yaml.parse)  # pyright: ignore[reportUnknownMemberType] - the stub leaves it untyped
    lines = tuple(content.decode(errors="replace").splitlines())
    events = parse(content, Loader=loader)
    try:
        while (document := _Builder(events, lines).build()) is not None:
            yield replace(document, lines=lines)
    except yaml.YAMLError as error:
        raise _translate(error, content, lines) from error


def _translate(error: yaml.YAMLError, content: bytes, lines: tuple[str, ...]) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        from attune_cli.runtime.packs.yaml_words import in_words

        said = getattr(error, "problem", None) or getattr(error, "context", None) or "not YAML"
        begun = getattr(error, "context_mark", None)
        opened = None if begun is None else (begun.line + 1, begun.column + 1)
        return DocumentError(*in_words(str(said), lines, (mark.line + 1, mark.column + 1), opened))
    offset = int(getattr(error, "position", 0) or 0)
    before = content[:offset]
    column = offset - (before.rfind(b"\n") + 1) + 1
    return DocumentError(str(getattr(error, "reason", "not YAML")), (before.count(b"\n") + 1, column))


def _position(event: yaml.Event) -> Position:
    mark = cast("Any", event).start_mark
    return (mark.line + 1, mark.column + 1)


class _Builder:
    """Builds the value from the parser's events, and notes positions on the way."""

    def __init__(self, events: Iterator[yaml.Event], lines: tuple[str, ...]) -> None:
        self._events = events
        self._lines = lines
        self._anchors: dict[str, tuple[Json, int]] = {}
        self._keys: dict[Path, Position] = {}
        self._values: dict[Path, Position] = {}
        self._repeated: list[tuple[str, Position, Position]] = []
        self._styles: dict[Path, str] = {}
        self._count = 0

    def build(self) -> Document | None:
        """Return the next document; None when there is none left."""
        import yaml

        begin, event = (1, 1), self._next()
        while isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent)):
            begin, event = _position(event), self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return None
        value = self._value(event, ())
        self._next()
        return Document(value, self._keys, self._values, tuple(self._repeated), self._styles, begin=begin)

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _value(self, event: yaml.Event, path: Path) -> Json:
        """Build the value that `event` begins. The path's length is its depth."""
        import yaml

        if len(path) > MAX_DEPTH:
            raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", _position(event))
        self._values[path] = _position(event)
        before = self._count
        self._add(1, event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        value = self._collection_or_scalar(event, path)
        anchor = cast("yaml.NodeEvent", event).anchor
        if anchor is not None:
            self._anchors[anchor] = (value, self._count - before)
        return value

    def _add(self, count: int, event: yaml.Event) -> None:
        self._count += count
        if self._count > MAX_VALUES:
            raise DocumentError(f"holds more than {MAX_VALUES:,} values", _position(event))

    def _alias(self, event: yaml.AliasEvent) -> Json:
        if event.anchor not in self._anchors:
            raise DocumentError(
                f"the alias *{event.anchor} has no anchor before it; a text that begins with '*' needs quotes",
                _position(event),
            )
        value, count = self._anchors[event.anchor]
        self._add(count, event)
        return value

    def _collection_or_scalar(self, event: yaml.Event, path: Path) -> Json:
        import yaml

        if isinstance(event, yaml.ScalarEvent):
            if event.style:
                self._styles[path] = event.style
            return _scalar(event)
        tag = cast("yaml.CollectionStartEvent", event).tag
        if isinstance(event, yaml.SequenceStartEvent):
            _refuse_tag(tag, "seq", event)
            return self._sequence(path)
        _refuse_tag(tag, "map", event)
        return self._mapping(path)

    def _sequence(self, path: Path) -> Json:
        import yaml

        items: list[Json] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> Json:
        import yaml

        merged: dict[str, Json] = {}
        members: dict[str, Json] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key, inner = self._key(event), _position(event)
            member = (*path, key)
            if key in members:
                self._repeated.append((key, inner, self._keys[member]))
            self._keys[member] = inner
            value = self._value(self._next(), member)
            if key == _MERGE:
                merged = _merge(value, inner)
            else:
                members[key] = value
        return {**merged, **members}

    def _key(self, event: yaml.Event) -> str:
        import yaml

        if isinstance(event, yaml.ScalarEvent):
            return event.value
        from attune_cli.runtime.packs.yaml_words import unquoted_template

        told = unquoted_template(self._lines, _position(event))
        raise DocumentError(*(told or ("a key must be a word", _position(event))))


def _merge(value: Json, position: Position) -> dict[str, Json]:
    """Return what `<<: *other` or `<<: [*one, *other]` brings in; earlier ones win."""
    sources = cast("list[Json]", value) if isinstance(value, list) else [value]
    merged: dict[str, Json] = {}
    for source in sources:
        if not isinstance(source, dict):
            raise DocumentError("only mappings can be merged with '<<'", position)
        merged = {**cast("dict[str, Json]", source), **merged}
    return merged


def _refuse_tag(tag: str | None, known: str, event: yaml.Event) -> None:
    if tag not in {None, "!", _PREFIX + known}:
        raise DocumentError(f"the tag {tag} has no meaning in a pack", _position(event))


def _scalar(event: yaml.ScalarEvent) -> Json:
    text, tag = event.value, event.tag
    quoted = not event.implicit[0]
    if tag in {"!", _PREFIX + "str"} or (tag is None and quoted):
        return text
    if tag is not None and tag not in _PLAIN_TAGS:
        raise DocumentError(f"the tag {tag} has no meaning in a pack", _position(event))
    try:
        return _plain(text)
    except ValueError:
        raise DocumentError(f"{text[:20]} is not a number that JSON knows", _position(event)) from None


def reads_as_text(text: str) -> bool:
    """Tell whether a plain word is read as the text it is, so that it needs no quotes."""
    try:
        return _plain(text) == text
    except ValueError:
        return False


def _plain(text: str) -> Json:
    """Resolve a plain scalar by the YAML 1.2 core schema (yaml.org/spec/1.2.2, 10.3.2)."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if not _FLOAT.fullmatch(text):
        return text
    number = nan if text[-1].isalpha() else float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number
