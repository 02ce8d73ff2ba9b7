"""What is wrong with a pack, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Finding:
    """One fault of one file; `line` and `column` count from 1, `path` is the file as the user names it."""

    path: str
    line: int
    column: int
    severity: Severity
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.said}"

    @property
    def said(self) -> str:
        """The message with what to write instead."""
        said = f"{self.message} ({self.suggestion})" if self.suggestion else self.message
        return "⏎".join(said.splitlines())

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "error"]


def as_strict(findings: Iterable[Finding]) -> list[Finding]:
    """Make every warning an error."""
    return [replace(finding, severity="error") for finding in findings]
