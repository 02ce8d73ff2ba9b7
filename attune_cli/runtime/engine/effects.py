"""What a tick does to the world, after its commit. An effect may be lost in a crash: the boot tick makes it good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.runners.api import Job


@immutable
class Prepare:
    """Make what the run of `job` needs."""

    job: Job


@immutable
class Start:
    """Open the gate of the run named `ref`."""

    job: Job
    ref: str


@immutable
class Stop:
    """Ask the run named `ref` to end."""

    kind: str
    ref: str


@immutable
class Poke:
    """Wake another host: a slot it waits for is free."""

    host: str


Effect = Prepare | Start | Stop | Poke
