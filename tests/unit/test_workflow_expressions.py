from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.expressions.expression import evaluate
from attune_cli.runtime.expressions.faults import ExpressionError, ParseError
from attune_cli.runtime.expressions.json_values import Missing
from attune_cli.runtime.expressions.predicate import read_predicate
from attune_cli.runtime.expressions.scope import Found, found_key
from attune_cli.runtime.expressions.templates import Filled, TemplateError, read_template
from attune_cli.runtime.expressions.workflow_scope import Ended, Place, WorkflowScope, vocabulary
from attune_cli.runtime.model.workflows.results import View, view_of, view_of_items

if TYPE_CHECKING:
    from attune_cli.runtime.expressions.scope import Path

OK: dict[str, Any] = {"exit_code": 0, "data": {"n": 3, "exit_code": 9, "pin": "s3cret"}}
RESULTS = {
    "make": view_of(OK, ["/data/pin"]),
    "say": view_of({"exit_code": 0, "stdout": '{"who": "bo", "stdout": 1}'}),
    "plain": view_of({"exit_code": 0, "stdout": "words"}),
    "each": view_of_items([view_of(OK, ["/data/pin"]), view_of({"exit_code": 1}), View(None)]),
    "health-check": view_of({"exit_code": 0, "data": {"up": True}}),
    "ask": view_of({"response": {"approved": True}, "__inquiry_id": 4}),
}
PARAMETERS = {"items": [1, 2], "keys": "k", "beds": ["north", "south"], "pins": ["a", "b"], "none": None}
WORDS: dict[str, Any] = {
    "tasks": [*RESULTS, "later"],
    "variables": ["opened", "saved", "secret"],
    "parameters": [*PARAMETERS, "z"],
}


def task(name: str, path: Path) -> Found | None:
    view = RESULTS.get(name)
    return None if view is None else Found(view.value, path, view.secrets)


SCOPE = WorkflowScope(
    parameters=View(PARAMETERS, frozenset({"/pins/1"})),
    variables=View({"opened": 2, "saved": {"n": 1}, "secret": "s"}, frozenset({"/secret"})),
    task=task,
    config=View({"host": "h", "token": "t"}, frozenset({"/token"})),
    key={
        "crm.token": found_key("sesame", is_secret=True),
        "limit": found_key(20, is_secret=False),
    }.__getitem__,
    system={"workflow_start": "2026-11-25T10:00:00Z"},
    now="2026-11-25T10:00:05Z",
    item=View({"id": 7, "pin": "x"}, frozenset({"/pin"})),
    index=4,
    ended=Ended(result=RESULTS["make"], succeeded=False, timed_out=True),
)


def value(text: str, place: Place = "transition") -> object:
    return evaluate(text, SCOPE, vocabulary(place, **WORDS))


def fill(written: object, place: Place = "transition") -> Filled:
    template, faults = read_template(written, "input", vocabulary(place, **WORDS))
    assert faults == []
    return template.fill(SCOPE)


def said(written: object, place: Place = "task") -> list[str]:
    return [fault.message for fault in read_template(written, "input", vocabulary(place, **WORDS))[1]]


# --- names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parameters.items", [1, 2]),
        ("parameters.keys", "k"),
        ("parameters.beds[-1]", "south"),
        ("parameters.beds.0", "north"),
        ("workflow.opened + vars.opened + variables.opened + opened", 8),
        ("opened-1", 1),
        ("workflow.opened-1", 1),
        ("saved.n", 1),
        ("task.make.data.n", 3),
        ("task.make.n", 3),
        ("tasks.make.result.n", 3),
        ("task.make.result.data.n", 3),
        ("task.make.exit_code", 0),
        ("task.make.data.exit_code", 9),
        ("task['make']['n']", 3),
        ("task.say.who", "bo"),
        ("task.say.data.who", "bo"),
        ("task.say.stdout|length", 26),
        ("task.plain.stdout", "words"),
        ("task.ask.response.approved", True),
        ("task.ask.result.response.approved", True),
        ("task.ask.data.response.approved", True),
        ("task.health-check.up", True),
        ("task['health-check'].up and 1 - 1 == 0", True),
        ("task.each[0].data.n", 3),
        ("task.each.0.result.n", 3),
        ("task.each.result[1].exit_code", 1),
        ("task.each.data.1.exit_code", 1),
        ("task.each[index - 3].exit_code", 1),
        ("length(task.each)", 3),
        ("task.each | map(attribute='n', default=0) | first", 3),
        ("result().n", 3),
        ("result().result.data.n + result()['n']", 6),
        ("length(keys(result()))", 4),
        ("succeeded() or not failed() or not timed_out()", False),
        ("config.host ~ pack.config.host", "hh"),
        ("keystore.crm.token", "sesame"),
        ("system.workflow_start < now()", True),
        ("task.later.x | default('none')", "none"),
        ("task.later is defined", False),
        ("workflow.unknown | default(5)", 5),
        ("nothing is defined", False),
        ("parameters.other | default(1)", 1),
        ("not ('north' in parameters.beds)", False),
        ("'keys' in parameters and 'or' in 'north'", True),
        ("6 / 3", 2),
        ("7 / 2", 3.5),
        ("task.each[0].result.n", 3),
        ("not failed() and 1 == 2 or 3 in [3]", True),
        ("null == parameters.none", True),
    ],
)
def test_names_lead_where_they_should(text: str, expected: object) -> None:
    found = value(text, "item" if "index" in text else "transition")
    assert found == expected
    assert type(found) is type(expected)


