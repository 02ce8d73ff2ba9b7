"""What a dead host left behind. Its runs enter again by the ordinary door; nothing here is a second way to start.

Two steps, so that nothing slow is done inside a transaction: `inspect` asks the runners what became of each
run, `settle` writes it down, and only where the row is still as it was inspected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.engine.effects import Effect, Stop
from attune_cli.runtime.engine.endings import CANCELLED_BEFORE_START, asks, end, lost_outcome
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.runners.api import Ended, Lost, Seen, Standing
from attune_cli.runtime.store import executions, hosts
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from attune_cli.runtime.engine.jobs import JobReader
    from attune_cli.runtime.model.entities import Outcome
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.runners.api import Runner
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.executions import Startable


@immutable
class Inspected:
    """One execution of a dead host, and what became of its run."""

    execution: Startable
    definition: JobDefinition
    found: Standing | Ended | Lost


def inspect(
    tx: Transaction,
    dead_hosts: Sequence[str],
    jobs: JobReader,
    runners: Mapping[str, Runner],
    *,
    boot_id: str,
) -> list[Inspected]:
    """Ask the runners about every live execution of `dead_hosts`. Reads only; `boot_id` names this boot."""
    here = {host.id for host in hosts.all_hosts(tx) if host.boot_id == boot_id}
    found: list[Inspected] = []
    for execution in executions.owned_live(tx, dead_hosts):
        definition = jobs.definition(tx, execution)
        standing = _standing(execution, definition, runners)
        # What told of its begin may have been lost with the machine, unlike the row, which was synced.
        if standing is Standing.NEVER_RAN and execution.runner_ref and execution.host not in here:
            standing = Lost()
        found.append(Inspected(execution, definition, standing))
    return found


def _standing(
    execution: Startable, definition: JobDefinition, runners: Mapping[str, Runner]
) -> Standing | Ended | Lost:
    if execution.waits:
        return Standing.RUNNING
    if execution.status not in {Status.RUNNING, Status.CANCELING} or execution.runner_ref is None:
        return Standing.NEVER_RAN
    runner = runners.get(definition.kind)
    # A host that cannot ask must not judge: the run stays as it is until one that can comes by.
    if runner is None:
        return Standing.RUNNING
    return runner.attach(
        Seen(
            execution=execution.id,
            ref=execution.runner_ref,
            definition=definition,
            timeout_seconds=execution.timeout_seconds,
        )
    )


def settle(
    tx: Transaction,
    inspected: Sequence[Inspected],
    dead_hosts: Sequence[str],
    *,
    heir: str | None,
    ask: Callable[[Transaction, Startable, Outcome], bool],
) -> list[Effect]:
    """Write down what became of each run. `heir` takes what is not over; without one it becomes ownerless.

    A run that ended with a question is handed to `ask` (`Orchestrator.ask`).

    Runs that still go on need an heir to watch them; without one they stay with their dead host, so that
    the next daemon finds them.
    """
    effects: list[Effect] = []
    for item in inspected:
        current = executions.startable(tx, item.execution.id)
        if current is None or _moved_on(current, item.execution):
            continue
        effects += _settle_one(tx, item, current, heir, ask)
    for host in dead_hosts:
        if not executions.owned_live(tx, [host]):
            hosts.delete(tx, host)
    return effects


def _moved_on(current: Startable, seen: Startable) -> bool:
    return (current.status, current.host, current.runner_ref) != (seen.status, seen.host, seen.runner_ref)


def _settle_one(
    tx: Transaction,
    item: Inspected,
    current: Startable,
    heir: str | None,
    ask: Callable[[Transaction, Startable, Outcome], bool],
) -> list[Effect]:
    if item.found is Standing.RUNNING and not current.waits:
        if heir is None or not executions.set_host(tx, current, heir):
            return []
        if current.status is Status.CANCELING and current.runner_ref is not None:
            return [Stop(item.definition.kind, current.runner_ref)]
        return []
    if current.status is Status.REQUESTED or current.waits:  # nothing of it ran, so nothing is lost
        executions.set_host(tx, current, heir)
        return _carry_out_wish(tx, current, heir)
    if item.found is Standing.NEVER_RAN and current.status is not Status.CANCELING:
        executions.return_to_requested(tx, current, heir)
        return _carry_out_wish(tx, current, heir)
    outcome = item.found.outcome if isinstance(item.found, Ended) else lost_outcome(item.found)
    lost = not isinstance(item.found, Ended)
    # Ends are written as the owner, so that a further attempt belongs to the heir, or to nobody.
    executions.set_host(tx, current, heir)
    owned = executions.startable(tx, current.id)
    if owned is not None and not (asks(owned, outcome) and ask(tx, owned, outcome)):
        end(tx, owned, outcome, item.definition.action.retry, lost=lost)
    return []


def _carry_out_wish(tx: Transaction, left: Startable, heir: str | None) -> list[Effect]:
    """Cancel what becomes nobody's and was asked to be cancelled: nobody else would."""
    if heir is None and left.cancel_requested is not None and left.status is not Status.RUNNING:
        ownerless = executions.startable(tx, left.id)
        if ownerless is not None:
            executions.finish(tx, ownerless, Status.CANCELLED, CANCELLED_BEFORE_START)
    return []
