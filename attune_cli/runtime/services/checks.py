"""What `attune doctor` and `attune db check` answer with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from attune_cli.values import immutable

CheckStatus = Literal["ok", "warning", "error"]


@immutable
class Check:
    """One thing that was looked at: its name, the verdict, a sentence, and a command that helps."""

    check: str
    status: CheckStatus
    message: str
    hint: str | None = None

    def record(self) -> dict[str, Any]:
        return {"kind": "check", **asdict(self)}