def test_items_have_their_names_and_nothing_of_transitions() -> None:
    assert value("item.id + index", "item") == 11
    assert value("batch", "item") == {"id": 7, "pin": "x"}
    assert said("{{ result().n }}", "item") == [
        "'result()' has a meaning only in 'when' and 'publish' of 'next' (column 4)"
    ]


@pytest.mark.parametrize(
    "text", ["task.make.__class__", "parameters.items.append", "result().n.real", "now.__self__"]
)
def test_nothing_of_python_can_be_reached(text: str) -> None:
    assert isinstance(value(text), Missing)


@pytest.mark.parametrize(
    "text", ["1 / 0", "1 % 0", "'a' + 1", "opened < 'a'", "1 in 2", "task.later.x + 1", "-'a'"]
)
def test_what_cannot_be_computed_is_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        value(text)


# --- templates


def test_a_text_that_is_one_template_keeps_its_type_and_others_become_text() -> None:
    filled = fill(
        {"a": "{{ parameters.beds }}", "b": "n={{ opened }}{{ parameters.none }}", "c": ["{{ saved }}!"]}
    )
    assert filled == Filled({"a": ["north", "south"], "b": "n=2", "c": ['{"n":1}!']}, (), frozenset())


def test_everything_that_is_missing_is_told_with_its_place_and_expression() -> None:
    written = {
        "a": "{{ task.make.data.z }}",
        "b": ["x {{ task.later.y }}", "{{ parameters.z }}"],
        "c": "{{ 1 / 0 }}",
    }
    with pytest.raises(TemplateError) as error:
        fill(written)
    assert [(detail.path, detail.message) for detail in error.value.details] == [
        ("input.a", "{{ task.make.data.z }}: task.make.data.z is missing"),
        (
            "input.b.0",
            (
                "{{ task.later.y }}: task.later.y is missing: task 'later' did not run;"
                " where it need not, write task.later.y | default(…)"
            ),
        ),
        ("input.b.1", "{{ parameters.z }}: parameters.z is missing"),
        ("input.c", "{{ 1 / 0 }}: nothing can be divided by zero"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "keystore.crm.token", "config.token", "pack.config", "config", "task.make.pin", "task.make.data", "task.make",
        "task.make.result.pin", "task.each[0].pin", "task.each[-3].data.pin", "task.each", "result()", "result().pin",
        "secret", "workflow.secret", "vars", "parameters.pins[1]", "parameters.pins[-1]", "parameters.pins.01",
        "parameters.pins", "length(parameters.pins)", "task.each | map(attribute='pin', default='') | join",
    ],
)  # fmt: skip
def test_reading_at_above_or_below_a_secret_taints(text: str) -> None:
    assert fill({"p": f"{{{{ {text} }}}}"}).secrets == {"/p"}


@pytest.mark.parametrize(
    "text",
    [
        "config.host",
        "keystore.limit",
        "task.make.n",
        "task.make.data.n",
        "task.each[1].exit_code",
        "parameters.pins[0]",
        "opened",
    ],
)
def test_reading_beside_a_secret_does_not(text: str) -> None:
    assert fill({"p": f"{{{{ {text} }}}}"}).secrets == frozenset()


def test_a_result_is_only_loaded_when_it_is_read() -> None:
    asked: list[str] = []

    def load(name: str, path: Path) -> Found | None:
        asked.append(name)
        return task(name, path)

    scope = WorkflowScope(
        parameters=View({}), variables=View({}), config=View({}), key={}.__getitem__, now="", task=load
    )
    template, _ = read_template(
        "{{ false and task.make.n }}, {{ task.say.who }}", "", vocabulary("task", **WORDS)
    )
    assert template.fill(scope).value == "false, bo"
    assert asked == ["say"]


