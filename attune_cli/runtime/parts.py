"""What the daemon is made of besides its engine: parts with threads of their own, and what each of them is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.clock import Clock
    from attune_cli.runtime.engine.replies import Reply
    from attune_cli.runtime.store.database import Store, Transaction
    from attune_cli.runtime.store.sealing import Sealer

Answer = TypeVar("Answer")


class Platform(Protocol):
    """The engine as a part of the daemon sees it. Everything may be used from any thread."""

    @property
    def home(self) -> Home: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def sealer(self) -> Sealer: ...
    @property
    def url(self) -> str | None:
        """Where the server listens; None before it has started, and without one."""
        ...

    def request(self, work: Callable[[Transaction], Answer]) -> Reply[Answer]:
        """Do `work` in the engine's next transaction; the reply comes after its commit."""
        ...

    def connect(self) -> Store:
        """Return a connection of the caller's own, for reading; the caller closes it."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each tick, on the engine's thread: it must return at once and not raise."""
        ...

    def announce(self, url: str) -> None:
        """Tell where the server listens: `attune status`, actions and sensors are told."""
        ...


class Part(Protocol):
    """Something that runs beside the engine for as long as the daemon does."""

    def start(self) -> None:
        """Begin to work; returns when it does, and raises AttuneError when it cannot."""
        ...

    def stop(self) -> None:
        """End what was started, within a bounded time; harmless when it was not started."""
        ...
