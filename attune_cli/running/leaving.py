"""Going away from a question that stays open: what else this process runs ends first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attune_cli.runtime.clock import SystemClock, monotonic_seconds
from attune_cli.runtime.store import executions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.inline_host import InlineHost
    from attune_cli.runtime.model.inquiries import Inquiry
    from attune_cli.runtime.store.database import Store

_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 2.0
"""So long a run that asked from inside may take to give up by itself, where nobody is to be asked."""


class Leaving(Protocol):
    """How a command goes away from a question that it leaves open."""

    has_cancelled: bool
    """What asked could not be left waiting, and was cancelled."""

    def begin(self, inquiry: Inquiry, execution: int, *, may_cancel: bool) -> None:
        """Begin to go away from a question that `execution`, or one below it, asks."""
        ...

    def is_over(self) -> bool:
        """Tell whether nothing is left that this command has to wait for."""
        ...


class AtOnce:
    """Leaves what another process runs: it goes on there."""

    has_cancelled = False

    def begin(self, inquiry: Inquiry, execution: int, *, may_cancel: bool) -> None:
        """Leave it as it is."""

    def is_over(self) -> bool:
        return True


class AsHost:
    """Starts nothing more, and stays until what this process runs has ended: it would die with it."""

    def __init__(
        self,
        host: InlineHost,
        store: Store,
        context: Context,
        received: Sequence[int],
        *,
        make_room: Callable[[], None] = lambda: None,
    ) -> None:
        """`store` is for reading; `received` are the signals that came to cancel it all."""
        self.has_cancelled = False
        self._host = host
        self._store = store
        self._context = context
        self._received = received
        self._make_room = make_room
        self._inquiry: Inquiry | None = None
        self._execution = 0
        self._may_cancel = False
        self._begun = self._looked = 0.0

    def begin(self, inquiry: Inquiry, execution: int, *, may_cancel: bool) -> None:
        self._inquiry, self._execution, self._may_cancel = inquiry, execution, may_cancel
        self._begun = monotonic_seconds()
        self._host.drain()
        running = self._host.running()
        if running:
            self._make_room()
            self._context.out.note(self._told(inquiry, running))

    def _told(self, inquiry: Inquiry, running: Sequence[int]) -> str:
        count = (
            "1 other run of it goes on and ends"
            if len(running) == 1
            else f"{len(running)} other runs of it go on and end"
        )
        if self._may_cancel:
            return f"inquiry {inquiry.id} is left open (--on-inquiry fail); {count} first"
        if self._waits_for_an_answer(running):
            who = f"who asked it goes on waiting for an answer from elsewhere (attune inquiry respond {inquiry.id})"
            return f"inquiry {inquiry.id} is left open; {who}; once more to cancel all"
        return f"inquiry {inquiry.id} is left open; {count} first; once more to cancel all"

    def is_over(self) -> bool:
        now = monotonic_seconds()
        if self._received or self.has_cancelled or now - self._looked < _LOOK_SECONDS:
            return False  # what is cancelled is waited for
        self._looked = now
        running = self._host.running()
        if self._may_cancel and now - self._begun > _GRACE_SECONDS and self._waits_for_an_answer(running):
            self.has_cancelled = True
            self._host.cancel_tree(self._execution, "it asked something (--on-inquiry fail)")
        return not running

    def _waits_for_an_answer(self, running: Sequence[int]) -> bool:
        """Tell whether only those are left inside which a command asked that waits for the answer itself."""
        if self._inquiry is None:
            return False
        with self._store.read(SystemClock().now()) as tx:
            asking = executions.startable(tx, self._inquiry.execution)
            above = executions.lineage(tx, self._inquiry.execution)
        held = asking is not None and asking.host not in (None, self._host.id)
        return held and not set(running) - above
