from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.errors import Detail
from attune_cli.runtime.model.parameters import (
    coerce,
    normalise,
    prepare,
    secret_pointers,
    to_json_schema,
)
from attune_cli.runtime.packs.schemas import TYPES, schema_faults

REQUEST: dict[str, dict[str, Any]] = {
    "url": {"type": "string", "required": True},
    "method": {"type": "string", "default": "GET", "enum": ["GET", "POST"]},
    "timeout": {"type": "integer", "default": 30, "minimum": 1},
    "token": {"type": "string", "secret": True, "minLength": 8},
    "auth": {
        "type": "object",
        "properties": {"password": {"type": "string", "secret": True, "required": True}},
    },
    "hosts": {"type": "array", "items": {"type": "object", "properties": {"key": {"secret": True}}}},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_missing_and_null_parameters_get_their_defaults() -> None:
    values, faults = prepare(REQUEST, {"url": "x", "timeout": None})
    assert (values, faults) == ({"url": "x", "timeout": 30, "method": "GET"}, [])


def test_an_optional_parameter_without_default_may_be_null_and_a_required_one_may_not() -> None:
    assert prepare(REQUEST, {"url": "x", "token": None})[1] == []
    assert prepare(REQUEST, {"url": None})[1] == [Detail("url", "required (string)")]


def test_every_fault_is_told_at_once() -> None:
    _, faults = prepare(REQUEST, {"timeout": "soon", "method": "GETT", "tmeout": 3, "auth": {}})
    assert [(fault.path, fault.message, fault.value) for fault in faults] == [
        ("auth.password", "required (string)", None),
        ("method", "expected one of GET, POST", "GETT"),
        ("timeout", "expected integer", "soon"),
        ("tmeout", "unknown parameter; did you mean timeout?", None),
        ("url", "required (string)", None),
    ]


def test_the_value_of_a_secret_stands_in_no_fault() -> None:
    _, faults = prepare(
        REQUEST, {"url": "x", "token": "s3cret", "auth": "s3cret", "hosts": [{"key": 1}, "s3cret"]}
    )
    assert {fault.path for fault in faults} == {"token", "auth", "hosts.1"}
    assert "s3cret" not in repr(faults)


def test_a_fault_holds_only_the_beginning_of_a_long_value() -> None:
    _, (fault,) = prepare(REQUEST, {"url": "x", "timeout": "z" * 1_000_000})
    assert len(str(fault.value)) < 100


def test_an_action_without_declared_parameters_takes_anything() -> None:
    assert prepare({}, {"any": [1]}) == ({"any": [1]}, [])


def test_a_default_is_checked_with_the_values_and_with_the_schema() -> None:
    schema = {"n": {"type": "integer", "default": "x"}, "m": {"enum": ["a"], "default": "b"}}
    assert [fault.path for fault in prepare({**schema, "o": {}}, {"o": 1})[1]] == ["m", "n"]
    assert [fault.path for fault in schema_faults(schema)] == [("n", "default"), ("m", "default")]


@pytest.mark.parametrize(
    ("leaf", "value", "message"),
    [
        ({"type": "string", "pattern": "^a"}, "b", "must match ^a"),
        ({"type": "string", "format": "date-time"}, "now", "expected a date-time like 2026-05-01T09:00:00Z"),
        ({"type": "string", "maxLength": 2}, "abc", "may have at most 2 characters"),
        ({"type": "array", "minItems": 2}, [1], "needs at least 2 items"),
        ({"type": "number", "maximum": 3}, 4, "must be at most 3"),
        ({"const": "on"}, "off", "expected on"),
        ({"type": ["integer", "null"]}, "x", "expected integer or null"),
        ({"type": "integer", "multipleOf": 2}, 3, "does not fit the schema's multipleOf"),
    ],
)
def test_faults_speak_plainly(leaf: dict[str, Any], value: object, message: str) -> None:
    assert [fault.message for fault in prepare({"p": leaf}, {"p": value})[1]] == [message]


def test_a_schema_may_not_fetch_another_one() -> None:
    _, (fault,) = prepare({"p": {"$ref": "http://127.0.0.1:1/schema"}}, {"p": 1})
    assert "may not refer to" in fault.message


def test_both_shapes_of_a_schema_come_to_the_same() -> None:
    shaped = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
        "required": ["a"],
    }
    assert normalise(shaped) == {"a": {"type": "string", "required": True}, "b": {"type": "integer"}}
    assert normalise(None) == {}


