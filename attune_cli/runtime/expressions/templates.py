"""Templates: values with `{{ expression }}` in their texts (domain.md 4.3).

`{#` and `{%` are plain text: only pairs of braces are looked for, and what lies between is an expression.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import Detail, UsageError
from attune_cli.runtime.expressions.expression import read_expression
from attune_cli.runtime.expressions.faults import (
    ExpressionError,
    Fault,
    MissingError,
    ParseError,
    fault_at,
    place_of,
)
from attune_cli.runtime.expressions.json_values import copied, text_of
from attune_cli.runtime.expressions.paths import Mention
from attune_cli.runtime.expressions.running import Run, given
from attune_cli.runtime.expressions.vocabulary import RULES
from attune_cli.runtime.model.pointers import format_pointer
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attune_cli.runtime.expressions.expression import Expression
    from attune_cli.runtime.expressions.paths import WrittenPath
    from attune_cli.runtime.expressions.scope import Scope
    from attune_cli.runtime.expressions.vocabulary import Unknown, Vocabulary
    from attune_cli.runtime.model.actions import Json


Steps = tuple[str | int, ...]

MAX_DEPTH = 100
"""As deep as a pack's file may nest."""


class TemplateError(UsageError):
    """A template cannot be filled in; the details name each place with its expression."""

    default_code = "template"


@immutable
class Filled:
    value: Json
    warnings: tuple[str, ...]
    """What was missing, and became null or nothing."""
    secrets: frozenset[str]
    """JSON pointers into `value` of what came from secrets."""


@immutable
class Text:
    """A text with expressions in it: its pieces in order, plain ones as they are."""

    pieces: tuple[str | Expression, ...]
    unknown: tuple[Unknown, ...] = ()
    """Names that lead nowhere."""
    paths: tuple[tuple[WrittenPath, int], ...] = ()
    """The paths that are named, with their places in the text."""
    needed: tuple[tuple[WrittenPath, int], ...] = ()
    """Those without which there is no value."""

    @property
    def whole(self) -> Expression | None:
        """The expression that is all of it; white space around does not count."""
        expressions = [piece for piece in self.pieces if not isinstance(piece, str)]
        blank = all(not piece.strip() for piece in self.pieces if isinstance(piece, str))
        return expressions[0] if len(expressions) == 1 and blank else None


class Template:
    """A value with templates in it: compiled once, filled in often, by any thread."""

    def __init__(
        self,
        root: Steps,
        written: Json,
        texts: dict[Steps, Text],
        doubts: tuple[Fault, ...],
        mentions: tuple[Mention, ...],
        *,
        is_strict: bool,
    ) -> None:
        self._root = root
        self._written = written
        self._texts = texts
        self._is_strict = is_strict
        self.doubts = doubts
        """Names that lead nowhere: what stands there can only become null."""
        self.mentions = mentions

    @property
    def needed(self) -> list[Mention]:
        """The paths without which it cannot be filled in."""
        return [
            Mention(path, (*self._root, *steps))
            for steps, text in self._texts.items()
            for path, _ in text.needed
        ]

    @property
    def places(self) -> frozenset[Steps]:
        """The steps into what was written to each text with a template in it."""
        return frozenset(self._texts)

    def fill(self, scope: Scope) -> Filled:
        """Return the value with everything filled in; raises TemplateError with every place that cannot be.

        What is missing is such a place where the vocabulary is strict, and nothing elsewhere.
        """
        filling = _Filling(self._root, self._texts, scope, is_strict=self._is_strict)
        value = filling.value(self._written, ())
        if filling.faults:
            first = filling.faults[0]
            raise TemplateError(f"{first.path}: {first.message}", details=filling.faults)
        return Filled(value, tuple(filling.warnings), frozenset(filling.secrets))


class _Filling:
    def __init__(self, root: Steps, texts: dict[Steps, Text], scope: Scope, *, is_strict: bool) -> None:
        self._is_strict = is_strict
        self._root = root
        self._texts = texts
        self._scope = scope
        self.warnings: list[str] = []
        self.secrets: list[str] = []
        self.faults: list[Detail] = []

    def value(self, written: Json, steps: Steps) -> Json:
        if isinstance(written, dict):
            members = cast("dict[str, Any]", written)
            return {name: self.value(one, (*steps, name)) for name, one in members.items()}
        if isinstance(written, list):
            return [self.value(one, (*steps, index)) for index, one in enumerate(cast("list[Any]", written))]
        text = self._texts.get(steps)
        return written if text is None else self._text(text, steps)

    def _text(self, text: Text, steps: Steps) -> Json:
        run = Run(self._scope)
        whole = text.whole
        pieces = [
            piece if isinstance(piece, str) else self._computed(piece, run, steps, as_text=whole is None)
            for piece in text.pieces
            if whole is None or not isinstance(piece, str)
        ]
        value = pieces[0] if whole is not None else "".join(pieces)
        if run.secret:
            self.secrets.append(format_pointer([str(step) for step in steps]))
        return value

    def _computed(self, expression: Expression, run: Run, steps: Steps, *, as_text: bool) -> Json:
        path = ".".join(str(step) for step in (*self._root, *steps))
        try:
            value = given(expression.value(run))
            return text_of(value) if as_text else copied(value)
        except ExpressionError as error:
            if isinstance(error, MissingError) and not self._is_strict:
                self.warnings.append(f"{path}: {error}")
            else:
                self.faults.append(Detail(path, f"{{{{ {expression.text} }}}}: {error}"))
        return "" if as_text else None


