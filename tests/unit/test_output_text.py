"""Properties of text made from any data: nothing breaks a line, a document, a column or a terminal."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from attune_cli.documents import MISSING, compact_json, pluck, tab_separated
from attune_cli.table import Column, display_width, table, visible

ANY_TEXT = st.text(st.characters())  # surrogates included
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
)


@given(JSON)
def test_json_reads_back_and_is_safe_to_show(value: Any) -> None:
    text = compact_json(value)
    assert json.loads(text) == value
    assert text.encode("utf-8").decode("utf-8") == text
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in text)


@given(ANY_TEXT)
def test_visible_text_has_no_control_character_and_can_be_written(text: str) -> None:
    shown = visible(text)
    assert not any((ord(char) < 0x20 and char not in "\t\n") or 0x7F <= ord(char) < 0xA0 for char in shown)
    assert shown.count("\n") == text.count("\n")
    shown.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_text_that_is_harmless_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@given(st.lists(ANY_TEXT, min_size=1, max_size=5))
def test_a_line_of_a_pipe_has_as_many_fields_as_values(values: list[str]) -> None:
    line = tab_separated(values)
    assert line.count("\t") == len(values) - 1
    assert "\n" not in line
    assert "\r" not in line


@given(
    st.lists(
        st.fixed_dictionaries({"id": st.integers(0, 999), "one": ANY_TEXT, "two": ANY_TEXT}), min_size=1
    ),
    st.integers(30, 90),
)
def test_a_table_fits_its_width_when_only_free_text_is_long(rows: list[dict[str, Any]], width: int) -> None:
    columns = (
        Column("ID", "id", kind="number"),
        Column("ONE", "one", kind="text"),
        Column("TWO", "two", kind="text"),
    )
    lines = table(rows, columns, width=width, now=0, color=False)
    assert len(lines) == len(rows) + 1
    assert all(display_width(line) <= width for line in lines)
    assert all(line.lstrip().startswith(str(row["id"])) for line, row in zip(lines[1:], rows, strict=True))


def test_refs_are_never_cut_and_the_widest_text_is_cut_first() -> None:
    row = {"ref": "a-very-long-pack-name.a-very-long-action-name", "short": "fits well", "long": "word " * 20}
    columns = (
        Column("REF", "ref"),
        Column("SHORT", "short", kind="text"),
        Column("LONG", "long", kind="text"),
    )
    assert table([row], columns, width=80, now=0, color=False)[1] == (
        "a-very-long-pack-name.a-very-long-action-name  fits well  word word word word w\u2026"
    )


def test_wide_characters_take_two_columns() -> None:
    assert display_width("日本e\u0301") == 5
    rows = [{"text": "日本語" * 10}]
    line = table(rows, (Column("TEXT", "text", kind="text"),), width=20, now=0, color=False)[1]
    assert display_width(line) <= 20
    assert line.endswith("…")


def test_a_path_leads_through_objects_and_lists() -> None:
    record = {"a": {"b": [10, {"c": None}]}}
    assert pluck(record, "a.b.0") == 10
    assert pluck(record, "a.b.1.c") is None
    for path in ("a.x", "a.b.2", "a.b.-1", "a.b.0.c", "b", ""):
        assert pluck(record, path) is MISSING
