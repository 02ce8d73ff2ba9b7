"""Runs processes and keeps their output: spawn, feed, pump, cap, mask, time out, stop, reap.

Standard library and the clock only, one thread, plain values in and out, so that it can also be a process of its own
that outlives the engine.
"""

from __future__ import annotations

from attune_cli.runtime.supervisor import address
from attune_cli.runtime.supervisor.folder import read_index, read_index_from
from attune_cli.runtime.supervisor.journal import Fate, read_journal
from attune_cli.runtime.supervisor.leftovers import kill_leftovers
from attune_cli.runtime.supervisor.supervisor import Supervisor
from attune_cli.runtime.supervisor.values import Chunk, RunExit, Spawn, Stop, StreamSummary, Why

__all__ = [
    "Chunk",
    "Fate",
    "RunExit",
    "Spawn",
    "Stop",
    "StreamSummary",
    "Supervisor",
    "Why",
    "address",
    "kill_leftovers",
    "read_index",
    "read_index_from",
    "read_journal",
]
