"""What a tick does to the world, after its commit. An effect may be lost in a crash: the boot tick makes it good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attune_cli.runtime.runners.api import Job


@dataclass(frozen=True)
class Prepare:
    """Make what the run of `job` needs."""

    job: Job


@dataclass(frozen=True)
class Start:
    """Open the gate of the run named `ref`."""

    job: Job
    ref: str


@dataclass(frozen=True)
class Stop:
    """Ask the run named `ref` to end."""

    kind: str
    ref: str


@dataclass(frozen=True)
class Poke:
    """Wake another host: a slot it waits for is free."""

    host: str


Effect = Prepare | Start | Stop | Poke
