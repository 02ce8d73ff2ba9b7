from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune_cli.runtime.expressions.comparisons import OPERATORS
from attune_cli.runtime.expressions.conditions import MAX_TRACED, read_conditions
from attune_cli.runtime.expressions.paths import fault_of, value_of
from tests.unit.test_expressions import JSON, scope

PAYLOAD: dict[str, Any] = {
    "host": "web-1",
    "load": 7.5,
    "tags": ["red", "hot"],
    "user": {"name": "Ann", "age": 33},
    "items": [{"id": 7}],
    "empty": None,
}


def holds(written: object, payload: object = PAYLOAD) -> bool:
    condition, faults = read_conditions(written)
    assert faults == []
    return condition.judge(scope(payload)).holds


def one(field: str, operator: str, value: object) -> dict[str, object]:
    return {"field": field, "operator": operator, "value": value}


@pytest.mark.parametrize(
    "written",
    [
        None,
        {},
        [],
        [one("host", "equals", "web-1")],
        [one("host", "not_equals", "web-2"), one("load", "gt", 7)],
        [one("load", "equals", 7.5)],
        [one("host", "contains", "eb")],
        [one("tags", "contains", "hot")],
        [one("user", "contains", "age")],
        [one("tags", "not_contains", "blue")],
        [one("load", "gte", 7.5)],
        [one("load", "lt", 8)],
        [one("load", "lte", 7.5)],
        [one("host", "gt", "web-0")],
        [one("host", "in", ["web-1", "web-2"])],
        [one("host", "not_in", ["db-1"])],
        [one("host", "starts_with", "web")],
        [one("host", "ends_with", "-1")],
        [one("host", "matches", r"^web-\d$")],
        [one("host", "exists", True)],
        [one("nope", "exists", False)],
        [{"field": "host", "operator": "exists"}],
        [one("empty", "equals", None)],
        [one("user.name", "equals", "Ann")],
        [one("items.0.id", "equals", 7)],
        [one("event.payload.host", "equals", "web-1")],
        [one("trigger.host", "equals", "web-1")],
        [one("trigger.payload.host", "equals", "web-1")],
        [{"key": "host", "op": "eq", "value": "web-1"}],
        one("host", "equals", "web-1"),
        {"all": [one("host", "equals", "web-1"), one("load", "gt", 1)]},
        {"any": [one("host", "equals", "x"), one("load", "gt", 1)]},
        {"not": one("host", "equals", "x")},
        {"not": {"any": [one("host", "equals", "x"), {"not": {"expression": "true"}}]}},
        {"all": [one("host", "equals", "web-1")], "any": [one("load", "gt", 1)]},
        {"any": [one("nope", "equals", 1), one("load", "gt", 1)]},
        {"expression": "event.payload.load > 7 and event.payload.host == 'web-1'"},
        {"expression": " {{ event.payload.load > 7 }} "},
        {"expression": "event.trigger_ref == 'a.b'"},
        "event.payload.load > 7",
        ["event.payload.load > 7", one("host", "equals", "web-1")],
        {
            "trigger.host": {"type": "equals", "pattern": "web-1"},
            "trigger.user.name": {"type": "iequals", "pattern": "ANN"},
        },
        {"host": {"type": "matchregex", "pattern": "^web"}, "trigger.nope": {"type": "nexists"}},
    ],
)
def test_conditions_that_hold(written: object) -> None:
    assert holds(written)


@pytest.mark.parametrize(
    "written",
    [
        [one("host", "equals", "web-2")],
        [one("host", "equals", "web-1"), one("load", "gt", 8)],
        [one("load", "equals", "7.5")],
        [one("nope", "equals", 1)],
        [one("nope", "not_equals", 1)],
        {"not": one("nope", "equals", 1)},
        [one("host.x", "equals", 1)],
        {"all": [one("host", "equals", "web-1"), one("nope", "equals", 1)]},
        {"any": [one("host", "equals", "x"), one("nope", "equals", 1)]},
        {"expression": "event.payload.nope == 1"},
        {"expression": "not event.payload.nope"},
        {"expression": "event.payload.load / 0 > 1"},
        {"expression": "event.payload.empty"},
        [one("load", "gt", "7")],
        [one("load", "starts_with", "7")],
        [one("host", "exists", False)],
        {"trigger.host": {"type": "exists"}, "trigger.nope": {"type": "exists"}},
        {"not": {"any": [one("load", "gt", 1)]}},
    ],
)
def test_conditions_that_do_not_hold(written: object) -> None:
    assert not holds(written)


@pytest.mark.parametrize("written", [[one("host", "equals", "x")], {"expression": "false"}])
def test_an_event_without_payload_matches_whatever_the_conditions_say(written: object) -> None:
    assert holds(written, None)


def test_the_path_as_it_is_goes_before_the_prefixes() -> None:
    assert holds([one("trigger.host", "equals", "own")], {"trigger": {"host": "own"}, "host": "web-1"})


