"""From the parser's tree to a function that computes it: only the nodes named here have a meaning."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import did_you_mean
from attune_cli.runtime.expressions.choosing import choose
from attune_cli.runtime.expressions.faults import ExpressionError, ParseError
from attune_cli.runtime.expressions.filters import (
    BY_MEMBER,
    CHOOSERS,
    FILTERS,
    TAKE_MISSING,
    TESTS,
    TESTS_OF_MISSING,
)
from attune_cli.runtime.expressions.functions import FUNCTIONS, integer_in, list_in, number_in
from attune_cli.runtime.expressions.json_values import Missing, finite, step, text_of, type_of
from attune_cli.runtime.expressions.operators import BINARY, COMPARISONS, ORDERING
from attune_cli.runtime.expressions.running import Run, given
from attune_cli.runtime.expressions.vocabulary import Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import nodes

    from attune_cli.runtime.expressions.vocabulary import Vocabulary
    from attune_cli.runtime.model.actions import Json

Compute = Callable[[Run], Any]
"""Computes the value of a node; a Missing where a path leads nowhere."""

MAX_DEPTH = 100

_WORDS = {"null": None, "Null": None, "NULL": None, "TRUE": True, "FALSE": False}
"""Beside the ones that the parser knows."""


class Compiler:
    """Compiles one expression, and notes the paths it names and the names that lead nowhere, with their places."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.paths: list[tuple[tuple[str | int, ...], int]] = []
        self.needed: list[tuple[tuple[str | int, ...], int]] = []
        """Those of the paths without which there is no value, whatever else is so."""
        self.unknown: list[Unknown] = []
        self._may_be_missing = 0
        self._may_be_left = 0

    def compile(self, node: nodes.Node, depth: int = 0) -> Compute:
        if depth > MAX_DEPTH:
            raise ParseError("is nested too deeply", node.lineno)
        kind = type(node).__name__
        if kind in BINARY:
            return self._binary(cast("nodes.BinExpr", node), depth + 1)
        make = cast("Callable[[Any, int], Compute] | None", getattr(self, f"_{kind.lower()}", None))
        if make is None:
            raise ParseError("this has no meaning in an expression", node.lineno)
        return make(node, depth + 1)

    # --- values ---

    def _const(self, node: nodes.Const, _depth: int) -> Compute:
        value = _constant(node)
        return lambda _: value

    def _list(self, node: nodes.List, depth: int) -> Compute:
        items = [self.compile(item, depth) for item in node.items]
        return lambda run: [given(item(run)) for item in items]

    _tuple = _list

    def _dict(self, node: nodes.Dict, depth: int) -> Compute:
        members = [(self.compile(pair.key, depth), self.compile(pair.value, depth)) for pair in node.items]

        def compute(run: Run) -> Json:
            return {_key(given(key(run))): given(value(run)) for key, value in members}

        return compute

    def _condexpr(self, node: nodes.CondExpr, depth: int) -> Compute:
        test, then = self.compile(node.test, depth), self._of_left(node.expr1, depth)
        other = None if node.expr2 is None else self._of_left(node.expr2, depth)

        def compute(run: Run) -> Json:
            if given(test(run)):
                return then(run)
            return None if other is None else other(run)

        return compute

    # --- paths ---

    def _name(self, node: nodes.Name, _depth: int) -> Compute:
        name = node.name
        if name in _WORDS:
            return lambda _: _WORDS[name]
        return self.path(name, (), node.lineno)

    def path(self, name: str, path: tuple[str | int, ...], offset: int) -> Compute:
        """Compile a path that begins with a name; one that leads nowhere is noted."""
        if name in self._vocabulary.written_out and not path:
            noun = "key" if name == "keystore" else "task"
            raise ParseError(f"the name of a {noun} has to be written out, as in {name}.NAME", offset)
        self.paths.append(((name, *path), offset))
        if not self._may_be_missing and not self._may_be_left:
            self.needed.append(((name, *path), offset))
        unknown = self._vocabulary.unknown(name, path, offset)
        if unknown is None:
            return lambda run: run.look(name, path)
        self.unknown.append(replace(unknown, is_doubt=True) if self._may_be_missing else unknown)
        if unknown.is_doubt and name in self._vocabulary.roots:
            return lambda run: run.look(name, path)
        missing = Missing(".".join([name, *map(str, path)]))
        return lambda _: missing

    def _of_missing(self, node: nodes.Expr, depth: int) -> Compute:
        """Compile what may lead nowhere, since what stands behind it knows what to do then."""
        self._may_be_missing += 1
        compute = self.compile(node, depth)
        self._may_be_missing -= 1
        return compute

    def _of_left(self, node: nodes.Node, depth: int) -> Compute:
        """Compile what is computed only when something else is so."""
        self._may_be_left += 1
        compute = self.compile(node, depth)
        self._may_be_left -= 1
        return compute

    def _getattr(self, node: nodes.Getattr, depth: int) -> Compute:
        return self._within(node, node.attr, depth)

    def _getitem(self, node: nodes.Getitem, depth: int) -> Compute:
        arg = node.arg
        kind = type(arg).__name__
        if kind == "Slice":
            return self._slice(node.node, cast("nodes.Slice", arg), depth)
        if kind == "Const":
            return self._within(node, _part(cast("nodes.Const", arg)), depth)
        inner, index = self.compile(node.node, depth), self.compile(arg, depth)

        def compute(run: Run) -> Json:
            value, part = inner(run), given(index(run))
            return member_of(value, part, shown="…")

        return compute

    def _within(self, node: nodes.Getattr | nodes.Getitem, part: str | int, depth: int) -> Compute:
        """Compile a path of written segments as one, so that it is looked up, and told, as one."""
        path: list[str | int] = [part]
        inner: nodes.Expr = node.node
        while (found := _written_part(inner)) is not None:
            path.insert(0, found)
            inner = cast("nodes.Getattr", inner).node
        root = self._root(inner)
        if root is not None:
            return self.path(root, tuple(path), inner.lineno)
        whole = self.compile(inner, depth)

        def compute(run: Run) -> Json:
            value = whole(run)
            for one in path:
                value = member_of(value, one)
            return value

        return compute

    def _root(self, node: nodes.Expr) -> str | None:
        """Return the name with which a path begins, as `result()` where it is called; None for anything else."""
        if type(node).__name__ == "Name":
            name = cast("nodes.Name", node).name
            return None if name in _WORDS else name
        if type(node).__name__ != "Call" or type(cast("nodes.Call", node).node).__name__ != "Name":
            return None
        called = f"{cast('nodes.Name', cast('nodes.Call', node).node).name}()"
        has_arguments = cast("nodes.Call", node).args or cast("nodes.Call", node).kwargs
        return called if called in self._vocabulary.roots and not has_arguments else None

    def _slice(self, sequence: nodes.Expr, node: nodes.Slice, depth: int) -> Compute:
        whole = self.compile(sequence, depth)
        bounds = [
            None if bound is None else self.compile(bound, depth)
            for bound in (node.start, node.stop, node.step)
        ]

        def compute(run: Run) -> Json:
            value = given(whole(run))
            ends = [None if bound is None else _bound(given(bound(run))) for bound in bounds]
            if ends[2] == 0:
                raise ExpressionError("a step of zero leads nowhere")
            return (value if isinstance(value, str) else list_in(value))[slice(*ends)]

        return compute

    # --- operators ---

    def _binary(self, node: nodes.BinExpr, depth: int) -> Compute:
        apply = BINARY[type(node).__name__]
        left, right = self.compile(node.left, depth), self.compile(node.right, depth)

        def compute(run: Run) -> Json:
            result = apply(given(left(run)), given(right(run)))
            run.charge(result)
            return result

        return compute

    def _concat(self, node: nodes.Concat, depth: int) -> Compute:
        parts = [self.compile(part, depth) for part in node.nodes]

        def compute(run: Run) -> Json:
            result = "".join([text_of(given(part(run))) for part in parts])
            run.charge(result)
            return result

        return compute

    def _and(self, node: nodes.And, depth: int) -> Compute:
        left, right = self.compile(node.left, depth), self._of_left(node.right, depth)
        return lambda run: bool(given(left(run))) and bool(given(right(run)))

    def _or(self, node: nodes.Or, depth: int) -> Compute:
        left, right = self.compile(node.left, depth), self._of_left(node.right, depth)
        return lambda run: bool(given(left(run))) or bool(given(right(run)))

    def _not(self, node: nodes.Not, depth: int) -> Compute:
        inner = self.compile(node.node, depth)
        return lambda run: not given(inner(run))

    def _neg(self, node: nodes.Neg, depth: int) -> Compute:
        inner = self.compile(node.node, depth)
        return lambda run: finite(-number_in(given(inner(run))))

    def _pos(self, node: nodes.Pos, depth: int) -> Compute:
        inner = self.compile(node.node, depth)
        return lambda run: number_in(given(inner(run)))

    def _compare(self, node: nodes.Compare, depth: int) -> Compute:
        first = self.compile(node.expr, depth)
        rest = [(operand.op, self.compile(operand.expr, depth)) for operand in node.ops]

        def compute(run: Run) -> Json:
            left: Json = given(first(run))
            previous: tuple[bool, Any] | None = None
            for name, operand in rest:
                right = given(operand(run))
                run.charge(left)
                run.charge(right)
                if previous is not None and name in ORDERING:  # 1 < x < 5
                    result = previous[0] and COMPARISONS[name](previous[1], right)
                else:
                    result = COMPARISONS[name](left, right)
                left, previous = result, (result, right)
            return left

        return compute

    # --- functions, filters, tests ---

    def _call(self, node: nodes.Call, depth: int) -> Compute:
        if type(node.node).__name__ != "Name":
            raise ParseError("only functions can be called", node.node.lineno)
        name = cast("nodes.Name", node.node).name
        root = self._root(node)
        if root is not None:
            return self.path(root, (), node.node.lineno)
        if name in self._vocabulary.functions:
            self._arguments(_nothing, name, node, depth)
            return lambda run: run.scope.call(name)
        if name not in FUNCTIONS:
            return self._unknown_function(name, node.node.lineno)
        apply = FUNCTIONS[name][0]
        arguments = self._arguments(apply, name, node, depth, with_names=False)

        def compute(run: Run) -> Json:
            positional, _ = arguments(run)
            return _applied(run, name, apply, positional, {})

        return compute

    def _unknown_function(self, name: str, offset: int) -> Compute:
        """Note a function that there is not, so that what else is wrong is told with it."""
        said = self._vocabulary.unknown_function(name, FUNCTIONS)
        if not self._vocabulary.is_strict:
            raise ParseError(said, offset)
        self.unknown.append(Unknown(said, offset))
        return lambda _: Missing(f"{name}()")

    def _filter(self, node: nodes.Filter, depth: int) -> Compute:
        if node.node is None:
            raise ParseError("a filter needs a value before it", node.lineno)
        takes_missing = node.name in TAKE_MISSING
        whole = (self._of_missing if takes_missing else self.compile)(node.node, depth)
        if node.name in CHOOSERS:
            return self._chooser(node, whole, depth)
        apply = _known(FILTERS, node.name, "filter", node.lineno, also=CHOOSERS)
        arguments = self._arguments(apply, node.name, node, depth, before=1)

        def compute(run: Run) -> Json:
            value = whole(run)
            positional, named = arguments(run)
            if not takes_missing:
                given(value)
            return _applied(run, node.name, apply, [value, *positional], named)

        return compute

    def _chooser(self, node: nodes.Filter, whole: Compute, depth: int) -> Compute:
        arguments = self._arguments(_anything, node.name, node, depth)

        def compute(run: Run) -> Json:
            values = given(whole(run))
            positional, named = arguments(run)
            return choose(run, node.name, list_in(values), positional, named)

        return compute

    def _test(self, node: nodes.Test, depth: int) -> Compute:
        apply = _known(TESTS, node.name, "test", node.lineno)
        takes_missing = node.name in TESTS_OF_MISSING
        whole = (self._of_missing if takes_missing else self.compile)(node.node, depth)
        arguments = self._arguments(apply, node.name, node, depth, before=1)

        def compute(run: Run) -> Json:
            value = whole(run)
            positional, named = arguments(run)
            return _applied(
                run, node.name, apply, [value if takes_missing else given(value), *positional], named
            )

        return compute

    def _arguments(
        self,
        apply: Callable[..., Any],
        name: str,
        node: nodes.Call | nodes.Filter | nodes.Test,
        depth: int,
        *,
        before: int = 0,
        with_names: bool = True,
    ) -> Callable[[Run], tuple[list[Any], dict[str, Any]]]:
        """Compile the arguments, and see that there are as many as are taken."""
        if node.dyn_args is not None or node.dyn_kwargs is not None or (node.kwargs and not with_names):
            raise ParseError(f"'{name}' takes arguments one by one", node.lineno)
        named = {str(pair.key): self.compile(pair.value, depth) for pair in node.kwargs}
        positional = [self.compile(argument, depth) for argument in node.args]
        try:
            _signature(apply).bind(*[None] * (before + len(positional)), **dict.fromkeys(named))
        except TypeError as error:
            raise ParseError(f"'{name}': {error}", node.lineno) from None

        def compute(run: Run) -> tuple[list[Any], dict[str, Any]]:
            return (
                [given(argument(run)) for argument in positional],
                {key: given(argument(run)) for key, argument in named.items()},
            )

        return compute


