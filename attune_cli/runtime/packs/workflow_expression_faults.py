"""What is wrong with the expressions of a workflow, and with the names of its variables (domain.md 5.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import did_you_mean
from attune_cli.runtime.expressions.faults import ExpressionError, Fault, ParseError, fault_at, place_of
from attune_cli.runtime.expressions.parsing import MAX_LENGTH
from attune_cli.runtime.expressions.predicate import read_predicate
from attune_cli.runtime.expressions.running import Run
from attune_cli.runtime.expressions.templates import read_template, read_text, unknown_names
from attune_cli.runtime.expressions.workflow_scope import ITEMS, ROOTS, place_of_input, vocabulary
from attune_cli.runtime.model.parameters import shown, types_of
from attune_cli.runtime.model.templates import without_braces
from attune_cli.runtime.model.workflows.task import condition_of, decisions
from attune_cli.runtime.packs.workflow_shapes import Steps, mappings, members, tasks_in, variables_in
from attune_cli.runtime.packs.workflow_text_doubts import FOREIGN_BRACES, looks_like_path, text_doubts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attune_cli.runtime.expressions.expression import Expression
    from attune_cli.runtime.expressions.scope import Found
    from attune_cli.runtime.expressions.templates import Text
    from attune_cli.runtime.expressions.vocabulary import Unknown
    from attune_cli.runtime.expressions.workflow_scope import Place
    from attune_cli.runtime.model.actions import Json, Schema

MADE_FOR_EACH = (
    *("input", "permission_set_refs", "permission_set_ref"),
    *("worker_selector", "worker_tolerations", "worker_affinity"),
)
"""Keys of a task with templates that are filled in for each item."""
_LIST_WANTED = "expected a list, or a template of one such as {{ parameters.hosts }}"
_FIRST_WORDS = frozenset(word.split(".")[0] for words in ROOTS for word in words.split(", "))


class WorkflowExpressions:
    """Reads every expression of a workflow file; what is wrong stands in `faults`, what is doubtful in `doubts`."""

    def __init__(self, document: dict[str, Json], parameters: Schema) -> None:
        self.faults: list[Fault] = []
        self.doubts: list[Fault] = []
        self._document = document
        self._parameters = parameters
        self._variables: dict[str, Steps] = {}
        for name, steps in variables_in(document):
            self._variables.setdefault(name, steps)
        names = [task["name"] for _, task, _ in tasks_in(document) if isinstance(task.get("name"), str)]
        places: tuple[Place, ...] = ("task", "item", "transition")
        self._vocabularies = {
            place: vocabulary(place, tasks=names, variables=self._variables, parameters=parameters)
            for place in places
        }
        self._read()

    def _read(self) -> None:
        for steps, task, _ in tasks_in(self._document):
            self._task(task, steps)
        self._template(self._document.get("output_map"), ("output_map",), "task")
        self._secret_variables()
        self._plain_variables()

    # --- tasks ---

    def _task(self, task: dict[str, Json], steps: Steps) -> None:
        place = place_of_input(task.get("with_items"))
        for key in MADE_FOR_EACH:
            self._template(task.get(key), (*steps, key), place)
        self._condition(task.get("when"), (*steps, "when"), "task")
        self._items(task.get("with_items"), (*steps, "with_items"))
        self._template(task.get("publish"), (*steps, "publish"), "transition")
        for index, transition in mappings(task.get("next")):
            here = (*steps, "next", index)
            self._condition(transition.get("when"), (*here, "when"), "transition")
            self._template(transition.get("publish"), (*here, "publish"), "transition")
        self._decision(task.get("decision"), (*steps, "decision"))

    def _template(self, written: Json, steps: Steps, place: Place) -> None:
        template, faults = read_template(written, "", self._vocabularies[place])
        self.faults += [_below(steps, fault) for fault in faults]
        self.doubts += [_below(steps, fault) for fault in template.doubts]
        self.doubts += text_doubts(written, steps)

    def _condition(self, written: Json, steps: Steps, place: Place) -> None:
        if written is None or isinstance(written, bool):
            return
        if not isinstance(written, str):
            self.faults.append(fault_at(steps, "expected an expression in text", value=written))
            return
        if "<%" in written:
            self.faults.append(fault_at(steps, FOREIGN_BRACES))
            return
        try:
            predicate = read_predicate(written, self._vocabularies[place])
        except ParseError as error:
            found = place_of(written, error.offset)
            self.faults.append(fault_at(steps, f"expression: {error.message}", place=found))
        else:
            self._unknown(predicate.expression.unknown, written, steps, predicate.start)

    def _unknown(self, names: Iterable[Unknown], written: str, steps: Steps, start: int = 0) -> None:
        for one, fault in unknown_names(names, written, steps, start):
            (self.doubts if one.is_doubt else self.faults).append(fault)

    def _decision(self, written: Json, steps: Steps) -> None:
        branches = list(mappings(written))
        for index, branch in branches:
            self._condition(branch.get("when"), (*steps, index, "when"), "transition")
        written_whens = [branch.get("when") for _, branch in branches]
        if not all(when is None or isinstance(when, (str, bool)) for when in written_whens):
            return
        conditions = [condition_of(when) for when in written_whens]
        for (index, _), made in zip(branches, decisions(conditions), strict=True):
            if made is not None and len(made) > MAX_LENGTH:
                said = f"with those before it longer than {MAX_LENGTH} characters; use 'next'"
                self.faults.append(fault_at((*steps, index), said))
                return

    # --- items ---

    def _items(self, written: Json, steps: Steps) -> None:
        if written is None:
            return
        if isinstance(written, list):
            self._template(written, steps, "task")
        elif not isinstance(written, str):
            self.faults.append(fault_at(steps, _LIST_WANTED, value=written))
        else:
            self._items_of_text(written, steps)

    def _items_of_text(self, written: str, steps: Steps) -> None:
        try:
            text = read_text(written, self._vocabularies["task"])
        except ParseError as error:
            found = place_of(written, error.offset)
            self.faults.append(fault_at(steps, f"template: {error.message}", place=found))
            return
        self._unknown(text.unknown, written, steps)
        if text.whole is None:
            meant = f"; did you mean {{{{ {written.strip()} }}}}?" if looks_like_path(written) else ""
            said = FOREIGN_BRACES if "<%" in written else f"{_LIST_WANTED}, got {shown(written)}{meant}"
            self.faults.append(fault_at(steps, said))
            return
        value = _constant(text.whole)
        if value is not _UNKNOWN and not isinstance(value, list):
            self.faults.append(fault_at(steps, f"{_LIST_WANTED}; this is always {shown(value)}"))
        self._items_of_parameter(written, text, steps)

    def _items_of_parameter(self, written: str, text: Text, steps: Steps) -> None:
        """Tell of a parameter that is declared to be no list."""
        paths = [path for path, _ in text.paths]
        if len(paths) != 1 or len(paths[0]) != 2 or paths[0][0] != "parameters":  # noqa: PLR2004 - parameters.NAME
            return
        name = str(paths[0][1])
        types = types_of(self._parameters.get(name, {}))
        is_all = without_braces(written.strip())[0].strip() == f"parameters.{name}"
        if is_all and types and "array" not in types:
            keys = f"; did you mean {{{{ keys(parameters.{name}) }}}}?" if types == ["object"] else ""
            said = f"expected a list, but the parameter '{name}' is declared as {' or '.join(types)}{keys}"
            self.faults.append(fault_at(steps, said))

    # --- variables ---

    def _secret_variables(self) -> None:
        written = self._document.get("secret_vars")
        names: list[Json] = [written] if isinstance(written, str) else members(written)
        for index, name in enumerate(names):
            if isinstance(name, str) and name not in self._variables:
                suggestion = did_you_mean(name, self._variables)
                said = f"unknown variable '{name}'" + (f"; {suggestion}" if suggestion else "")
                steps = ("secret_vars",) if isinstance(written, str) else ("secret_vars", index)
                self.faults.append(fault_at(steps, said))

    def _plain_variables(self) -> None:
        """Doubt variables that a name of the language hides, and templates that nobody fills in."""
        for name, steps in self._variables.items():
            if name in _FIRST_WORDS or name in ITEMS:
                self.doubts.append(
                    fault_at(steps, f"'{name}' alone means something else; write workflow.{name}")
                )
        first = self._document.get("vars")
        for name, value in cast("dict[str, Any]", first).items() if isinstance(first, dict) else ():
            if isinstance(value, str) and "{{" in value:
                self.doubts.append(
                    fault_at(("vars", name), "is kept as it is: templates in 'vars' are not filled in")
                )


_UNKNOWN = object()


class _Nothing:
    """A scope in which nothing is known."""

    def find(self, name: str, _path: tuple[str | int, ...], /) -> None:
        raise LookupError(name)

    def key(self, name: str, /) -> Found:
        raise LookupError(name)

    def call(self, function: str, /) -> Json:
        raise LookupError(function)

    def spent(self, work: int, /) -> None:
        """It is computed once."""


def _constant(expression: Expression) -> Json:
    """Return the value of an expression that needs nothing to be known, or _UNKNOWN."""
    try:
        return expression.value(Run(_Nothing()))
    except ExpressionError:
        return _UNKNOWN


def _below(steps: Steps, fault: Fault) -> Fault:
    place = (fault.line, fault.column) if fault.line else None
    return fault_at((*steps, *fault.steps), fault.said, value=fault.value, place=place)
