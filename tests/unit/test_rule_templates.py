from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune_cli.runtime.expressions.templates import Filled, TemplateError, read_template
from tests.unit.test_expressions import JSON, scope


def fill(written: object) -> Filled:
    template, faults = read_template(written)
    assert faults == []
    return template.fill(scope())


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("{{ event.payload.n }}", 3),
        (" {{event.payload.n}} ", 3),
        ("n={{ event.payload.n }}", "n=3"),
        ("{{ event.payload.items }}", [{"id": 7, "ok": True}, {"id": 2, "ok": False}]),
        ("{{ event.payload.items.1.ok }}", False),
        ("x{{ event.payload.items.0 }}", 'x{"id":7,"ok":true}'),
        ("x{{ event.payload.none }}y", "xy"),
        ("{{ event.payload.content-type }}", "text"),
        ("{{ event.id }}/{{ event.trigger }}", "5/a.b"),
        ("{{ system.rule.ref }}", "a.r"),
        ("{{ pack.config.host }}", "h"),
        ("{{ event.payload.n + 1 }}", 4),
        ("{{ event.payload.text | upper }}!", "HÉLLO!"),
        ("{{ event.payload.x | default('d') }}", "d"),
        ("{# not a comment #} {% nor %} { { }} }", "{# not a comment #} {% nor %} { { }} }"),
        ("{{ '{{' }} {{ \"}}\" }}", "{{ }}"),
        ("{{ {'a': {'b': 1}}.a.b }}", 1),
        ("{{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        (5, 5),
        (None, None),
        (
            {"a": ["{{ event.payload.n }}", {"b": "{{ event.id }}"}], "{{ x }}": 1},
            {"a": [3, {"b": 5}], "{{ x }}": 1},
        ),
        ("plain", "plain"),
    ],
)
def test_a_template_becomes(written: object, value: object) -> None:
    filled = fill(written)
    assert (filled.value, type(filled.value)) == (value, type(value))
    assert filled.warnings == ()
    assert filled.secrets == frozenset()


def test_what_is_missing_becomes_null_or_nothing_with_a_warning() -> None:
    filled = fill(
        {
            "a": "{{ event.payload.nope.x }}",
            "b": "<{{ event.payload.nope }}>",
            "c": ["{{ event.payload.nope + 1 }}"],
            "d": "{{ keystore.nope }}",
        }
    )
    assert filled.value == {"a": None, "b": "<>", "c": [None], "d": None}
    assert filled.warnings == (
        "action_params.a: event.payload.nope.x is missing",
        "action_params.b: event.payload.nope is missing",
        "action_params.c.0: event.payload.nope is missing",
        "action_params.d: keystore.nope is missing",
    )


def test_what_came_from_a_secret_is_told_by_pointer() -> None:
    filled = fill(
        {
            "a/b": "{{ keystore.crm.token }}",
            "c": ["x", "Bearer {{ pack.config.db.password }}"],
            "d": "{{ pack.config.db.user }}",
            "e": "{{ pack.config.db }}",
        }
    )
    assert filled.value["c"][1] == "Bearer hunter2"
    assert filled.secrets == {"/a~1b", "/c/1", "/e"}


def test_what_cannot_be_computed_names_every_place_and_expression() -> None:
    template, _ = read_template(
        {
            "a": "{{ 1 / 0 }}",
            "b": {"c": "x {{ event.payload.text + 1 }}"},
            "d": "{{ keystore.crm.token + 1 }}",
        }
    )
    with pytest.raises(TemplateError) as caught:
        template.fill(scope())
    assert [(detail.path, detail.message) for detail in caught.value.details] == [
        ("action_params.a", "{{ 1 / 0 }}: nothing can be divided by zero"),
        ("action_params.b.c", "{{ event.payload.text + 1 }}: cannot add string and integer"),
        ("action_params.d", "{{ keystore.crm.token + 1 }}: cannot add string and integer"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ 1 + }}", "template: ends too early (column 8)"),
        (
            "a\n b {{ lenght(1) }}",
            "template: unknown function 'lenght'; did you mean length? (line 2, column 7)",
        ),
        ("x {{ event.id", "template: '{{' is never closed; write {{ '{{' }} for the braces (column 3)"),
        ("{{ 'x }}", "template: a text in quotes is never closed (column 1)"),
        ("{{ }}", "template: is empty (column 3)"),
        (
            "{{ a.b }} {{ keystore[event.id] }}",
            "template: the name of a key has to be written out, as in keystore.NAME (column 14)",
        ),
    ],
)
def test_a_template_that_does_not_parse_tells_where(text: str, message: str) -> None:
    _, faults = read_template({"p": [text]})
    assert [(fault.path, fault.message) for fault in faults] == [("action_params.p.0", message)]


def test_a_name_that_leads_nowhere_is_a_doubt_and_becomes_null() -> None:
    template, faults = read_template({"p": "a {{ trigger.payload.x }}"})
    assert faults == []
    assert [(doubt.path, doubt.column) for doubt in template.doubts] == [("action_params.p", 6)]
    assert template.fill(scope()).value == {"p": "a "}


def test_what_is_filled_in_may_be_changed_without_changing_the_event() -> None:
    seen = scope({"user": {"pin": "1234"}})
    template, _ = read_template({"user": "{{ event.payload.user }}"})
    template.fill(seen).value["user"]["pin"] = "changed"
    assert seen.event["payload"] == {"user": {"pin": "1234"}}


def test_a_payload_that_is_nested_very_deeply_raises_no_other_error() -> None:
    deep: object = "end"
    for _ in range(2000):
        deep = [deep]
    template, _ = read_template(
        {"a": "x {{ event.payload }}", "b": "{{ event.payload }}", "c": "{{ event.payload | tojson }}"}
    )
    with pytest.raises(TemplateError, match="nested too deeply"):
        template.fill(scope(deep))


TEXTS = st.lists(
    st.sampled_from(
        [
            "{{",
            "}}",
            "{",
            "}",
            "event.payload.n",
            "'",
            '"',
            "\\",
            "a",
            "|",
            "upper",
            "keystore.crm.token",
            " ",
            "\n",
            "1/0",
            "{%",
        ]
    ),
    max_size=10,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        TEXTS | JSON,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    )
)
def test_reading_and_filling_raise_their_own_errors_only(written: object) -> None:
    template, faults = read_template(written)
    assert all(fault.line >= 1 and fault.column >= 1 for fault in faults if "nested" not in fault.said)
    try:
        template.fill(scope())
    except TemplateError as error:
        told = str(error)
    else:
        return
    assert "sesame" not in told
