"""What a command does about the questions of what it waits for: ask here, say who has to answer, or leave."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, get_args

from attune_cli.errors import CancelledError, ConflictError, NeedsAnswerError
from attune_cli.runtime.clock import SystemClock, monotonic_seconds
from attune_cli.runtime.store import inquiries

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.model.entities import Execution
    from attune_cli.runtime.model.inquiries import Inquiry
    from attune_cli.runtime.store.database import Store

OnInquiry = Literal["prompt", "wait", "fail"]
ON_INQUIRY: tuple[OnInquiry, ...] = get_args(OnInquiry)


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
    ) -> None:
        """`unwanted` is called now and then while somebody types; what it raises ends the asking."""
        self._context = context
        self._store = store
        self._mode: OnInquiry = mode
        self._name = name
        self._unwanted = unwanted
        self._give_up = None if give_up_seconds is None else monotonic_seconds() + give_up_seconds
        self._told: set[int] = set()
        self._version = -1

    def look_after(self, waiting: Sequence[Execution]) -> None:
        """Do what is to be done about questions that are new. Mostly it costs next to nothing.

        Raises NeedsAnswerError where nobody is to be asked, and CancelledError when who was asked went away: the
        question stays open.
        """
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
                if self._mode == "fail":
                    raise NeedsAnswerError(_open(inquiry, execution), hint=_HINT.format(inquiry.id))
                if self._mode == "wait":
                    self._tell(inquiry)
                    continue
                self._ask(inquiry, execution)
                self._version = -1  # meanwhile the others may have been answered
                return

    def _tell(self, inquiry: Inquiry, why: str = "") -> None:
        self._told.add(inquiry.id)
        first_line = inquiry.prompt.partition("\n")[0]
        self._context.out.note(f"waiting for an answer to inquiry {inquiry.id}: {first_line}{why}")
        self._context.out.note(f"  attune inquiry respond {inquiry.id}")

    def _ask(self, inquiry: Inquiry, execution: Execution) -> None:
        """Ask here; what others answer meanwhile, or what runs out of time, is withdrawn."""
        from attune_cli.answering.terminal import LeftError, WithdrawnError, forget_typed, is_in_front
        from attune_cli.running.questions import answer, read_question

        question = read_question(self._context, self._store, inquiry, self._name)
        if question.refused is not None or not is_in_front():
            self._tell(inquiry, f" ({question.refused})" if question.refused else "")
            return
        out = self._context.out
        try:
            forget_typed()
            with _interrupts():
                answered = answer(
                    self._context, self._store, question, name=self._name, unwanted=self._why_unwanted,
                    shows_lines=inquiry.execution != execution.id,
                )  # fmt: skip
        except (LeftError, KeyboardInterrupt) as error:
            told, hint = _open(inquiry, execution), _HINT.format(inquiry.id)
            raise CancelledError(told, code="left_open", hint=hint) from error
        except (WithdrawnError, ConflictError) as withdrawn:
            self._told.add(inquiry.id)
            out.note(str(withdrawn))
        else:
            if answered.is_pending:
                out.note(f"inquiry {inquiry.id}: your answer is kept")
            else:
                out.note(f"inquiry {inquiry.id} answered")

    def _why_unwanted(self) -> str | None:
        self._unwanted()
        over = self._give_up is not None and monotonic_seconds() > self._give_up
        return "waiting is over" if over else None


_HINT = "attune inquiry respond {} --wait"


def _open(inquiry: Inquiry, execution: Execution) -> str:
    return f"inquiry {inquiry.id} stays open, and execution {execution.id} waits for its answer"


@contextmanager
def _interrupts() -> Generator[None]:
    """At a prompt Ctrl-C leaves the prompt; elsewhere it may mean something else."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
