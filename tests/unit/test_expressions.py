from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune_cli.runtime.expressions.expression import Expression, evaluate, read_expression
from attune_cli.runtime.expressions.faults import ExpressionError, ParseError
from attune_cli.runtime.expressions.filters import CHOOSERS, FILTERS, TESTS
from attune_cli.runtime.expressions.functions import FUNCTIONS
from attune_cli.runtime.expressions.json_values import Missing
from attune_cli.runtime.expressions.running import Run
from attune_cli.runtime.expressions.running import given as given_value
from attune_cli.runtime.expressions.scope import RuleScope, found_key

PAYLOAD: dict[str, Any] = {
    "n": 3,
    "text": "héllo",
    "items": [{"id": 7, "ok": True}, {"id": 2, "ok": False}],
    "content-type": "text",
    "none": None,
    "nested": {"get": "a key", "keys": 1},
}


def scope(payload: object = PAYLOAD) -> RuleScope:
    return RuleScope(
        event={
            "id": 5,
            "trigger": "a.b",
            "trigger_ref": "a.b",
            "payload": payload,
            "created": "2026-11-25T10:00:00Z",
        },
        pack_config={"host": "h", "db": {"user": "u", "password": "hunter2"}},
        secret_config=frozenset({"/db/password"}),
        system={"timestamp": "2026-11-25T10:00:01Z", "rule": {"id": 1, "ref": "a.r"}},
        key={
            "crm.token": found_key("sesame", is_secret=True),
            "crm": found_key({"user": "bo"}, is_secret=True),
            "limits": found_key({"dry": 20}, is_secret=False),
        }.__getitem__,
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("6 / 3", 2),
        ("7 / 2", 3.5),
        ("7 // 2", 3),
        ("7 % 4", 3),
        ("2 ** 10", 1024),
        ("-event.payload.n", -3),
        ("'a' + 'b'", "ab"),
        ("[1] + [2]", [1, 2]),
        ("'n=' ~ 3 ~ null", "n=3"),
        (r'"a\nb\"\\d"', 'a\nb"\\d'),
        ("true and 3", True),
        ("0 or 'x'", True),
        ("false or 0", False),
        ("not ''", True),
        ("true or 1 / 0 == 1", True),
        ("1 == 1.0", True),
        ("1 == true", False),
        ("'1' == 1", False),
        ("[1, {'a': 2}] == [1.0, {'a': 2}]", True),
        ("1 < event.payload.n < 5", True),
        ("5 > event.payload.n > 4", False),
        ("1 == 1 == true", True),
        ("2 in [1, 2]", True),
        ("'n' in event.payload", True),
        ("'ell' in 'hello'", True),
        ("not (2 in [1])", True),
        ("2 not in [1]", True),
        ("event.payload.items.0.id", 7),
        ("event.payload.items[-1].id", 2),
        ("event.payload['n']", 3),
        ("event.payload.content-type", "text"),
        ("event.payload.n - 1", 2),
        ("event.payload.nested.get", "a key"),
        ("event.payload.nested.keys", 1),
        ("[1, 2, 3][1:]", [2, 3]),
        ("event.trigger", "a.b"),
        ("system.rule.ref", "a.r"),
        ("pack.config.host", "h"),
        ("null", None),
        ("[1, 2,]", [1, 2]),
        ("'a' if event.payload.n > 2 else 'b'", "a"),
        ("event.payload.x | default('d')", "d"),
        ("event.payload.x is defined", False),
        ("length(event.payload.text)", 6),
        ("event.payload.text | length", 5),
        ("round(2.5)", 3),
        ("round(-2.5)", -3),
        ("round(3.14159, 2)", 3.14),
        ("min(3, 1)", 1),
        ("max([3, 1])", 3),
        ("sum(range(4))", 6),
        ("slice('hello', 1, 3)", "el"),
        ("chunks([1, 2, 3], 2)", [[1, 2], [3]]),
        ("zip([1, 2], ['a', 'b'])", [[1, "a"], [2, "b"]]),
        ("unique([1, 1.0, true, 1])", [1, True]),
        ("index_of([1, 2], 2)", 1),
        ("merge({'a': 1}, {'a': 2})", {"a": 2}),
        ("match('^h.llo$', event.payload.text)", True),
        ("flat([[1], 2])", [1, 2]),
        ("type_of(null)", "null"),
        ("string(null)", "null"),
        ("number('2.5')", 2.5),
        ("int(2.9)", 2),
        ("sort([2, 1])", [1, 2]),
        ("event.payload.items | map(attribute='id') | join(',')", "7,2"),
        ("event.payload.items | selectattr('ok') | list | length", 1),
        ("event.payload.items | sort(attribute='id') | first == {'id': 2, 'ok': false}", True),
        ("'a b' | urlencode", "a%20b"),
        ("{'b': 1, 'a': [2]} | tojson", '{"b":1,"a":[2]}'),
        ("'{\"a\": 1}' | fromjson", {"a": 1}),
        ("'x' | b64encode | b64decode", "x"),
        ("'a-b' | regex_replace('(.)-(.)', '\\2\\1')", "ba"),
        ("[1, 2] | select('odd') | list", [1]),
        ("'3' | int + 1", 4),
        ("'x' | int(9)", 9),
        ("keystore.crm.token", "sesame"),
        ("keystore['crm.token']", "sesame"),
        ("keystore.crm.user", "bo"),
    ],
)
def test_an_expression_means(text: str, value: object) -> None:
    result = evaluate(text, scope())
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "offset", "said"),
    [
        ("1 +", 3, "ends too early"),
        ("'abc", 0, "never closed"),
        ("a ; b", 2, "unexpected ';'"),
        ("1 2", 2, "unexpected '2'"),
        ("lenght(3)", 0, "did you mean length?"),
        ("event.payload.n | uper", 18, "did you mean upper?"),
        ("1 is oddd", 2, "did you mean odd?"),
        ("event.payload.get('x')", 13, "only functions can be called"),
        ("min()", 3, "missing"),
        ("keystore[event.payload.n]", 0, "written out"),
        ("a\n  + $", 6, "unexpected '$'"),
        ("", 0, "empty"),
        ("1 }}", 2, "unexpected '}}'"),
        ("('a'", 4, "ends too early"),
    ],
)
def test_what_is_no_expression_tells_where_it_stops(text: str, offset: int, said: str) -> None:
    with pytest.raises(ParseError) as caught:
        read_expression(text)
    assert said in caught.value.message
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "7 % 0",
        "2 ** 99999",
        "9 ** 9 ** 999",
        "'a' + 1",
        "true + 1",
        "'a' * 9",
        "1 < 'a'",
        "1e308 * 10",
        "-'a'",
        "range(100000)",
        "[] | first",
        "event.payload.nope + 1",
        "event.payload.n.x == 1",
        "keystore.nope == 1",
        "min([])",
        "match('(', 'a')",
        "'\\ud800' | b64decode",
        "[1] | map('nofilter')",
        "sum(['a'])",
        "length(3)",
        "event.payload.items[1 == 1]",
    ],
)
def test_what_cannot_be_computed_is_an_error_of_its_own(text: str) -> None:
    run = Run(scope())
    with pytest.raises(ExpressionError):
        given_value(read_expression(text).value(run))


