from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.packs.documents import MAX_BYTES, DocumentError, parse_document

printable = st.text(string.printable.replace("\x0b", "").replace("\x0c", "") + "äß日本")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | printable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(printable, inner, max_size=4),
    max_leaves=20,
)


def test_every_key_and_value_knows_where_it_stands() -> None:
    document = parse_document(b"ref: demo\ntasks:\n  - name: first\n    do: [a, b]\n")
    assert document.value == {"ref": "demo", "tasks": [{"name": "first", "do": ["a", "b"]}]}
    assert document.position_of_key(("tasks", 0, "do")) == (4, 5)
    assert document.position_of_value(("tasks", 0, "do", 1)) == (4, 13)
    assert document.position_of_value(("tasks", 0, "missing")) == (3, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[
            (word, word)
            for word in ("no", "yes", "on", "12:30:45", "2026-05-01", "1_000", "0777x", "=", "1.2.3")
        ],
        ("0o17", 15),
        ("0x1F", 31),
        ("007", 7),
        ("1e3", 1000.0),
        ("~", None),
        ("True", True),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("! 1", "1"),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    assert parse_document(f"a: {text}".encode()).value == {"a": value}


def test_anchors_and_merge_keys_work() -> None:
    document = parse_document(
        b"a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: {y: 4, <<: [{y: 5, z: 6}, *a]}\n"
    )
    assert document.value["b"] == {"x": 1, "y": 2}
    assert document.value["c"] == {"x": 1, "y": 3}
    assert document.value["d"] == {"x": 1, "y": 4, "z": 6}


def test_a_key_written_twice_is_noted_with_both_places() -> None:
    assert parse_document(b"a: 1\nb: {c: 1,\n c: 2}\na: 3\n").repeated == (
        ("c", (3, 2), (2, 5)),
        ("a", (4, 1), (1, 1)),
    )


def _bomb() -> bytes:
    lines = [b"a0: &a0 [" + b"1," * 10 + b"]"]
    lines += [b"a%d: &a%d [" % (n, n) + b"*a%d," % (n - 1) * 10 + b"]" for n in range(1, 30)]
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("content", "message", "position"),
    [
        (b"a: [1", "never closed with ']'", (1, 4)),
        (b"a: b: c", "a second ': ' in one line", (1, 5)),
        (b"a: 1\n---\nb: 1", "a second document", (2, 1)),
        (b"x: 1\na: \xff", "invalid leading UTF-8", (2, 4)),
        (b"a: \x00", "control characters", (1, 4)),
        (b"a: &x [*x]", "no anchor before it", (1, 8)),
        (b"a: !python/object:os.system x", "has no meaning", (1, 4)),
        (b"a: !!binary aGk=", "has no meaning", (1, 4)),
        (b"a: .inf", "not a number that JSON knows", (1, 4)),
        (b"a: 1e999", "not a number that JSON knows", (1, 4)),
        (b"a: " + b"9" * 5000, "not a number that JSON knows", (1, 4)),
        (b"? [a]\n: 1", "a key must be a word", (1, 3)),
        (b"<<: 3", "only mappings", (1, 1)),
        (b"[" * 500_000, "nested deeper than 100", (1, 102)),
        (_bomb(), "more than 100,000 values", (5, 38)),
        (b" " * (MAX_BYTES + 1), "larger than 1024 KiB", (1, 1)),
    ],
)
def test_what_is_no_document_says_why_and_where(
    content: bytes, message: str, position: tuple[int, int]
) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(content)
    assert message in caught.value.message
    assert caught.value.position[0] == position[0]


def test_an_empty_file_has_no_value() -> None:
    assert [parse_document(content).value for content in (b"", b"# nothing\n", b"---\n")] == [None] * 3


def _position_of_fault(content: bytes) -> tuple[int, int] | None:
    """Return where the content is no document, or None; anything but a DocumentError is raised."""
    try:
        json.dumps(parse_document(content).value)
    except DocumentError as error:
        return error.position
    return None


@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_a_document_error(content: bytes) -> None:
    assert (_position_of_fault(content) or (1, 1)) >= (1, 1)


@given(st.text("ab:-[]{}*&!|>'\"%@`#,?\n \t12~", max_size=60))
def test_any_text_like_yaml_gives_a_document_or_a_document_error(text: str) -> None:
    assert (_position_of_fault(text.encode()) or (1, 1)) >= (1, 1)


@given(json_values)
def test_json_is_read_as_json(value: Any) -> None:
    assert parse_document(json.dumps(value, ensure_ascii=False).encode()).value == value
