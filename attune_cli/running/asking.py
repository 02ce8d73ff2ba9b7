"""What a command does about the questions of what it waits for: ask here, say who has to answer, or leave."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, get_args

from attune_cli.errors import (
    AttuneError,
    CancelledError,
    ConflictError,
    HungUpError,
    NeedsAnswerError,
    TerminatedError,
)
from attune_cli.running.leaving import AtOnce
from attune_cli.runtime.clock import SystemClock, monotonic_seconds
from attune_cli.runtime.model.inquiries import InquiryStatus
from attune_cli.runtime.store import inquiries
from attune_cli.table import cut
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from attune_cli.context import Context
    from attune_cli.running.leaving import Leaving
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.model.inquiries import Inquiry
    from attune_cli.runtime.store.database import Store

OnInquiry = Literal["prompt", "wait", "fail"]
ON_INQUIRY: tuple[OnInquiry, ...] = get_args(OnInquiry)

LEFT_OPEN = (CancelledError, HungUpError, NeedsAnswerError, TerminatedError)
"""What is raised when a question is left open, and what waits for its answer with it."""

_SHOWN_CELLS = 60
"""Of a question in a message, in cells of a terminal."""

_ERRORS: dict[int, type[AttuneError]] = {
    signal.SIGHUP: HungUpError,
    signal.SIGINT: CancelledError,
    signal.SIGTERM: TerminatedError,
}


def on_inquiry_of(context: Context, given: OnInquiry | None) -> OnInquiry:
    """Return what is to be done about questions: without a wish people are asked, and scripts wait."""
    if given is None:
        return "prompt" if context.interactive and context.quiet == 0 else "wait"
    return "wait" if given == "prompt" and not context.interactive else given


class Asking:
    """Looks for the questions of what is waited for. Asks on this terminal where it may, between two looks."""

    def __init__(
        self,
        context: Context,
        store: Store,
        *,
        mode: OnInquiry,
        name: str | None = None,
        give_up_seconds: float | None = None,
        unwanted: Callable[[], object] = lambda: None,
        make_room: Callable[[], None] = lambda: None,
        leaving: Leaving | None = None,
    ) -> None:
        """`unwanted` is called now and then while somebody types; what it raises ends the asking.

        `make_room` takes away what is drawn on the terminal, before anything is said there.
        """
        self._context = context
        self._store = store
        self._mode: OnInquiry = mode
        self._name = name
        self._unwanted = unwanted
        self._make_room = make_room
        self._leaving = leaving or AtOnce()
        self._left: _Left | None = None
        """The question that this command goes away from, as soon as it may."""
        self._give_up = None if give_up_seconds is None else monotonic_seconds() + give_up_seconds
        self._told: set[int] = set()
        self._version = -1

    def look_after(self, waiting: Sequence[Execution]) -> None:
        """Do what is to be done about questions that are new. Mostly it costs next to nothing.

        Raises NeedsAnswerError where nobody is to be asked, and others of LEFT_OPEN when who was asked went away: the
        question stays open.
        """
        if self._left is not None:
            if self._leaving.is_over():
                raise self._left.error()
            return
        version = self._store.data_version()
        if version == self._version:
            return
        self._version = version
        for execution in waiting:
            with self._store.read(SystemClock().now()) as tx:
                pending = inquiries.pending_below(tx, execution.id)
            for inquiry in pending:
                if inquiry.id in self._told:
                    continue
                if self._mode == "wait":
                    self._tell(inquiry)
                    continue
                if self._mode == "fail":
                    self._leave(_Left(inquiry, execution.id, NeedsAnswerError))
                else:
                    self._ask(inquiry, execution)
                self._version = -1  # meanwhile the others may have been answered
                return

    def check(self) -> None:
        """Raise NeedsAnswerError when what is over was cancelled because it had asked."""
        if self._left is not None and self._leaving.has_cancelled:
            raise self._left.error(was_cancelled=True)

    def _tell(self, inquiry: Inquiry, why: str = "") -> None:
        self._told.add(inquiry.id)
        first_line = inquiry.prompt.partition("\n")[0]
        self._make_room()
        self._context.out.note(f"waiting for an answer to inquiry {inquiry.id}: {first_line}{why}")
        self._context.out.note(f"  attune inquiry respond {inquiry.id}")

    def _ask(self, inquiry: Inquiry, execution: Execution) -> None:
        """Ask here; what others answer meanwhile, or what runs out of time, is withdrawn."""
        from attune_cli.answering.terminal import (
            LeftError,
            WithdrawnError,
            forget_typed,
            is_in_front,
            lose_terminal,
        )
        from attune_cli.running.questions import answer, read_question

        question = read_question(self._context, self._store, inquiry, self._name)
        if question.refused is not None or not is_in_front():
            self._tell(inquiry, f" ({question.refused})" if question.refused else "")
            return
        out = self._context.out
        received: list[int] = []
        self._make_room()
        forget_typed()
        try:
            with _left_by_signals(received):
                answered = answer(
                    self._context, self._store, question, name=self._name, unwanted=self._why_unwanted,
                    shows_lines=inquiry.execution != execution.id,
                )  # fmt: skip
        except LeftError:
            kind = _ERRORS[received[0]] if received else CancelledError
            self._leave(_Left(inquiry, execution.id, HungUpError if lose_terminal() else kind))
        except (WithdrawnError, ConflictError) as withdrawn:
            self._told.add(inquiry.id)
            out.note(self._answered_elsewhere(inquiry) or str(withdrawn))
        else:
            if answered.is_pending:
                out.note(f"inquiry {inquiry.id}: your answer is kept")
            else:
                out.note(f"inquiry {inquiry.id} answered")

    def _answered_elsewhere(self, inquiry: Inquiry) -> str | None:
        """Say what somebody else has answered; None where nobody has."""
        from attune_cli.runtime.services.inquiries import how_answered

        with self._store.read(SystemClock().now()) as tx:
            now = inquiries.get(tx, inquiry.id)
        if now is None or now.status is not InquiryStatus.RESPONDED:
            return None
        return f"inquiry {now.id} was {how_answered(now)}; the run goes on"

    def _leave(self, left: _Left) -> None:
        """Go away from a question, which stays open; what else is on here may take its time to end."""
        self._left = left
        self._leaving.begin(left.inquiry, left.execution, may_cancel=left.kind is NeedsAnswerError)

    def _why_unwanted(self) -> str | None:
        self._unwanted()
        over = self._give_up is not None and monotonic_seconds() > self._give_up
        return "waiting is over" if over else None


@immutable
class _Left:
    """A question that stays open, of which execution it was found, and how it is to be told."""

    inquiry: Inquiry
    execution: int
    kind: type[AttuneError]

    def error(self, *, was_cancelled: bool = False) -> AttuneError:
        number = self.inquiry.id
        first_line = cut(self.inquiry.prompt.partition("\n")[0], _SHOWN_CELLS)
        if was_cancelled:
            return self.kind(
                f"execution {self.execution} was cancelled, because it waited for an answer (--on-inquiry fail): "
                f"{first_line}",
                hint=f"--on-inquiry wait lets it wait for: attune inquiry respond {number}",
            )
        told = f"inquiry {number} stays open, and execution {self.execution} waits for its answer"
        if self.kind is NeedsAnswerError:
            told += f" (--on-inquiry fail): {first_line}"
        code = None if self.kind is NeedsAnswerError else "left_open"
        return self.kind(told, code=code, hint=f"attune inquiry respond {number} --wait")


@contextmanager
def _left_by_signals(received: list[int]) -> Generator[None]:
    """Let signals that elsewhere cancel what runs leave a prompt, and note those that did.

    Who has left may close the terminal: that is heard no more.
    """
    from attune_cli.answering.terminal import LeftError

    def leave(number: int, _frame: object) -> None:
        received.append(number)
        raise LeftError

    before = {number: signal.signal(number, leave) for number in _ERRORS}
    try:
        yield
    except LeftError:
        before[signal.SIGHUP] = signal.SIG_IGN
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
