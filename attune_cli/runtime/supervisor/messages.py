"""What an engine and a supervisor that is a process say to each other: one JSON object on each line.

    engine → supervisor   {"say": "hello", "protocol": 1}
                          {"say": "spawn", …}                  the fields of Spawn, bytes as base64
                          {"say": "stop", "run": R, "grace_seconds": S}
                          {"say": "forget", "runs": [R, …]}    their ends are committed
    supervisor → engine   {"say": "hello", "protocol": 1, "runs": [R, …]}
                          {"say": "end", …}                    the fields of RunExit

What is not known is ignored, a field as well as a whole message, so that either side may learn more words. `protocol`
grows only when an old word gets another meaning; then the two do not speak to each other (docs/adr/0018).
"""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from pathlib import Path
from typing import Any

from attune_cli.runtime.supervisor.values import RunExit, Spawn, StreamSummary

PROTOCOL = 1

Message = dict[str, Any]

_LONGEST_BYTES = 64 * 1024 * 1024
"""No message is as long: parameters may have a mebibyte, and a command line two."""


def line(say: str, **fields: object) -> bytes:
    """Return a message as it is sent."""
    return json.dumps({"say": say, **fields}, separators=(",", ":")).encode("ascii") + b"\n"


class Lines:
    """Puts what arrives in pieces together to messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete by now; raises ValueError when that is none of ours."""
        self._rest += data
        *whole, rest = self._rest.split(b"\n")
        self._rest = rest
        if len(rest) > _LONGEST_BYTES:
            raise ValueError("a message has no end")
        return [_message(one) for one in whole]


def _message(text: bytes | bytearray) -> Message:
    message = json.loads(text)
    if not isinstance(message, dict) or "say" not in message:
        raise ValueError("a message is a JSON object that says something")
    return message  # pyright: ignore[reportUnknownVariableType] - the keys of a JSON object are text


def spawn_line(spawn: Spawn) -> bytes:
    fields = vars(spawn) | {
        "folder": str(spawn.folder),
        "stdin": _text(spawn.stdin),
        "secrets": [_text(secret) for secret in spawn.secrets],
    }
    return line("spawn", **fields)


def read_spawn(message: Message) -> Spawn:
    """Raises KeyError, TypeError or ValueError when a field is missing or wrong."""
    return Spawn(
        run=message["run"],
        argv=tuple(message["argv"]),
        cwd=message["cwd"],
        environment=message["environment"],
        stdin=a2b_base64(message["stdin"]),
        folder=Path(message["folder"]),
        stdout_cap_bytes=message["stdout_cap_bytes"],
        stderr_cap_bytes=message["stderr_cap_bytes"],
        timeout_seconds=message["timeout_seconds"],
        grace_seconds=message["grace_seconds"],
        secrets=tuple(a2b_base64(secret) for secret in message["secrets"]),
    )


def run_exit_fields(run_exit: RunExit) -> dict[str, Any]:
    return {**vars(run_exit), "stdout": vars(run_exit.stdout), "stderr": vars(run_exit.stderr)}


def read_run_exit(fields: Message) -> RunExit:
    """Raises KeyError or TypeError when a field is missing or wrong."""
    return RunExit(
        run=fields["run"],
        why=fields["why"],
        exit_code=fields["exit_code"],
        signal=fields["signal"],
        error=fields["error"],
        started=fields["started"],
        finished=fields["finished"],
        duration_ms=fields["duration_ms"],
        stdout=StreamSummary(**fields["stdout"]),
        stderr=StreamSummary(**fields["stderr"]),
    )


def _text(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")
