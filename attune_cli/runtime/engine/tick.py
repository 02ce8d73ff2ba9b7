"""The engine: facts in, one commit, effects out (architecture.md 6).

Stages read only the transaction and its instant. Nothing is done to the world before the commit that says
so. A crash at any point loses at most effects, and the boot tick makes those good.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from attune_cli.runtime.engine import limits
from attune_cli.runtime.engine.admission import admit
from attune_cli.runtime.engine.effects import Effect, Poke, Prepare, Start, Stop
from attune_cli.runtime.engine.endings import CANCELLED_BEFORE_START, asks, end
from attune_cli.runtime.engine.recovery import inspect, settle
from attune_cli.runtime.engine.replies import Reply
from attune_cli.runtime.engine.waiting import Waiting
from attune_cli.runtime.model.facts import Fact, Prepared, PrepareFailed, RunEnded
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.store import admissions, executions, hosts
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from attune_cli.runtime.clock import Clock, Instant
    from attune_cli.runtime.engine.jobs import JobReader
    from attune_cli.runtime.engine.orchestrator import Orchestrator
    from attune_cli.runtime.engine.reactor import Reactor
    from attune_cli.runtime.model.entities import Host
    from attune_cli.runtime.runners.api import Runner
    from attune_cli.runtime.store.database import Store, Transaction

Answer = TypeVar("Answer")


@immutable
class _Failed:
    """The answer of a request that raised."""

    error: Exception


class Engine:
    """One host's engine. `report` and `request` may be called from any thread; all else from the engine's own."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        host: Host,
        runners: Mapping[str, Runner],
        jobs: JobReader,
        slots: int,
        poke: Callable[[str], None],
        orchestrate: Callable[[], Orchestrator],
        reactor: Reactor | None = None,
        committed: Callable[[Sequence[Fact]], None] = lambda _facts: None,
        probe: Callable[[str], None] = lambda _point: None,
    ) -> None:
        self.host = host
        self._store = store
        self._clock = clock
        self._runners = runners
        self._jobs = jobs
        self._slots = slots
        self._poke = poke
        self._reactor = reactor
        self._committed = committed
        self._probe = probe
        self._facts: deque[Fact] = deque()
        self._requests: deque[tuple[Callable[[Transaction], Any], Reply[Any]]] = deque()
        self._takes_ownerless = host.kind == "daemon"
        self._waiting = Waiting(orchestrate, host=host.id, ownerless_too=self._takes_ownerless, jobs=jobs)
        self._is_draining = False
        self._refusal: BaseException | None = None
        self.next_due: Instant | None = None
        """When the next tick is needed though nothing happens: a retry, a start, a timer or an answer falls due."""
        self._first_stage: Callable[[Transaction], list[Effect]] | None = None

    # --- what others may call, from any thread ---

    def report(self, fact: Fact) -> None:
        """Take in a fact; it is believed in the next tick."""
        self._facts.append(fact)

    def request(self, work: Callable[[Transaction], Answer]) -> Reply[Answer]:
        """Do `work` in the next tick's transaction; the reply comes after the commit."""
        reply: Reply[Answer] = Reply()
        self._requests.append((work, reply))
        if self._refusal is not None:
            self.refuse(self._refusal)
        return reply

    def refuse(self, error: BaseException) -> None:
        """Answer every request with `error`, those still to come too: there is no engine thread any more."""
        self._refusal = error
        while self._requests:
            self._requests.popleft()[1].fail(error)

    @property
    def has_news(self) -> bool:
        return bool(self._facts or self._requests)

    # --- the engine's own thread ---

    def boot(self, dead_hosts: Sequence[str]) -> None:
        """The first tick: enter this host, and settle what `dead_hosts` left. The heir of a daemon is itself."""
        with self._store.read(self._clock.now()) as tx:
            inspected = inspect(tx, dead_hosts, self._jobs, self._runners, boot_id=self.host.boot_id)
        heir = self.host.id if self._takes_ownerless else None

        def enter(tx: Transaction) -> list[Effect]:
            hosts.insert(tx, self.host)
            effects = settle(tx, inspected, dead_hosts, heir=heir, ask=self._waiting.ask)
            self._waiting.end_ownerless(tx)
            return effects

        self._first_stage = enter
        self.tick()

    def drain(self) -> None:
        """Admit nothing more but what is nested in runs that go on."""
        self._slots = 0
        self._is_draining = True

    def leave(self) -> None:
        """Let go of what it owns and has not started. A host that leaves runs behind is kept: whoever adopts them
        finds them by its row.
        """
        with self._store.write(self._clock.now()) as tx:
            executions.release(tx, self.host.id)
            if not executions.owned_live(tx, [self.host.id]):
                hosts.delete(tx, self.host.id)

    def tick(self) -> None:
        """Believe the facts, carry out the intents, start what may start, commit once, then act."""
        facts = _take(self._facts, limits.FACTS_PER_TICK)
        requests = _take(self._requests, limits.REQUESTS_PER_TICK)
        try:
            with self._store.write(self._clock.now()) as tx:
                effects = [] if self._first_stage is None else self._first_stage(tx)
                answers = [self._answer(tx, work) for work, _ in requests]
                freed = self._facts_stage(tx, facts, effects)
                reaction_due = None if self._reactor is None else self._reactor.react(tx)
                self._waiting.advance(tx, begins=not self._is_draining)
                seen = admissions.glance(tx, self.host.id)
                if seen.cancels:
                    effects += self._intents_stage(tx)
                effects += self._admission_stage(tx, seen)
                if self._reactor is not None and self._reactor.has_news(tx):
                    reaction_due = tx.now
                waiting_due = self._waiting.next_due(tx)
                if freed and seen.other_waiting_host is not None:
                    effects.append(Poke(seen.other_waiting_host))
        except Exception as error:
            # Nothing was committed, so nothing was believed: the facts wait for the next tick.
            self._facts.extendleft(reversed(facts))
            for _, reply in requests:
                reply.fail(error)
            raise
        self._first_stage = None
        self._committed(facts)
        dues = (seen.next_due, reaction_due, waiting_due)
        self.next_due = min((due for due in dues if due is not None), default=None)
        self._perform(effects)
        for (_, reply), answer in zip(requests, answers, strict=True):
            if isinstance(answer, _Failed):
                reply.fail(answer.error)
            else:
                reply.give(answer)

    # --- stages ---

    def _answer(self, tx: Transaction, work: Callable[[Transaction], Any]) -> object:
        """Each request runs in a savepoint of its own: a failing one answers its caller alone."""
        try:
            with tx.savepoint():
                return work(tx)
        except Exception as error:
            if not tx.alive:
                raise
            return _Failed(error)

    def _facts_stage(self, tx: Transaction, facts: Sequence[Fact], effects: list[Effect]) -> bool:
        """Believe `facts`, adding to `effects`; tells whether a slot was freed."""
        freed = False
        known = executions.startables(tx, [fact.execution for fact in facts])
        for fact in facts:
            execution = known.get(fact.execution)
            if execution is None or execution.host != self.host.id:
                effects += self._unwanted(tx, fact)
                continue
            match fact:
                case Prepared() if (
                    execution.status is Status.SCHEDULED and execution.cancel_requested is None
                ):
                    effects += self._open_gate(tx, execution, fact.ref)
                    del known[fact.execution]  # what is believed is not asked again in this tick
                case PrepareFailed() if execution.status is Status.SCHEDULED:
                    freed |= self._end(tx, execution, fact)
                    del known[fact.execution]
                case RunEnded() if (
                    execution.status in {Status.RUNNING, Status.CANCELING}
                    and execution.runner_ref == fact.ref
                ):
                    freed |= self._end(tx, execution, fact)
                    del known[fact.execution]
                case _:  # a late or repeated fact: terminal is final
                    effects += self._unwanted(tx, fact)
        return freed

    def _unwanted(self, tx: Transaction, fact: Fact) -> list[Effect]:
        """Have what was prepared for nobody removed: its execution was cancelled meanwhile, or is gone."""
        if not isinstance(fact, Prepared):
            return []
        current = executions.startable(tx, fact.execution)
        if current is not None and current.runner_ref == fact.ref:
            return []  # the fact is repeated
        return [Stop(kind, fact.ref) for kind in self._runners]

    def _open_gate(self, tx: Transaction, execution: executions.Startable, ref: str) -> list[Effect]:
        job = self._jobs.read_or_end(tx, execution)
        if job is None or not executions.run(tx, execution, self.host.id, ref):
            return [Stop(kind, ref) for kind in self._runners]
        return [Start(job, ref)]

    def _end(self, tx: Transaction, execution: executions.Startable, fact: PrepareFailed | RunEnded) -> bool:
        if asks(execution, fact.outcome) and self._waiting.ask(tx, execution, fact.outcome):
            return True
        retry = self._jobs.definition(tx, execution).action.retry
        return end(tx, execution, fact.outcome, retry)

    def _intents_stage(self, tx: Transaction) -> list[Effect]:
        effects: list[Effect] = []
        for execution in executions.cancellable(
            tx, self.host.id, ownerless_too=self._takes_ownerless, limit=limits.INTENTS_PER_TICK
        ):
            if execution.waits and execution.status is Status.RUNNING:
                self._waiting.cancel(tx, execution)
            elif execution.status is Status.RUNNING and execution.runner_ref is not None:
                if executions.begin_cancel(tx, execution):
                    effects.append(Stop(self._jobs.definition(tx, execution).kind, execution.runner_ref))
            else:
                executions.finish(tx, execution, Status.CANCELLED, CANCELLED_BEFORE_START)
        return effects

    def _admission_stage(self, tx: Transaction, seen: admissions.Glance) -> list[Effect]:
        return admit(
            tx,
            seen,
            host=self.host.id,
            ownerless_too=self._takes_ownerless,
            slots=self._slots,
            jobs=self._jobs,
            runners=self._runners,
        )

    # --- effects ---

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self._probe("before effect")
            match effect:
                case Prepare(job):
                    self._runners[job.definition.kind].prepare(job)
                case Start(job, ref):
                    self._runners[job.definition.kind].start(job, ref)
                case Stop(kind, ref):
                    self._runners[kind].stop(ref)
                case Poke(host):
                    self._poke(host)
        if effects:
            self._probe("after effects")


def _take(queue: deque[Any], limit: int) -> list[Any]:
    return [queue.popleft() for _ in range(min(limit, len(queue)))]
