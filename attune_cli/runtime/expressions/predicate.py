"""A condition of a workflow: one expression, evaluated whole (domain.md 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.expressions.expression import read_expression
from attune_cli.runtime.expressions.faults import ExpressionError, ParseError
from attune_cli.runtime.expressions.running import Run, given
from attune_cli.runtime.model.templates import without_braces
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.expression import Expression
    from attune_cli.runtime.expressions.scope import Scope
    from attune_cli.runtime.expressions.vocabulary import Vocabulary


@immutable
class Predicate:
    expression: Expression
    start: int = 0
    """Where the expression begins in what was written."""

    def holds(self, scope: Scope) -> bool:
        """Tell whether it holds; raises ExpressionError, with the expression, where that cannot be told.

        A missing name is such a case.
        """
        try:
            return bool(given(self.expression.value(Run(scope))))
        except ExpressionError as error:
            raise ExpressionError(f"{{{{ {self.expression.text} }}}}: {error}") from error


def read_predicate(written: str, vocabulary: Vocabulary) -> Predicate:
    """Compile a condition, with or without braces around it; raises ParseError."""
    text, start = without_braces(written)
    try:
        return Predicate(read_expression(text, vocabulary), start)
    except ParseError as error:
        raise ParseError(error.message, start + error.offset) from None
