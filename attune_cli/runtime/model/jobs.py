"""What an execution was started with, pinned: a later change of the pack does not reach it."""

from __future__ import annotations

import json
import zlib
from functools import cached_property
from typing import Any

from attune_cli.runtime.model.actions import ActionDefinition, RuntimeDefinition
from attune_cli.values import immutable, members

_ENCODER = json.JSONEncoder(default=members, separators=(",", ":"))
"""It keeps the order of members: that in which a schema is declared is the one in which people are asked."""


@immutable(kw_only=True)
class JobDefinition:
    """The action, the runtime that runs it and where its files lie; `kind` names the runner."""

    kind: str
    action: ActionDefinition
    runtime: RuntimeDefinition | None = None
    pack_digest: str | None = None
    """The pack's files lie in `packs/<pack_ref>/<digest>/`."""
    folder: str | None = None
    """A folder instead: a linked pack's, or the caller's for `run exec` and `run file`."""
    workflow: dict[str, Any] | None = None
    """The graph of a workflow (`WorkflowDefinition.to_json`)."""
    command: tuple[str, ...] = ()
    """The command line of `run exec`."""
    caller_environment: bool = False
    """`run exec` and `run file` see the caller's whole environment."""

    @cached_property
    def document(self) -> str:
        """The definition as JSON text, the same for definitions that are written alike; made once.

        In ASCII, so that words of a command line that are no text (a file's name may be any bytes) come through.
        """
        return _ENCODER.encode(self)

    @cached_property
    def checksum(self) -> int:
        """A number by which equal documents are found (a hash function of OpenSSL's takes 5 ms to import)."""
        return zlib.crc32(self.document.encode())

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> JobDefinition:
        known = dict(document)
        known["action"] = ActionDefinition.from_json(known["action"])
        runtime = known.get("runtime")
        known["runtime"] = None if runtime is None else RuntimeDefinition.from_json(runtime)
        known["command"] = tuple(known.get("command") or ())
        return cls(**known)