@pytest.mark.parametrize(
    ("written", "path", "said"),
    [
        ({"al": []}, "conditions.al", "did you mean all?"),
        ({"all": {}}, "conditions.all", "expected a list of conditions, got object"),
        ({"any": []}, "conditions.any", "got none"),
        ([one("host", "eqals", 1)], "conditions.0.operator", "did you mean equals?"),
        ([{"field": "x", "value": 1}], "conditions.0", "'operator' is required"),
        ([{"operator": "equals", "value": 1}], "conditions.0", "'field' is required"),
        ([{"field": "x", "operator": "equals"}], "conditions.0", "'value' is required"),
        ([one("x", "gt", [])], "conditions.0.value", "needs a number or a text, got array"),
        ([one("x", "in", "abc")], "conditions.0.value", "needs an array"),
        ([one("x", "matches", "(")], "conditions.0.value", "is no pattern: missing )"),
        ([{**one("x", "equals", 1), "valeu": 2}], "conditions.0.valeu", "did you mean value?"),
        (7, "conditions", "got integer"),
        ({"expression": "1 +"}, "conditions.expression", "expression: ends too early (column 4)"),
        (
            {"all": [{"not": {"expression": "a\n ; b"}}]},
            "conditions.all.0.not.expression",
            "(line 2, column 2)",
        ),
        ({"expression": "{{ lenght(1) }}"}, "conditions.expression", "did you mean length? (column 4)"),
        ({"expression": 7}, "conditions.expression", "got integer"),
        (
            {"trigger.x": {"type": "timediff_lt", "pattern": 1}},
            "conditions.trigger.x.type",
            "unknown operator",
        ),
    ],
)
def test_faults_tell_where_and_what(written: object, path: str, said: str) -> None:
    _, faults = read_conditions(written)
    assert [fault.path for fault in faults] == [path]
    assert said in faults[0].message


def test_all_faults_are_told_together() -> None:
    _, faults = read_conditions({"any": [one("x", "eqals", 1), {"expression": "("}, {"not": {"al": []}}]})
    assert [fault.path for fault in faults] == [
        "conditions.any.0.operator",
        "conditions.any.1.expression",
        "conditions.any.2.not.al",
    ]


def test_names_that_lead_nowhere_are_doubts() -> None:
    condition, faults = read_conditions({"all": [{"expression": "evnt.payload.x == 1"}]})
    assert faults == []
    assert [(doubt.path, doubt.column) for doubt in condition.doubts] == [("conditions.all.0.expression", 1)]


def test_the_trace_tells_what_was_seen_and_what_was_wanted() -> None:
    written = {
        "all": [
            one("host", "equals", "db-1"),
            one("nope", "gt", 1),
            {"expression": "event.payload.load > 9"},
            {"not": one("load", "gt", "x")},
        ]
    }
    judgement = read_conditions(written)[0].judge(scope(PAYLOAD))
    assert not judgement.holds
    assert judgement.error is None  # one part decides alone
    assert judgement.trace == {
        "conditions": {"held": False, "wanted": "all of them"},
        "conditions.all.0": {"held": False, "field": "host", "wanted": "equals 'db-1'", "seen": "web-1"},
        "conditions.all.1": {"held": None, "field": "nope", "wanted": "gt 1", "note": "the field is missing"},
        "conditions.all.2": {
            "held": False,
            "wanted": "event.payload.load > 9",
            "seen": {"event.payload.load": 7.5},
        },
        "conditions.all.3": {"held": None, "wanted": "that it does not hold"},
        "conditions.all.3.not": {
            "held": None,
            "field": "load",
            "wanted": "gt 'x'",
            "seen": 7.5,
            "note": "cannot order number and string: both must be numbers, or both texts",
        },
    }


def test_what_cannot_be_told_is_an_error_and_what_is_missing_is_none() -> None:
    assert (
        read_conditions([one("load", "gt", "x")])[0].judge(scope(PAYLOAD)).error
        == "conditions.0: cannot order number and string: both must be numbers, or both texts"
    )
    assert read_conditions([one("nope", "gt", 1)])[0].judge(scope(PAYLOAD)).error is None
    assert read_conditions({"expression": "event.payload.nope > 1"})[0].judge(scope(PAYLOAD)).error is None


def test_a_trace_is_bounded() -> None:
    long = {"text": "x" * 10_000, "many": list(range(10_000))}
    written = {"any": [one(field, "equals", "y" * 10_000) for field in ("text", "many") * MAX_TRACED]}
    trace = read_conditions(written)[0].judge(scope(long)).trace
    assert len(trace) == MAX_TRACED + 1
    assert len(repr(trace)) < 500 * MAX_TRACED


def test_a_trace_shows_no_secret() -> None:
    judgement = read_conditions(
        {"expression": "pack.config.db.password == 'hunter2' and keystore.crm.token != 'x'"}
    )[0].judge(scope())
    assert judgement.holds
    assert judgement.trace["conditions"]["seen"] == {"…": "secret values, not shown"}


def test_a_group_is_a_path_into_the_event() -> None:
    assert value_of("event.payload.items.0.id", scope(PAYLOAD)) == 7
    assert value_of("event.payload.nope", scope(PAYLOAD)) is None
    assert fault_of("event.payload.host") is None
    assert fault_of("payload.host") is not None
    assert fault_of("event.payloda.host") is not None


CONDITIONS = st.recursive(
    JSON
    | st.fixed_dictionaries(
        {
            "field": st.sampled_from(["host", "load", "a.b", ""]) | JSON,
            "operator": st.sampled_from([*OPERATORS, "eq"]) | JSON,
            "value": JSON,
        }
    )
    | st.fixed_dictionaries(
        {
            "expression": st.text(max_size=10)
            | st.sampled_from(["event.payload.load > 1", "event.payload.x", "1 / 0"])
        }
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["all", "any", "not", "expression", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(CONDITIONS, JSON)
def test_reading_and_judging_never_raise(written: object, payload: object) -> None:
    condition, faults = read_conditions(written)
    judgement = condition.judge(scope(payload))
    assert isinstance(judgement.holds, bool)
    assert all(fault.path.startswith("conditions") for fault in faults)
