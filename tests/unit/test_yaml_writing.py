"""What is written as YAML is read back as what it was."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.declaring.yaml_writing import yaml_document, yaml_documents
from attune_cli.runtime.packs.documents import parse_document, parse_documents

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numberlike = st.sampled_from(
    [
        "1e3",
        "0o17",
        "0x1F",
        "1_000",
        "12:30",
        "no",
        "Yes",
        "~",
        "null",
        "True",
        ".inf",
        ".nan",
        "1.",
        "-.5",
        "+1",
        "",
    ]
)
lines = st.sampled_from(
    ["a\nb", "a\nb\n", "a\n\nb", " a\nb", "a \nb", "\n", "a: b\n# c", "{{ x }}\n- y", "é\n\u2028\n"]
)
keys = (words | numberlike).filter(lambda key: key != "<<")  # which means to merge
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | words | numberlike | lines,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(keys, values, min_size=1, max_size=5))
def test_a_document_is_read_back_as_what_it_was(document: dict[str, Any]) -> None:
    assert parse_document(yaml_document(document).encode()).value == document


@given(st.dictionaries(words, words | numberlike | lines, min_size=1, max_size=3))
def test_other_readers_take_texts_for_texts_too(document: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_document(document)) == document


def test_several_documents_are_read_back_in_their_order() -> None:
    documents = [{"kind": "rule", "ref": "a.b"}, {"kind": "key", "value": "x: y\nz"}]
    text = yaml_documents(documents)
    assert [one.value for one in parse_documents(text.encode())] == documents
    second = parse_documents(text.encode())[1]
    assert second.position_of_key(("value",)) == (text.splitlines().index("value: |-") + 1, 1)


@pytest.mark.parametrize("content", [b"", b"---\n", b"# nothing\n", b"---\n---\n"])
def test_empty_documents_are_none(content: bytes) -> None:
    assert parse_documents(content) == []
