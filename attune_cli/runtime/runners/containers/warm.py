"""Containers that are started ahead for a busy action, and wait at their gate; each serves one run (docs/adr/0047).

An action is busy when it ran twice within `container_warm_seconds`. When one of its runs is over the next are started,
up to `container_warm` of all actions together: not before, because a start costs more than most runs, and would slow
them down. One that is not wanted in that time is removed.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import monotonic_seconds
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.runners.containers.engine import ContainerEngine
    from attune_cli.runtime.runners.containers.errands import Errands


@immutable(kw_only=True)
class Shape:
    """What the containers of some runs have in common, which is all but the run itself."""

    owner: str
    """Of one owner only one shape is kept: another one means that the definition or the image has changed."""
    key: str
    start: Callable[[], str | None]
    """Starts one and returns its id; None where such a container cannot wait."""


class _Place:
    """One that waits, or that is being started for it."""

    def __init__(self, shape: Shape, born: float) -> None:
        self.shape = shape
        self.born = born
        self.container: str | None = None
        self.is_settled = threading.Event()
        self.is_given_up = False


class WarmContainers:
    """Those of one host, `most` at a time. May be used from any thread; leave it with `close`."""

    def __init__(
        self,
        engine: ContainerEngine,
        errands: Errands,
        *,
        most: int,
        age_seconds: float,
        remove: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._errands = errands
        self._most = most
        self._remove = remove
        self._age_seconds = age_seconds
        self._places: list[_Place] = []
        """The oldest first."""
        self._wanted: dict[str, deque[float]] = {}
        """When a shape was wanted, by its key."""
        self._news = threading.Condition()
        self._keeper: threading.Thread | None = None
        self._closed = False

    def take(self, shape: Shape) -> str | None:
        """Return a container that waits for a run of that shape, or None."""
        with self._news:
            self._give_up([one for one in self._places if _is_outdated(one.shape, shape)])
            self._note(shape.key)
            place = self._pop(shape.key)
        while place is not None:
            place.is_settled.wait()
            if place.container is not None:
                if self._engine.is_running(place.container):
                    return place.container
                self._remove(place.container)
            with self._news:
                place = self._pop(shape.key)
        self._errands.hurry()
        return None

    def see_to_the_next(self, shape: Shape) -> None:
        """Start containers for runs of that shape, now that one is over."""
        with self._news:
            self._fill(shape)

    def close(self) -> None:
        """Remove all that wait; the errands tell when that is done."""
        with self._news:
            self._closed = True
            self._give_up(self._places)
            self._news.notify_all()

    # --- under the lock

    def _note(self, key: str) -> None:
        now = monotonic_seconds()
        for old in [one for one, moments in self._wanted.items() if moments[-1] < now - self._age_seconds]:
            del self._wanted[old]
        self._wanted.setdefault(key, deque(maxlen=self._most + 1)).append(now)

    def _pop(self, key: str) -> _Place | None:
        place = next((one for one in self._places if one.shape.key == key), None)
        if place is not None:
            self._places.remove(place)
        return place

    def _fill(self, shape: Shape) -> None:
        now = monotonic_seconds()
        recent = sum(moment >= now - self._age_seconds for moment in self._wanted.get(shape.key, ()))
        waiting = sum(one.shape.key == shape.key for one in self._places)
        room = 0 if self._closed else self._most - len(self._places)
        for _ in range(min(room, recent - 1 - waiting)):
            place = _Place(shape, now)
            self._places.append(place)
            self._errands.run(lambda place=place: self._start(place))
        if self._places and self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, daemon=True)
            self._keeper.start()
        self._news.notify_all()

    def _give_up(self, places: list[_Place]) -> None:
        for place in tuple(places):
            self._places.remove(place)
            place.is_given_up = True
            if place.container is not None:
                container = place.container
                self._errands.run(lambda container=container: self._remove(container))

    # --- threads of their own

    def _start(self, place: _Place) -> None:
        container: str | None = None
        try:
            container = place.shape.start()
        except AttuneError:
            pass  # the run itself will find out why, and say it
        finally:
            with self._news:
                place.container = container
                is_given_up = place.is_given_up
                if container is None:
                    self._wanted.pop(place.shape.key, None)  # no more of them until it is busy anew
                    if place in self._places:
                        self._places.remove(place)
            place.is_settled.set()
        if is_given_up and container is not None:
            self._remove(container)

    def _keep(self) -> None:
        """Remove what has waited too long."""
        with self._news:
            while not self._closed:
                now = monotonic_seconds()
                self._give_up([one for one in self._places if one.born <= now - self._age_seconds])
                oldest = min((one.born for one in self._places), default=None)
                self._news.wait(None if oldest is None else oldest + self._age_seconds - now)


def _is_outdated(one: Shape, current: Shape) -> bool:
    return one.owner == current.owner and one.key != current.key