@pytest.mark.parametrize(
    "text",
    [
        "().__class__",
        "''.__class__.__mro__",
        "event.__class__",
        "event.payload.__init__.__globals__",
        "[].append",
        "''['format']",
        "range.__call__",
        "event['__dict__']",
    ],
)
def test_no_attribute_of_python_is_reached(text: str) -> None:
    assert isinstance(evaluate(text, scope()), Missing)


@pytest.mark.parametrize(
    "text",
    [
        "event.payload | join('aaaaaaaaaa') | join('aaaaaaaaaa') | join('aaaaaaaaaa')",
        "event.payload | replace('a', event.payload)",
        "[event.payload, event.payload, event.payload] | tojson",
        "event.payload ~ event.payload ~ event.payload",
        "'a\na' | indent(100000000)",
        "event.payload | list | map('replace', 'a', event.payload) | list",
        " or ".join(["(event.payload | lower | upper | lower == 'b')"] * 60),
    ],
)
def test_nothing_grows_or_runs_without_end(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"too (large|much)"):
        evaluate(text, scope("a" * 400_000))


def test_a_pattern_cannot_hang() -> None:
    assert evaluate(r"match('^(a+)+$', event.payload)", scope("a" * 100_000 + "b")) is False


@pytest.mark.parametrize(
    "text", ["(" * 3000 + "1" + ")" * 3000, "not " * 1000 + "1", "+".join(["1"] * 2000), "-" * 4000 + "1"]
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        read_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "pack.config.db.password",
        "pack.config.db",
        "pack.config",
        "pack",
        "keystore.crm.token",
        "[pack.config][0].host",
    ],
)
def test_what_reads_a_secret_is_marked(text: str) -> None:
    run = Run(scope())
    read_expression(text).value(run)
    assert run.secret
    assert "hunter2" not in repr(run.seen)


def test_what_reads_no_secret_is_not_marked() -> None:
    run = Run(scope())
    read_expression("pack.config.db.user ~ pack.config.host ~ event.payload.n ~ keystore.limits.dry").value(
        run
    )
    assert not run.secret
    assert run.seen == {
        "pack.config.db.user": "u",
        "pack.config.host": "h",
        "event.payload.n": 3,
        "keystore.limits.dry": 20,
    }


