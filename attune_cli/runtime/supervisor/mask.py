"""Takes secret values out of a stream of bytes that arrives in pieces."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = b"********"

SHORTEST_SECRET_BYTES = 4
"""A shorter secret would take ordinary text out of the log, and is easily guessed from what is left."""


class Mask:
    """Replaces each secret, also where it is written inside a JSON string; the longest where several begin.

    The joined results are those of one replacement over the whole stream. Only a tail that could begin a secret is
    held back.
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        forms = {
            form for secret in secrets if len(secret) >= SHORTEST_SECRET_BYTES for form in _forms(secret)
        }
        self._secrets = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets)))
        self._held = b""

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def feed(self, data: bytes) -> bytes:
        """Return what can be said now."""
        if not self._secrets:
            return data
        text = self._held + data
        pieces: list[bytes] = []
        position = 0
        while True:
            begun = self._begun(text, position)
            match = self._pattern.search(text, position)
            # A secret that is whole but could still become a longer one waits too: then both are equal.
            if match is None or begun <= match.start():
                break
            pieces += text[position : match.start()], MASK
            position = match.end()
        pieces.append(text[position:begun])
        self._held = text[begun:]
        return b"".join(pieces)

    def flush(self) -> bytes:
        """Return what was held back, because the stream has ended."""
        held, self._held = self._held, b""
        return self._pattern.sub(MASK, held) if self._secrets else held

    def _begun(self, text: bytes, position: int) -> int:
        """Return where the first secret begins that the end of the text cuts off; the text's length if none does."""
        found = len(text)
        for secret in self._secrets:
            start = text.find(secret[:1], max(position, len(text) - len(secret) + 1), found)
            while start >= 0 and not secret.startswith(text[start:]):
                start = text.find(secret[:1], start + 1, found)
            if start >= 0:
                found = start
        return found


def _forms(secret: bytes) -> set[bytes]:
    """Return a secret and the ways it is written in a JSON string (RFC 8259 7), without the quotes."""
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return {secret}
    escaped = {json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode() for ascii_only in (True, False)}
    return {secret, *escaped}