# --- names that lead nowhere are told when a template is read


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("lenght(1)", "task", "unknown function 'lenght'; did you mean length? (column 4)"),
        ("suceeded()", "transition", "unknown function 'suceeded'; did you mean succeeded? (column 4)"),
        ("reslt().x", "transition", "unknown function 'reslt'; did you mean result? (column 4)"),
        ("1 + opend", "task", "unknown name or variable 'opend'; did you mean opened? (column 8)"),
        ("workflow.opend", "task", "unknown variable 'opend'; did you mean opened? (column 4)"),
        ("task.mak.n", "task", "unknown task 'mak'; did you mean make? (column 4)"),
        ("task['mak'].n", "task", "unknown task 'mak'; did you mean make? (column 4)"),
        ("item", "task", "'item' has a value only in a task with 'with_items' (column 4)"),
        ("result", "transition", "'result' is a function: result() (column 4)"),
        ("now", "task", "'now' is a function: now() (column 4)"),
        ("failed()", "task", "'failed()' has a meaning only in 'when' and 'publish' of 'next' (column 4)"),
        ("event.payload.x", "task", "unknown name or variable 'event' (column 4)"),
        ("task", "task", "template: the name of a task has to be written out, as in task.NAME (column 4)"),
        ("task[opened]", "task", "template: the name of a task has to be written out, as in task.NAME (column 4)"),
        ("now(1)", "task", "template: 'now': too many positional arguments (column 7)"),
        ("task.make.n |", "task", "template: ends too early, expected 'name' (column 18)"),
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_a_fault(text: str, place: Place, message: str) -> None:
    assert said(f"{{{{ {text} }}}}", place) == [message]


def test_faults_of_all_places_are_told_together() -> None:
    assert len(said({"a": "{{ x + f() }} {{ y }}", "b": ["{{ task.z.n }}", "{{ result() }}"]})) == 5


@pytest.mark.parametrize(
    "text", ["parameters.bed | default(1)", "nothing | default(1)", "task.mak.n is defined"]
)
def test_what_may_still_be_meant_is_only_doubted(text: str) -> None:
    template, faults = read_template(f"{{{{ {text} }}}}", "input", vocabulary("task", **WORDS))
    assert faults == []
    assert len(template.doubts) == 1


# --- conditions


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("{{ failed() and result().data.n > 2 }}", True),
        ("{{ failed() and result().data.n > 3 }}", False),
        ("not failed()", False),
        (" {{ timed_out() }} ", True),
        ("true", True),
        ("'' or []", False),
    ],
)
def test_a_condition_is_evaluated_whole(text: str, *, holds: bool) -> None:
    assert read_predicate(text, vocabulary("transition", **WORDS)).holds(SCOPE) is holds


def test_a_condition_that_cannot_be_told_raises() -> None:
    with pytest.raises(ExpressionError, match=r"task\.later\.n is missing"):
        read_predicate("{{ task.later.n > 1 }}", vocabulary("transition", **WORDS)).holds(SCOPE)


@pytest.mark.parametrize("text", ["{{ a }} and {{ b }}", "{{ 1", "  "])
def test_a_condition_is_one_expression(text: str) -> None:
    with pytest.raises(ParseError):
        read_predicate(text, vocabulary("transition", **WORDS))


# --- results


def test_a_results_own_keys_win_over_those_of_its_data() -> None:
    assert RESULTS["make"] == View({**OK, "n": 3, "pin": "s3cret"}, frozenset({"/data/pin", "/pin"}))


@pytest.mark.parametrize(
    ("result", "secrets", "expected"),
    [
        ({"data": {"a": {"b": 1}}}, ["/data/a/b"], {"/data/a/b", "/a/b"}),
        ({"data": {"a": 1, "c": 2}}, ["/data"], {"/data", "/a", "/c"}),
        ({"data": {"a": 1}, "a": 2}, ["/data/a"], {"/data/a"}),
        ({"data": [1]}, ["/data/0"], {"/data/0"}),
        ({"stdout": '{"a": 1}'}, ["/stdout"], {"/stdout", "/a"}),
        ({"exit_code": 0}, ["/exit_code"], {"/exit_code"}),
        (None, [""], {""}),
    ],
)
def test_secrets_follow_what_is_merged(result: Any, secrets: list[str], expected: set[str]) -> None:
    assert view_of(result, secrets).secrets == expected


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}', "{" * 100_000]
)
def test_a_text_that_is_no_json_object_is_not_merged(text: str) -> None:
    assert view_of({"stdout": text}).value == {"stdout": text}


# --- bounds


def test_a_pattern_that_hangs_others_is_matched_at_once() -> None:
    assert value(f"match('(a+)+$', '{'a' * 2000}!')") is False


def test_what_takes_too_much_work_is_refused() -> None:
    with pytest.raises(ExpressionError, match="too large"):
        value("join(range(10000), join(range(9000)))")
