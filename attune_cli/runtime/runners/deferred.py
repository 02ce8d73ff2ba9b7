"""A runner that is made when it is first needed: what most commands never need costs them nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from attune_cli.runtime.runners.api import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.runtime.model.facts import Fact
    from attune_cli.runtime.runners.api import Ended, Job, Lost, Seen, Standing
    from attune_cli.runtime.runners.supervised import Supervising
    from attune_cli.runtime.supervisor import RunExit


class Contained(Runner, Protocol):
    """What is asked of the docker runner beside what every runner does."""

    def supervise_with(self, supervisor: Supervising, *, journal: str) -> None: ...

    def knows(self, run: str) -> bool: ...

    def ended(self, run: RunExit) -> None: ...

    def committed(self, facts: Sequence[Fact]) -> None: ...

    def sweep(self) -> None: ...

    def close(self) -> None: ...


class DeferredRunner:
    """Stands for the runner of one kind until there is something for it to do."""

    def __init__(self, kind: str, make: Callable[[], Contained]) -> None:
        self.kind = kind
        self._make = make
        self._made: Contained | None = None
        self._lock = threading.Lock()
        self._supervised: tuple[Supervising, str] | None = None

    def supervise_with(self, supervisor: Supervising, *, journal: str) -> None:
        self._supervised = (supervisor, journal)

    def _there(self) -> Contained:
        with self._lock:
            if self._made is None:
                made = self._make()
                if self._supervised is not None:
                    made.supervise_with(self._supervised[0], journal=self._supervised[1])
                self._made = made
            return self._made

    # --- as every runner

    def needs_preparation(self, job: Job) -> bool:
        return self._there().needs_preparation(job)

    def ref(self, job: Job) -> str:
        return self._there().ref(job)

    def prepare(self, job: Job) -> None:
        self._there().prepare(job)

    def start(self, job: Job, ref: str) -> None:
        self._there().start(job, ref)

    def stop(self, ref: str) -> None:
        if self._made is not None:
            self._made.stop(ref)

    def attach(self, seen: Seen) -> Standing | Ended | Lost:
        return self._there().attach(seen)

    # --- what a host asks

    def knows(self, run: str) -> bool:
        return self._made is not None and self._made.knows(run)

    def ended(self, run: RunExit) -> None:
        if self._made is not None:
            self._made.ended(run)

    def committed(self, facts: Sequence[Fact]) -> None:
        if self._made is not None:
            self._made.committed(facts)

    def sweep(self) -> None:
        """Remove what dead hosts left. Blocks; raises AttuneError."""
        self._there().sweep()

    def close(self) -> None:
        if self._made is not None:
            self._made.close()
