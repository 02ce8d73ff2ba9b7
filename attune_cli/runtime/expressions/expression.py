"""An expression: read once, computed often."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attune_cli.runtime.expressions.compiling import Compiler
from attune_cli.runtime.expressions.faults import ExpressionError, ParseError
from attune_cli.runtime.expressions.parsing import MAX_LENGTH, parse_expression
from attune_cli.runtime.expressions.running import Run
from attune_cli.runtime.expressions.vocabulary import RULES
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.compiling import Compute
    from attune_cli.runtime.expressions.paths import WrittenPath
    from attune_cli.runtime.expressions.scope import Scope
    from attune_cli.runtime.expressions.vocabulary import Unknown, Vocabulary
    from attune_cli.runtime.model.actions import Json

_PLAIN_PATH = re.compile(r"\s*([^\W\d]\w*)((?:\.[^\s.{{}}\[\]()|\"'+*/%,<>=!~:&\\]+)+)\s*")
"""A dotted path as rules know it: a segment may hold what would be an operator elsewhere, as in `x.content-type`."""


@immutable
class Expression:
    text: str
    compute: Compute
    unknown: tuple[Unknown, ...] = ()
    """Names that lead nowhere."""
    paths: tuple[tuple[WrittenPath, int], ...] = ()
    """The paths it names, with their places."""
    needed: tuple[tuple[WrittenPath, int], ...] = ()
    """Those without which it has no value."""

    def value(self, run: Run) -> Json:
        """Compute it; a Missing where it is a path that leads nowhere. Raises ExpressionError, and nothing else."""
        try:
            result = self.compute(run)
            run.charge(result)
        except ExpressionError:
            raise
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError):
            raise ExpressionError("it cannot be computed") from None
        else:
            return result
        finally:
            run.tell()


def read_expression(text: str, vocabulary: Vocabulary = RULES) -> Expression:
    """Compile an expression; raises ParseError."""
    compiler = Compiler(vocabulary)
    plain = _PLAIN_PATH.fullmatch(text) if len(text) <= MAX_LENGTH else None
    path = tuple(plain[2][1:].split(".")) if plain is not None else ()
    try:
        if plain is not None and vocabulary.is_plain_path(plain[1], path):
            compute = compiler.path(plain[1], path, plain.start(1))
        else:
            compute = compiler.compile(parse_expression(text))
    except RecursionError:
        raise ParseError("is nested too deeply") from None
    return Expression(
        text.strip(), compute, tuple(compiler.unknown), tuple(compiler.paths), tuple(compiler.needed)
    )


def evaluate(text: str, scope: Scope, vocabulary: Vocabulary = RULES) -> Json:
    """Read and compute an expression once, for tests and for the command line."""
    return read_expression(text, vocabulary).value(Run(scope))