def read_template(
    written: Json, at: str = "action_params", vocabulary: Vocabulary = RULES
) -> tuple[Template, list[Fault]]:
    """Compile every template in a value; returns what could be, and every fault. `at` begins their paths."""
    root: Steps = tuple(at.split(".")) if at else ()
    texts: dict[Steps, Text] = {}
    faults: list[Fault] = []
    doubts: list[Fault] = []
    mentions: list[Mention] = []
    for steps, text in _texts_of(written, ()):
        if len(steps) > MAX_DEPTH:
            faults.append(fault_at((*root, *steps[:MAX_DEPTH]), f"nested deeper than {MAX_DEPTH} levels"))
            break
        if "{{" not in text:
            continue
        try:
            texts[steps] = read_text(text, vocabulary)
        except ParseError as error:
            faults.append(
                fault_at((*root, *steps), f"template: {error.message}", place=place_of(text, error.offset))
            )
        else:
            for unknown, fault in unknown_names(texts[steps].unknown, text, (*root, *steps)):
                (doubts if unknown.is_doubt else faults).append(fault)
            mentions.extend(mentioned(texts[steps].paths, text, (*root, *steps)))
    is_strict = vocabulary.is_strict
    return Template(root, written, texts, tuple(doubts), tuple(mentions), is_strict=is_strict), faults


def _texts_of(value: Json, steps: Steps) -> Iterator[tuple[Steps, str]]:
    """Yield each text in a value; too deep a value is not gone into, and its place yielded."""
    pending: list[tuple[Steps, Any]] = [(steps, value)]
    while pending:
        here, one = pending.pop()
        if isinstance(one, str) or len(here) > MAX_DEPTH:
            yield here, one if isinstance(one, str) else ""
        elif isinstance(one, dict):
            members = cast("dict[str, Any]", one)
            pending.extend(((*here, name), inner) for name, inner in reversed(members.items()))
        elif isinstance(one, list):
            items = list(enumerate(cast("list[Any]", one)))
            pending.extend(((*here, index), inner) for index, inner in reversed(items))


def unknown_names(
    names: Iterable[Unknown], written: str, steps: Steps, start: int = 0
) -> Iterator[tuple[Unknown, Fault]]:
    """Yield a fault for each name that leads nowhere; their places count from `start` in the text."""
    for one in names:
        yield one, fault_at(steps, one.said, place=place_of(written, start + one.offset))


def mentioned(
    paths: Iterable[tuple[WrittenPath, int]], written: str, steps: Steps, start: int = 0
) -> Iterator[Mention]:
    """Yield the paths that a text names; their places count from `start` in the text."""
    for path, offset in paths:
        yield Mention(path, steps, place_of(written, start + offset))


def read_text(text: str, vocabulary: Vocabulary = RULES) -> Text:
    """Split a text at its templates and compile them; raises ParseError, its offset counted in the text."""
    pieces: list[str | Expression] = []
    unknown: list[Unknown] = []
    paths: list[tuple[WrittenPath, int]] = []
    needed: list[tuple[WrittenPath, int]] = []
    end = 0
    while (start := text.find("{{", end)) >= 0:
        close = _end_of(text, start + 2)
        if start > end:
            pieces.append(text[end:start])
        inner = text[start + 2 : close]
        try:
            expression = read_expression(inner, vocabulary)
        except ParseError as error:
            raise ParseError(error.message, start + 2 + error.offset) from None
        pieces.append(expression)
        unknown.extend(replace(one, offset=start + 2 + one.offset) for one in expression.unknown)
        paths.extend((path, start + 2 + offset) for path, offset in expression.paths)
        needed.extend((path, start + 2 + offset) for path, offset in expression.needed)
        end = close + 2
    if end < len(text):
        pieces.append(text[end:])
    return Text(tuple(pieces), tuple(unknown), tuple(paths), tuple(needed))


def _end_of(text: str, start: int) -> int:
    """Return where the `}}` stands that closes a template; quotes and braces within it are stepped over."""
    quote = ""
    braces = 0
    index = start
    while index < len(text):
        one = text[index]
        if quote:
            index += one == "\\"
            quote = "" if one == quote else quote
        elif one in {'"', "'"}:
            quote = one
        elif one == "{":
            braces += 1
        elif one == "}":
            if not braces and text.startswith("}}", index):
                return index
            braces = max(0, braces - 1)
        index += 1
    reason = (
        "a text in quotes is never closed"
        if quote
        else "'{{' is never closed; write {{ '{{' }} for the braces"
    )
    raise ParseError(reason, start - 2)
