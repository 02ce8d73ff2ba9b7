"""What a gate says at the ends of a stream is taken off, wherever the stream is cut; all else passes as it came."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.runners.containers.marks import Marked

GREETING = b"abc\n"
MARK = b"\x1eabc"

contents = st.binary().filter(lambda content: MARK not in content + MARK[:-1]) | st.sampled_from(
    [b"", b"\x1e", b"\x1e\x1eab", b"x\x1eab\x1e", b"\x1ea\n", GREETING]
)
cuts = st.lists(st.integers(0, 40), max_size=8)


def pieces(stream: bytes, at: list[int]) -> list[bytes]:
    bounds = [0, *sorted(at), len(stream)]
    return [stream[one:other] for one, other in pairwise(bounds)]


@given(contents, cuts)
def test_between_greeting_and_mark_is_the_output(content: bytes, at: list[int]) -> None:
    stream = Marked(GREETING, MARK)
    got = b"".join(bytes(stream.feed(piece)) for piece in pieces(GREETING + content + MARK + b"\n", at))
    assert (got, stream.is_greeted, stream.is_over, stream.rest()) == (content, True, True, b"")


@given(contents, cuts)
def test_a_stream_that_ends_without_its_mark_loses_nothing(content: bytes, at: list[int]) -> None:
    stream = Marked(b"", MARK)
    got = b"".join(bytes(stream.feed(piece)) for piece in pieces(content, at))
    assert (got + stream.rest(), stream.is_over) == (content, False)


@given(st.binary(), cuts)
def test_without_a_gate_all_is_output(content: bytes, at: list[int]) -> None:
    stream = Marked(b"", b"")
    assert b"".join(bytes(stream.feed(piece)) for piece in pieces(content, at)) == content
    assert (stream.is_over, stream.rest()) == (False, b"")


def test_output_is_passed_on_at_once_unless_it_could_be_the_mark() -> None:
    stream = Marked(b"", MARK)
    assert stream.feed(b"name? ") == b"name? "
    assert stream.feed(b"x\x1eab") == b"x"
    assert stream.feed(b"d") == b"\x1eabd"


def test_another_greeting_is_told() -> None:
    with pytest.raises(ValueError, match="another answer"):
        Marked(GREETING, MARK).feed(b"abd")