@cache
def _signature(apply: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(apply)


def _anything(*_positional: object, **_named: object) -> None:
    """Stand for what looks at its arguments itself."""


def _nothing() -> None:
    """Stand for a function of the scope: it takes nothing."""


def _applied(
    run: Run, name: str, apply: Callable[..., Any], positional: Sequence[Any], named: dict[str, Any]
) -> Json:
    for argument in positional:
        run.charge(argument, by_member=name in BY_MEMBER)
    try:
        result = apply(*positional, **named)
    except ExpressionError as error:
        raise ExpressionError(f"{name}: {error}") from None
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        raise ExpressionError(f"{name}: cannot be computed") from None
    run.charge(result)
    return finite(result)


def _known(
    table: dict[str, tuple[Callable[..., Any], str]],
    name: str,
    noun: str,
    offset: int,
    also: Sequence[str] | dict[str, str] = (),
) -> Callable[..., Any]:
    if name in table:
        return table[name][0]
    suggestion = did_you_mean(name, [*table, *also])
    raise ParseError(f"unknown {noun} '{name}'" + (f"; {suggestion}" if suggestion else ""), offset)


def member_of(value: Json, part: Json, *, shown: str = "") -> Json:
    """Return what a key or an index leads to, a character of a text too; a Missing names it, or says `shown`."""
    if isinstance(value, Missing):
        return value
    if isinstance(value, str) and isinstance(part, int) and not isinstance(part, bool):
        return value[part] if -len(value) <= part < len(value) else Missing(f"[{shown or part}] of a text")
    if not isinstance(part, (str, int)) or isinstance(part, bool):
        raise ExpressionError(f"{type_of(part)} is no key and no index")
    found = step(value, part)
    return Missing(f"[{shown or part}] of {type_of(value)}") if isinstance(found, Missing) else found


def _constant(node: nodes.Const) -> Json:
    value = node.value
    if not isinstance(value, (str, int, float, type(None))):
        raise ParseError("this is no value of JSON", node.lineno)
    try:
        return finite(value)
    except ExpressionError as error:
        raise ParseError(str(error), node.lineno) from None


def _part(node: nodes.Const) -> str | int:
    value = _constant(node)
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return value
    raise ParseError(f"{type_of(value)} is no key and no index", node.lineno)


def _written_part(node: nodes.Expr) -> str | int | None:
    """Return the written segment by which a node goes into another; None where it does not."""
    kind = type(node).__name__
    if kind == "Getattr":
        return cast("nodes.Getattr", node).attr
    if kind == "Getitem" and type(cast("nodes.Getitem", node).arg).__name__ == "Const":
        return _part(cast("nodes.Const", cast("nodes.Getitem", node).arg))
    return None


def _key(value: Json) -> str:
    if isinstance(value, str):
        return value
    raise ExpressionError(f"{type_of(value)} is no key of an object")


def _bound(value: Json) -> int | None:
    return None if value is None else integer_in(value)
