"""What a gate says at the beginning and at the end of a stream, which is taken off. Imported by each run's shim."""

from __future__ import annotations

MARK = "\x1e"
"""What stands before the nonce at the end of a stream. Output seldom ends with it, so that little is held back."""


def greeting_of(nonce: str) -> bytes:
    """Return what the output of a run from a gate begins with; nothing without a nonce."""
    return f"{nonce}\n".encode() if nonce else b""


def mark_of(nonce: str) -> bytes:
    """Return what both streams end with, if the action ended well; nothing without a nonce."""
    return f"{MARK}{nonce}".encode() if nonce else b""


class Marked:
    """One output stream: first a greeting, if any is due; then output; then a mark, if the action ended well.

    What could be the beginning of the mark is held back until more of it comes, or `rest` is asked for.
    """

    def __init__(self, greeting: bytes, mark: bytes) -> None:
        """Without a `mark` everything after the greeting is output."""
        self.is_greeted = not greeting
        self.is_over = False
        self._greeting = greeting
        self._mark = mark
        self._held = b""

    def feed(self, piece: bytes | memoryview) -> bytes | memoryview:
        """Return what is output of the action. Raises ValueError when another greeting comes."""
        if not self.is_greeted:
            piece = self._after_greeting(bytes(piece))
        if not self._mark:
            return piece
        if self.is_over:
            return b""
        content = self._held + piece
        self._held = b""
        end = content.find(self._mark)
        if end >= 0:
            self.is_over = True
            return content[:end]
        held = self._beginning_at_the_end_of(content)
        self._held = content[len(content) - held :]
        return content[: len(content) - held]

    def rest(self) -> bytes:
        """Return what was held back of a stream that ends without its mark."""
        rest, self._held = self._held, b""
        return rest

    def _after_greeting(self, piece: bytes) -> bytes:
        due = self._greeting[: len(piece)]
        if not piece.startswith(due):
            raise ValueError("the gate gave another answer")
        self._greeting = self._greeting[len(due) :]
        self.is_greeted = not self._greeting
        return piece[len(due) :]

    def _beginning_at_the_end_of(self, content: bytes) -> int:
        longest = min(len(content), len(self._mark) - 1)
        return next((size for size in range(longest, 0, -1) if content.endswith(self._mark[:size])), 0)