def test_a_parameter_may_be_called_type() -> None:
    flat = {"type": {"type": "string"}, "properties": {"type": "object"}}
    assert normalise(flat) == flat


def test_json_schema_holds_nothing_of_the_dialect() -> None:
    schema = to_json_schema(
        {"a": {"type": "string", "required": True, "secret": True, "position": 1}, **REQUEST}
    )
    assert schema["required"] == ["a", "url"]
    assert schema["properties"]["a"] == {"type": "string"}
    assert schema["properties"]["auth"] == {
        "type": "object",
        "properties": {"password": {"type": "string"}},
        "required": ["password"],
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("url", "1.10", "1.10"),
        ("timeout", "-5", -5),
        ("undeclared", "5", "5"),
        ("auth.password", "5", "5"),
        ("auth", '{"password": "x"}', {"password": "x"}),
        ("ratio", "1.5", 1.5),
        ("ratio", "2", 2),
        ("on", "Yes", True),
        ("on", "0", False),
        ("tags", "[1, 2]", [1, 2]),
        ("tags", "7", [7]),
        ("maybe", "null", None),
    ],
)
def test_text_is_read_by_the_declared_type(name: str, text: str, value: object) -> None:
    schema = {
        **REQUEST,
        "ratio": {"type": "number"},
        "on": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "integer"}},
        "maybe": {"type": ["null", "integer"]},
    }
    assert coerce(schema, name, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *[("integer", text) for text in ("", "1.5", "1e3", "٣", "0x10", "soon")],
        *[("number", text) for text in ("nan", "inf", "1,5", "")],
        *[("boolean", text) for text in ("maybe", "2", "")],
        *[("array", text) for text in ("[1", "[" * 5000)],
        *[("object", text) for text in ("[]", "x", "{")],
    ],
)
def test_text_that_does_not_fit_is_a_fault(kind: str, text: str) -> None:
    fault = coerce({"p": {"type": kind}}, "p", text)
    assert isinstance(fault, Detail)
    assert (fault.path, fault.message) == ("p", f"expected {kind}")


def test_a_secret_that_cannot_be_read_is_not_repeated() -> None:
    fault = coerce({"pin": {"type": "integer", "secret": True}}, "pin", "s3cret")
    assert isinstance(fault, Detail)
    assert "s3cret" not in repr(fault)


def test_pointers_name_every_secret_that_was_given() -> None:
    given_values = {
        "token": "a",
        "auth": {"password": "b", "user": "c"},
        "hosts": [{"key": "d"}, {}, {"key": "e"}],
    }
    assert secret_pointers(REQUEST, given_values) == [
        "/token",
        "/auth/password",
        "/hosts/0/key",
        "/hosts/2/key",
    ]
    assert secret_pointers({"a/b~c": {"secret": True}}, {"a/b~c": 1}) == ["/a~1b~0c"]


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_input_is_prepared_without_raising(values: dict[str, Any]) -> None:
    prepared, _ = prepare(REQUEST, values)
    assert set(prepared) >= {"method", "timeout"} | set(values)


@given(json_values)
def test_checking_a_schema_never_raises(raw: object) -> None:
    for fault in schema_faults(raw):
        assert fault.message


@given(
    st.dictionaries(st.text(min_size=1), st.fixed_dictionaries({"type": st.sampled_from(TYPES)}), max_size=4)
)
def test_a_schema_of_types_has_no_faults_and_stays_as_it_is(schema: dict[str, dict[str, Any]]) -> None:
    assert schema_faults(schema) == []
    assert normalise(schema) == schema


@given(st.integers(), st.booleans())
def test_what_is_printed_is_read_back(number: int, flag: bool) -> None:
    assert coerce({"n": {"type": "integer"}}, "n", str(number)) == number
    assert coerce({"b": {"type": "boolean"}}, "b", str(flag)) is flag
