"""The one error tree, and the exit code of each branch (docs/reference/errors.md).

AttuneError                  70  internal, unless a branch below says otherwise
├── RunFailedError            1  a run, a check or a test failed
├── UsageError                2  bad arguments, parameters or files; nothing was started
├── NotFoundError             3  a ref, an id, a file or a field does not exist
├── DeniedError               4  refused by a right or a policy
├── ConflictError             5  exists already, or is in the wrong state
├── UnavailableError          6  engine, database or home cannot be used now; retrying may help
├── NeedsAnswerError          7  a run stopped at an inquiry
├── PendingError              8  still going on when waiting was over
├── TimedOutError           124  the run reached its own time limit
├── HungUpError             129  SIGHUP: the terminal was closed
├── CancelledError          130  Ctrl-C, or the run was cancelled
└── TerminatedError         143  SIGTERM
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EXIT_OK = 0
EXIT_INTERNAL = 70
EXIT_CLOSED_PIPE = 141


@immutable
class Detail:
    """One fault of an input: where (`path`: a parameter, a field, or file:line:column), what, and the value seen."""

    path: str
    message: str
    value: object = None
    source: str | None = None


class AttuneError(Exception):
    """What went wrong in the user's words, with all faults of one input, and a command that helps."""

    exit_code: ClassVar[int] = EXIT_INTERNAL
    default_code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        details: Sequence[Detail] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.details = tuple(details)

    @property
    def in_words(self) -> str:
        """The error with every fault of it, in one line; a message that only repeats the first fault is left out."""
        faults = [f"{fault.path}: {fault.message}" for fault in self.details]
        whole = "; ".join(faults)
        if not faults:
            return self.message
        return whole if self.message == faults[0] else f"{self.message}: {whole}"


class RunFailedError(AttuneError):
    exit_code = 1
    default_code = "failed"


class UsageError(AttuneError):
    exit_code = 2
    default_code = "usage"


class NotFoundError(AttuneError):
    exit_code = 3
    default_code = "not_found"


class DeniedError(AttuneError):
    exit_code = 4
    default_code = "denied"


class ConflictError(AttuneError):
    exit_code = 5
    default_code = "conflict"


class UnavailableError(AttuneError):
    exit_code = 6
    default_code = "unavailable"
    retryable = True


class NeedsAnswerError(AttuneError):
    exit_code = 7
    default_code = "needs_answer"


class PendingError(AttuneError):
    exit_code = 8
    default_code = "pending"
    retryable = True


class TimedOutError(AttuneError):
    exit_code = 124
    default_code = "timeout"


class HungUpError(AttuneError):
    exit_code = 129
    default_code = "hangup"


class CancelledError(AttuneError):
    exit_code = 130
    default_code = "cancelled"


class TerminatedError(AttuneError):
    exit_code = 143
    default_code = "terminated"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return `did you mean X?` for the nearest of `known`, or None when nothing is near."""
    near = nearest(word, known)
    return f"did you mean {near}?" if near else None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the nearest of `known`, or None when nothing is near."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return near[0]
    return next((name for name in names if name.lower() == word.lower()), None)