WORDS = st.sampled_from(
    [
        *FUNCTIONS,
        *FILTERS,
        *CHOOSERS,
        *TESTS,
        "event",
        "payload",
        "keystore",
        "pack",
        "and",
        "or",
        "not",
        "in",
        "is",
        "if",
        "else",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        ":",
        "|",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "~",
        "==",
        "<",
        "1",
        "0",
        "2.5",
        "'a'",
        '"',
        "'",
        "\\",
        "\n",
        "é",
        "true",
        "null",
        "{{",
        "}}",
        "{%",
        "{#",
        "attribute=",
        "9" * 40,
        "1e400",
        "0x",
        "1_0",
        "\x00",
        "\ud800",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(WORDS, max_size=14).map(" ".join),
        st.lists(WORDS, max_size=10).map("".join),
    )
)
def test_reading_and_computing_raise_their_own_errors_only(text: str) -> None:
    try:
        expression = read_expression(text)
    except ParseError as error:
        offset = error.offset
    else:
        computes_or_refuses(expression)
        return
    assert 0 <= offset <= len(text)


def computes_or_refuses(expression: Expression) -> None:
    try:
        expression.value(Run(scope()))
    except ExpressionError as error:
        told = str(error)
    else:
        return
    assert "hunter2" not in told
    assert "sesame" not in told


@pytest.mark.parametrize(
    "text",
    [
        "[1] | map(keystore.crm.token)",
        "[1] | select(keystore.crm.token)",
        "[{}] | map(attribute=keystore.crm.token) | list",
        "event.payload[keystore.crm.token] + 1",
        "'a'[keystore.crm.token]",
        "match(keystore.crm.token + '(', 'a')",
        "keystore.crm.token + 1",
        "keystore.crm.token < 1",
        "[{}, {}] | sort(attribute=keystore.crm.token)",
        "number(keystore.crm.token)",
        "'a' | regex_replace(keystore.crm.token + '(', 'b')",
        "keystore.crm.token | fromjson",
        "keystore.crm.token.x + 1",
    ],
)
def test_no_error_tells_a_secret(text: str) -> None:
    run = Run(scope())
    with pytest.raises(ExpressionError) as caught:
        given_value(read_expression(text).value(run))
    assert "sesame" not in str(caught.value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [f"{name}(event.payload.a, event.payload.b)" for name in FUNCTIONS]
        + [f"{name}(event.payload.a)" for name in FUNCTIONS]
        + [f"event.payload.a | {name}" for name in FILTERS]
        + [f"event.payload.a | {name}(event.payload.b)" for name in (*FILTERS, *CHOOSERS)]
        + [f"event.payload.a is {name}(event.payload.b)" for name in TESTS if name.isidentifier()]
    ),
    JSON,
    JSON,
)
def test_every_function_takes_any_value_or_refuses_it(text: str, one: object, other: object) -> None:
    try:
        expression = read_expression(text)
    except ParseError:
        return  # it does not take so many arguments
    try:
        expression.value(Run(scope({"a": one, "b": other})))
    except ExpressionError:
        return


@pytest.mark.parametrize(
    "choice", ["select('in', event.payload.b)", "selectattr('x', 'in', event.payload.b)"]
)
def test_looking_for_each_member_of_one_long_list_in_another_is_too_much_work(choice: str) -> None:
    many = {"a": [{"x": n} for n in range(20_000)], "b": list(range(20_000, 40_000))}
    with pytest.raises(ExpressionError, match="too much work"):
        evaluate(f"event.payload.a | {choice} | length", scope(many))


def test_a_long_list_is_looked_through_for_the_members_of_a_short_one() -> None:
    few = {"a": [1, 19_999, -1], "b": list(range(20_000))}
    assert evaluate("event.payload.a | select('in', event.payload.b)", scope(few)) == [1, 19_999]
    assert evaluate("event.payload.b | select('in', event.payload.a)", scope(few)) == [1, 19_999]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "event.payload.hosts | selectattr('state', 'equalto', 'down') | map(attribute='name') | length",
            1_000,
        ),
        ("event.payload.hosts | groupby('state') | length", 10),
        ("event.payload.hosts | sort(attribute='load') | first == event.payload.hosts[0]", True),
        ("event.payload.hosts | map(attribute='load') | sum", 49_995_000),
        ("event.payload.hosts | map(attribute='name') | unique | join(', ') | length", 149_998),
    ],
)
def test_an_honest_question_about_a_payload_as_large_as_may_be_is_answered(text: str, expected: Any) -> None:
    states = ["down", *(f"s{number}" for number in range(9))]
    hosts = [
        {"name": f"host-{n:05}.dc", "load": n, "state": states[n % 10], "note": "x" * 40}
        for n in range(10_000)
    ]
    assert evaluate(text, scope({"hosts": hosts})) == expected


def test_a_text_that_is_taken_apart_costs_as_much_as_its_characters() -> None:
    with pytest.raises(ExpressionError, match="too much work"):
        evaluate("event.payload.log | unique | length", scope({"log": "ab" * 400_000}))
    assert evaluate("event.payload.log | unique | length", scope({"log": "ab" * 40_000})) == 2
    assert evaluate("event.payload.log | upper | length", scope({"log": "ab" * 400_000})) == 800_000
