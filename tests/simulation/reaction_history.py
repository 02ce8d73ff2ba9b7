"""Playing a history of reactions: rules of every kind, timers, and events told by somebody who tells them again
until they are acknowledged.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attune_cli.config import Settings
from attune_cli.errors import ConflictError
from attune_cli.runtime.clock import SECOND, Instant
from attune_cli.runtime.model.actions import ActionDefinition, Retry, RuntimeDefinition
from attune_cli.runtime.model.automations import After, RuleDefinition, TriggerDefinition, Unless
from attune_cli.runtime.reactions.platform_triggers import EXECUTION_FINISHED
from attune_cli.runtime.reactions.reactor import Reactions
from attune_cli.runtime.services.events import NewEvent, take_in
from attune_cli.runtime.store import definitions, packs
from attune_cli.runtime.store.database import Store, Transaction, memory_store
from attune_cli.runtime.store.sealing import Sealer
from tests.simulation.invariants import limits, unfinished, violations
from tests.simulation.reaction_invariants import live_limits, reaction_violations, unsettled
from tests.simulation.world import Crash, Knobs, World, boot

if TYPE_CHECKING:
    from attune_cli.runtime.engine.replies import Reply
    from attune_cli.runtime.engine.tick import Engine

SLOTS = 3
_MOST_TICKS = 4_000

PUSH, UP = "sim.push", "sim.up"
HOST = ("event.payload.host",)
ONCE_SECONDS, UNLESS_SECONDS = 60, 30

RULES: dict[str, dict[str, Any]] = {
    "plain": {"trigger_ref": PUSH},
    "picky": {"trigger_ref": PUSH, "conditions": {"expression": "event.payload.host == 'a'"}},
    "once": {"trigger_ref": PUSH, "group_by": HOST, "once_within_seconds": ONCE_SECONDS},
    "after": {"trigger_ref": PUSH, "after": After(count=2, within_seconds=100)},
    "patient": {
        "trigger_ref": PUSH,
        "group_by": HOST,
        "unless": Unless(trigger_ref=UP, within_seconds=UNLESS_SECONDS),
    },
    "single": {"trigger_ref": PUSH, "mode": "single"},
    "queued": {"trigger_ref": UP, "mode": "queued"},
    "replace": {"trigger_ref": UP, "mode": "replace"},
    "told": {"trigger_ref": EXECUTION_FINISHED, "trigger_params": {"status": ["failed", "abandoned"]}},
    "clock": {
        "trigger_ref": "core.rruletimer",
        "trigger_params": {"rule": "FREQ=SECONDLY;INTERVAL=20;COUNT=4", "dtstart": "1970-01-01T00:17:00"},
        "timer": {"misfire": "all"},
    },
}
"""By name; the timer fires four times, the first of them 20 s after the world begins."""

Intrusion = Callable[[str], None]


def install(tx: Transaction) -> None:
    """Put everything into the file that the history needs."""
    pack = packs.upsert(
        tx, ref="sim", label="sim", version="1", description="", digest="1", link=None, source="",
        manifest={"ref": "sim", "label": "sim", "version": "1"}, is_standard=False,
    )  # fmt: skip
    action = ActionDefinition(
        ref="sim.job", pack_ref="sim", runner_type="core.shell", retry=Retry(count=1, delay_seconds=5)
    )
    found: list[tuple[Any, Any]] = [
        ("runtime", RuntimeDefinition(ref="core.shell", pack_ref="core")),
        ("action", action),
        *(
            ("trigger", TriggerDefinition(ref=ref, pack_ref="sim"))
            for ref in (PUSH, UP, EXECUTION_FINISHED, "core.rruletimer")
        ),
        *(("rule", rule_of(name)) for name in RULES),
    ]
    for kind, definition in found:
        put(tx, kind, pack, definition)


def rule_of(name: str, **changes: Any) -> RuleDefinition:
    return RuleDefinition(
        ref=f"sim.{name}", pack_ref="sim", action_ref="sim.job", **{**RULES[name], **changes}
    )


def put(tx: Transaction, kind: Any, pack: int, definition: Any) -> None:
    definitions.upsert(
        tx, kind, pack=pack, ref=definition.ref, label="", description="", definition=definition.to_json()
    )


@dataclass(frozen=True)
class Emission:
    """Something that somebody outside tells, with a key, until it is acknowledged."""

    key: str
    at: Instant
    trigger_ref: str
    host: str


@dataclass
class ReactionHistory:
    """One run of the scenario; `crash_at` names the points (counted from 1 over the whole history) to die at."""

    seed: int
    knobs: Knobs = field(default_factory=Knobs)
    crash_at: frozenset[int] = frozenset()
    events: int = 8
    intrude: Intrusion | None = None
    store: Store | None = None

    current: ClassVar[ReactionHistory]
    """For bugs that are planted: they commit where nobody should."""

    def __post_init__(self) -> None:
        ReactionHistory.current = self
        self.points = 0
        self.crashes = 0
        self.touched: set[str] = set()
        """Rules that a stranger has changed: what they would have done is not told by the scenario."""
        self.world = World(self.seed, self.knobs, SLOTS)
        self.begin = self.world.now
        self.database = memory_store() if self.store is None else self.store
        with self.database.write(self.world.now) as tx:
            install(tx)
        self._is_down = False
        self.database._probe = self.reached
        chance = self.world.chance
        self.emissions = [
            Emission(
                key=f"e{number}",
                at=self.begin + round(chance.uniform(0, 120) * SECOND),
                trigger_ref=PUSH if chance.random() < 0.6 else UP,
                host=chance.choice("ab"),
            )
            for number in range(self.events)
        ]
        self.acknowledged: set[str] = set()
        self._told: list[tuple[str, Reply[int | None]]] = []
        self._boots = 0
        self._version = self.database.data_version()

    def reached(self, point: str) -> None:
        if self._is_down:
            return
        self.points += 1
        if point == "after commit":
            self.world.problems += limits(self.database, SLOTS)
            self.world.problems += live_limits(self.database)
        if self.intrude is not None:
            self.intrude(point)
        if self.points in self.crash_at:
            self.crashes += 1
            raise Crash(point)

    def play(self) -> list[str]:
        """Play to the end and return what is wrong with it."""
        dead: list[str] = []
        ticks = 0
        while ticks < _MOST_TICKS:
            try:
                engine = self._boot(dead)
                while ticks < _MOST_TICKS:
                    ticks += 1
                    self._tell(engine)
                    engine.tick()
                    self._hear()
                    if not engine.has_news and not self._go_on(engine):
                        return self._verdict()
            except Crash:
                dead = [host for (host,) in self.database.connection.execute("SELECT id FROM host")]
                self._told.clear()
                self.world.engine_dies(with_its_runs=False)
                self._be_down()
        return [*self._verdict(), f"not quiet after {_MOST_TICKS} ticks"]

    def _boot(self, dead: list[str]) -> Engine:
        self._boots += 1
        return boot(
            self.world,
            self.database,
            kind="daemon",
            number=self._boots,
            dead=dead,
            slots=SLOTS,
            probe=self.reached,
            reactor=Reactions(settings=Settings(slots=SLOTS), sealer=Sealer(Path("/nonexistent/secret.key"))),
        )

    def _be_down(self) -> None:
        """No daemon runs for a while; what is told meanwhile is stored by whoever tells it."""
        until = self.world.now + random.Random(f"{self.seed}/{self.points}").choice([0, 5, 45]) * SECOND
        self._is_down = True
        for emission in sorted(self.emissions, key=lambda one: one.at):
            if emission.at <= until and emission.key not in self.acknowledged:
                with self.database.write(max(emission.at, self.world.now)) as tx:
                    _take_in(tx, emission)
                self.acknowledged.add(emission.key)
        self._is_down = False
        self.world.now = until

    def _tell(self, engine: Engine) -> None:
        """Let the teller tell what has happened, and note what is acknowledged: that must never be lost."""
        for emission in self.emissions:
            if emission.at <= self.world.now and emission.key not in self.acknowledged:
                reply = engine.request(lambda tx, emission=emission: _take_in(tx, emission))
                self._told.append((emission.key, reply))

    def _hear(self) -> None:
        self.acknowledged |= {key for key, reply in self._told if reply._answers}
        self._told.clear()

    def _go_on(self, engine: Engine) -> bool:
        version = self.database.data_version()
        if version != self._version:  # another connection has committed: what the host's poll would see
            self._version = version
            return True
        if engine.next_due is not None and engine.next_due <= self.world.now:
            return True
        later = [emission.at for emission in self.emissions if emission.key not in self.acknowledged]
        if not later and not unfinished(self.database) and not unsettled(self.database):
            return False
        return self.world.advance(min([*later, engine.next_due or max(later, default=0)]))

    def _verdict(self) -> list[str]:
        left = [f"never ended: {row}" for row in unfinished(self.database)]
        left += [f"never settled: {row}" for row in unsettled(self.database)]
        return violations(self.database, self.world) + reaction_violations(self) + left


def _take_in(tx: Transaction, emission: Emission) -> int | None:
    payload = {"host": emission.host}
    new = NewEvent(trigger_ref=emission.trigger_ref, payload=payload, dedup_key=emission.key)
    try:
        return take_in(tx, new).id
    except ConflictError:  # a stranger has disabled the trigger
        return None
