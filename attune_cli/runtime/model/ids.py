"""Ids: the numbers that rows are called by, as words of people and clients."""

from __future__ import annotations

_DIGITS = 18
"""As many as a column of the database can hold, whatever they are."""


def is_id(word: str) -> bool:
    """Tell whether a word is a number that a row may have."""
    return word.isascii() and word.isdecimal() and len(word) <= _DIGITS
