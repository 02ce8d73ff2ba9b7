"""The end of a run as a terminal or a script sees it: what stdout holds, what is said, the exit code."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import Detail, RunFailedError
from attune_cli.running.follow import Sink, exit_code_of
from attune_cli.runtime.model.entities import QUESTION_ID
from attune_cli.runtime.model.inquiries import default_schema, is_approval
from attune_cli.runtime.model.parameters import normalise
from attune_cli.runtime.services.executions import result_value
from attune_cli.runtime.services.logs import stream_file
from attune_cli.runtime.services.records import execution_record

if TYPE_CHECKING:
    from attune_cli.context import Context
    from attune_cli.running.options import RunOptions
    from attune_cli.runtime.model.entities import Execution

_SHOWN_CHARACTERS = 1000
_SHOWN_LINES = 15


def present(context: Context, execution: Execution, options: RunOptions, received: list[int]) -> int:
    """Print what stdout has to hold, say how it ended, and return the exit code."""
    record = execution_record(execution)
    if options.result:
        print_result(context, execution)
    elif not context.out.is_text:
        context.out.record(record)
    if context.out.format == "text":
        say_end(context, execution)
    if options.propagate_exit_code and execution.exit_code is not None and execution.exit_code >= 0:
        return execution.exit_code
    if execution.status == "cancelled" and received:
        return 128 + received[0]
    if was_rejected(execution):
        context.out.error(_rejection(execution))
        return RunFailedError.exit_code
    return exit_code_of(execution)


def was_rejected(execution: Execution) -> bool:
    """Tell whether a run that only asks was answered with a no; it is completed all the same."""
    result = execution.result or {}
    has_run = execution.exit_code is not None  # an action that ends with a question has a result of its own
    if has_run or execution.status != "completed" or QUESTION_ID not in result:
        return False
    declared = execution.parameters.get("response_schema")
    schema = default_schema() if declared is None else normalise(declared)
    return not is_approval(schema, result["response"])


def _rejection(execution: Execution) -> RunFailedError:
    """Say it as `attune inquiry wait` does."""
    result = execution.result or {}
    number = result.get(QUESTION_ID)
    return RunFailedError(
        f"inquiry {number} was rejected by {result.get('responded_by') or 'its default'}",
        code="rejected",
        hint=f"attune inquiry show {number}",
    )


def print_result(context: Context, execution: Execution) -> None:
    """Print the result value alone: stdout's own bytes where the action's output is text."""
    if execution.status != "completed":
        return
    stdout = stream_file(context.home, execution.id, "stdout")
    has_text = not execution.waits and {"data", QUESTION_ID}.isdisjoint(execution.result or {})
    if context.out.is_text and has_text:
        if stdout.exists():
            with stdout.open("rb") as file:
                sink = Sink(sys.stdout)
                shutil.copyfileobj(file, cast("Any", sink))
                sink.check()
        return
    context.out.value(result_value(execution_record(execution), stdout))


def say_end(context: Context, execution: Execution) -> None:
    if execution.status == "completed":
        if context.out.is_terminal:
            context.out.note(f"execution {execution.id} {how_it_ended(execution)}")
        return
    # What came after the first line of a long message is where an installer says what is wrong.
    error = execution.error
    more = [] if error is None or error.type == "exit" else error.message.splitlines()[1:]
    context.out.error(
        RunFailedError(
            f"execution {execution.id} of {execution.action_ref} {how_it_ended(execution)}",
            details=[Detail("", line) for line in more[-_SHOWN_LINES:]],
            hint=f"attune execution show {execution.id}{' --tree' if execution.waits else ''}",
        )
    )


def how_it_ended(execution: Execution) -> str:
    error = execution.error
    if execution.timed_out:
        if error is None:
            return "timed out"
        is_whole = error.message.startswith("Execution ")
        return error.message.removeprefix("Execution ") if is_whole else f"timed out: {error.message}"
    if error is None:
        return str(execution.status)
    if error.type == "exit":
        return f"failed with exit code {execution.exit_code}"
    if execution.status == "cancelled":
        return "was cancelled"
    line = error.message.partition("\n")[0]
    more = " …" if len(line) > _SHOWN_CHARACTERS else ""
    return f"{execution.status}: {line[:_SHOWN_CHARACTERS]}{more}"
