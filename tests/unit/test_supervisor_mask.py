"""The mask: a stream in pieces is masked like the whole."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from attune_cli.runtime.supervisor.mask import MASK, Mask

few_letters = st.binary(max_size=60).map(lambda data: bytes(b"abc\n"[byte % 4] for byte in data))
secrets = st.lists(few_letters.filter(lambda secret: 4 <= len(secret) <= 12), min_size=1, max_size=4)


def masked_at_once(text: bytes, forms: set[bytes]) -> bytes:
    """The plain way: at each place the longest secret that stands there."""
    out = b""
    position = 0
    while position < len(text):
        here = [form for form in forms if text.startswith(form, position)]
        out += MASK if here else text[position : position + 1]
        position += max(map(len, here), default=1)
    return out


def in_pieces(mask: Mask, text: bytes, cuts: list[int]) -> bytes:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return b"".join(mask.feed(text[start:end]) for start, end in pairwise(edges)) + mask.flush()


@given(few_letters, st.lists(st.integers(0, 60), max_size=8), secrets)
@example(b"xabcdefx", [3], [b"abcd", b"abcdef"])
@example(b"aaaaaaaaaa", [1, 2, 3, 9], [b"aaaa", b"aaaaaa"])
@example(b"abcab", [5], [b"bcab", b"abcabc"])
def test_a_stream_in_pieces_is_masked_like_the_whole(
    text: bytes, cuts: list[int], values: list[bytes]
) -> None:
    forms = {form for value in values for form in (value, value.replace(b"\n", b"\\n"))}
    assert in_pieces(Mask(values), text, cuts) == masked_at_once(text, forms)


@given(st.binary(max_size=200), st.lists(st.binary(min_size=4, max_size=20), min_size=1, max_size=3))
def test_one_byte_at_a_time_is_no_different(noise: bytes, values: list[bytes]) -> None:
    text = noise + values[0] + noise + values[-1]
    whole = Mask(values)
    assert in_pieces(Mask(values), text, list(range(len(text)))) == whole.feed(text) + whole.flush()


def test_only_a_tail_that_could_begin_a_secret_is_held_back() -> None:
    mask = Mask([b"hunter22"])
    assert mask.feed(b"password: ") == b"password: "
    assert mask.feed(b"my hun") == b"my "
    assert mask.feed(b"ny") == b"hunny"
    assert mask.feed(b" hunter2") == b" "
    assert mask.flush() == b"hunter2"


def test_a_secret_that_could_still_become_a_longer_one_waits_for_it() -> None:
    mask = Mask([b"abcd", b"abcdef"])
    assert mask.feed(b"abcd") == b""
    assert mask.feed(b"e") == b""
    assert mask.feed(b"f!") == MASK + b"!"
    assert mask.feed(b"abcd") + mask.flush() == MASK


@pytest.mark.parametrize("value", ['qu"ote', "back\\slash", "new\nline", "snow\u2603man", "tab\there"])
def test_a_secret_is_masked_inside_json_too(value: str) -> None:
    for ascii_only in (True, False):
        document = json.dumps({"key": value}, ensure_ascii=ascii_only).encode()
        mask = Mask([value.encode()])
        assert mask.feed(document) + mask.flush() == b'{"key": "' + MASK + b'"}'


def test_values_under_four_bytes_are_not_masked() -> None:
    assert not Mask([b"abc", b""])
    assert Mask([b"abcd"])


def test_a_secret_that_is_not_text_is_masked_as_it_is() -> None:
    mask = Mask([b"\xff\xfe\x00\x01"])
    assert mask.feed(b"a\xff\xfe\x00\x01b") == b"a" + MASK + b"b"
