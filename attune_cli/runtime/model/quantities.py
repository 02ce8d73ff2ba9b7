"""Durations and sizes as people write them, and back (cli.md 3.2)."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {
    "": 1, "b": 1,
    "k": 1000, "kb": 1000, "m": 1000**2, "mb": 1000**2, "g": 1000**3, "gb": 1000**3, "t": 1000**4, "tb": 1000**4,
    "ki": 1024, "kib": 1024, "mi": 1024**2, "mib": 1024**2, "gi": 1024**3, "gib": 1024**3,
    "ti": 1024**4, "tib": 1024**4,
}  # fmt: skip
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|[smhdw])")
_PLAIN = re.compile(_NUMBER)
LONGEST_SECONDS = 100 * 366 * _SECONDS["d"]
"""A century: a longer one is a slip, and its end could be no instant of the database."""

_SIZE = re.compile(rf"({_NUMBER})\s*([a-z]*)")


def parse_duration(text: str) -> float:
    """Return seconds of `45`, `45s`, `1h30m`, `250ms`, `7d`; raises ValueError saying what is expected."""
    text = text.strip().lower()
    plain = _PLAIN.fullmatch(text)
    if plain is None and not _DURATION.fullmatch(text):
        raise ValueError("expected a duration such as 45s, 5m or 1h30m")
    parts = [(text, "s")] if plain else _DURATION_PART.findall(text)
    seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    if seconds > LONGEST_SECONDS:
        raise ValueError("expected a duration of at most a century")
    return seconds


def parse_size(text: str) -> int:
    """Return bytes of `512`, `64kB`, `10MiB`, `1.5GiB` (IEC 80000-13); raises ValueError saying what is expected."""
    match = _SIZE.fullmatch(text.strip().lower())
    factor = _BYTES.get(match[2]) if match else None
    if match is None or factor is None:
        raise ValueError("expected a size such as 512kB or 10MiB")
    return round(float(match[1]) * factor)


def format_duration(seconds: float) -> str:
    """Return two units at most: `12ms`, `1.5s`, `45s`, `5m03s`, `1h30m`, `2d04h`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:  # noqa: PLR2004 - below ten seconds the tenth still matters
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for large, small, size, part in (("m", "s", 60, 1), ("h", "m", 3600, 60), ("d", "h", 86400, 3600)):
        if whole < size:
            break
        if whole < size * {"m": 60, "h": 24, "d": 1 << 62}[large]:
            return f"{whole // size}{large}{whole % size // part:02d}{small}"
    return f"{whole}s"


def format_size(size_bytes: int) -> str:
    """Return `512 B`, `10 MiB`, `1.5 GiB`."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:  # noqa: PLR2004 - the IEC step
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} TiB"
