"""JSON pointers, by the examples of RFC 6901 and by property."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune_cli.runtime.model.pointers import format_pointer, parse_pointer, put_at, value_at

RFC_6901 = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC_6901),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_examples_of_the_standard(pointer: str, value: object) -> None:
    assert value_at(RFC_6901, pointer) == value


@given(st.lists(st.text(max_size=5), max_size=5))
def test_a_pointer_reads_back_as_it_was_written(parts: list[str]) -> None:
    assert parse_pointer(format_pointer(parts)) == parts


def test_an_escaped_tilde_before_a_one_stays_a_tilde() -> None:
    assert parse_pointer("/~01") == ["~1"]


@pytest.mark.parametrize("pointer", ["/gone", "/foo/2", "/foo/0/deeper", "/foo/x"])
def test_a_pointer_that_leads_nowhere_raises(pointer: str) -> None:
    with pytest.raises((KeyError, IndexError, TypeError, ValueError)):
        value_at(RFC_6901, pointer)


@settings(max_examples=50)
@given(
    st.recursive(
        st.dictionaries(st.text(), st.integers(), min_size=1, max_size=3),
        lambda inner: st.dictionaries(
            st.text(), inner | st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=3
        ),
        max_leaves=6,
    ),
    st.data(),
)
def test_what_is_put_somewhere_is_found_there(document: dict[str, Any], data: st.DataObject) -> None:
    place: Any = document
    parts: list[str] = []
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        parts.append(str(key))
        place = place[key]
    pointer = format_pointer(parts)
    put_at(document, pointer, "new")
    assert value_at(document, pointer) == "new"
