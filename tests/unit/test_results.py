"""Parsing what actions print, by property: whatever it is, nothing is raised and the value can be stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.runners.results import parse_output

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import OutputFormat

FORMATS = ["json", "yaml", "jsonl"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)
SCRAPS = st.lists(
    st.sampled_from(
        [
            '"',
            "\\ud800",
            "NaN",
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\n",
            "- ",
            "&a",
            "*a",
            "? ",
            "!!set",
            "1e999",
            "é",
        ]
    )
    | st.text(max_size=3)
).map("".join)


@pytest.mark.parametrize("output_format", FORMATS)
@given(document=st.binary() | SCRAPS.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_is_printed_gives_a_value_that_can_be_stored(
    output_format: OutputFormat, document: bytes
) -> None:
    value, problem = parse_output(document, output_format)
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert problem is None or value is None


@given(VALUES, st.booleans(), st.sampled_from(["", "progress 1\n[progress] 2\n"]))
def test_json_is_read_whole_or_from_the_last_line(value: object, ascii_only: bool, before: str) -> None:
    text = before + json.dumps(value, ensure_ascii=ascii_only) + "\n"
    document = text.encode("utf-8", "surrogatepass")
    if "\\ud" in text or document.decode("utf-8", "replace") != text:
        return  # half a surrogate pair is replaced, which its own example shows
    assert parse_output(document, "json") == (value, None)


@given(st.lists(VALUES.filter(lambda value: "\\ud" not in json.dumps(value))))
def test_each_line_of_jsonl_is_a_value(values: list[object]) -> None:
    document = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()
    assert parse_output(document, "jsonl") == (values, None)


def test_the_problem_names_the_format_and_the_place() -> None:
    assert (
        parse_output(b"{\n  oops\n}", "json")[1]
        == "stdout is not json: Expecting value: line 1 column 1 (char 0)"
    )
    _, problem = parse_output(b"a: b: c", "yaml")
    assert problem is not None
    assert problem.startswith("stdout is not yaml: mapping values are not allowed")
    assert "\n" not in problem
