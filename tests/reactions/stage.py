"""A stage for stories about reactions: a daemon whose reactor judges, and everything it needs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.model.actions import ActionDefinition, RuntimeDefinition
from attune_cli.runtime.model.automations import RuleDefinition, TriggerDefinition
from attune_cli.runtime.reactions.platform_triggers import PLATFORM_TRIGGERS
from attune_cli.runtime.reactions.reactor import Reactions
from attune_cli.runtime.services.events import NewEvent, take_in
from attune_cli.runtime.store import definitions, enforcements, events, packs, timers, verdicts
from tests.engine.stage import GOOD, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.model.entities import Outcome
    from attune_cli.runtime.model.events import Enforcement, Event, Verdict
    from attune_cli.runtime.store.timers import TimerRow

_MOST_TICKS = 500
CORE_TRIGGERS = (
    "core.intervaltimer",
    "core.crontimer",
    "core.datetimetimer",
    "core.rruletimer",
    *PLATFORM_TRIGGERS,
)


class ReactionStage(Stage):
    """The daemon is `a`."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **{"slots": 100} | settings)
        self.clock.instant = 1_800_000_000 * SECOND
        self.ticks = 0
        with self.store.write(self.clock.now()) as tx:
            self.packs = {
                ref: packs.upsert(
                    tx, ref=ref, label=ref, version="1", description="", digest="1", link=None, source="",
                    manifest={"ref": ref, "label": ref, "version": "1"}, is_standard=False,
                )
                for ref in ("core", "demo")
            }  # fmt: skip
        for ref in CORE_TRIGGERS:
            self.trigger(ref)
        self.define("runtime", RuntimeDefinition(ref="core.shell", pack_ref="core"))
        self.trigger("demo.push")
        self.action("demo.job")
        self.start()

    def start(self, name: str = "a", *dead: str) -> None:
        """Start a daemon, which settles what the `dead` left."""
        self.reactor = Reactions(settings=self.settings, sealer=self.sealer)
        self.host(name, kind="daemon", dead=dead)

    def restart(self, *, after_seconds: float) -> None:
        """Kill the daemon, and start another a while later."""
        (name,) = self.engines
        self.dies(name)
        self.clock.instant += round(after_seconds * SECOND)
        self.start(f"{name}a", name)
        self.tick()

    # --- what there is

    def define(self, kind: Any, definition: Any) -> None:
        with self.store.write(self.clock.now()) as tx:
            definitions.upsert(
                tx, kind, pack=self.packs[definition.pack_ref], ref=definition.ref, label=definition.ref,
                description="", definition=definition.to_json(),
            )  # fmt: skip

    def trigger(self, ref: str, **fields: Any) -> None:
        self.define("trigger", TriggerDefinition(ref=ref, pack_ref=ref.partition(".")[0], **fields))

    def action(self, ref: str, **fields: Any) -> None:
        self.define("action", ActionDefinition(ref=ref, pack_ref="demo", runner_type="core.shell", **fields))

    def rule(self, name: str = "rule", trigger_ref: str = "demo.push", **fields: Any) -> str:
        ref = f"demo.{name}"
        action_ref = fields.pop("action_ref", "demo.job")
        self.define(
            "rule", RuleDefinition(ref=ref, pack_ref="demo", trigger_ref=trigger_ref, action_ref=action_ref, **fields)
        )  # fmt: skip
        return ref

    def enable(self, kind: Any, ref: str, *, enabled: bool) -> None:
        with self.store.write(self.clock.now()) as tx:
            definitions.set_enabled(tx, kind, ref, enabled=enabled)

    def delete_rule(self, ref: str) -> None:
        with self.store.write(self.clock.now()) as tx:
            tx.execute("DELETE FROM rule WHERE ref = ?", (ref,))

    # --- what happens

    def tick(self) -> None:
        """Let the daemon do all there is to do now."""
        for engine in self.engines.values():
            for _ in range(_MOST_TICKS):
                engine.tick()
                self.ticks += 1
                due = engine.next_due
                if not engine.has_news and (due is None or due > self.clock.now()):
                    break
            else:
                raise AssertionError("the daemon does not come to rest")

    def store_event(self, trigger_ref: str = "demo.push", **fields: Any) -> int:
        """Insert an event as anybody may, and let nobody take notice yet."""
        payload = fields.pop("payload", {"host": "a"})
        with self.store.write(self.clock.now()) as tx:
            return take_in(tx, NewEvent(trigger_ref=trigger_ref, payload=payload, **fields)).id

    def emit(self, trigger_ref: str = "demo.push", **fields: Any) -> int:
        event = self.store_event(trigger_ref, **fields)
        self.tick()
        return event

    def finish(self, execution: int, outcome: Outcome = GOOD) -> None:
        self.end(execution, outcome)

    # --- what came of it

    def event(self, event: int) -> Event:
        with self.store.read(self.clock.now()) as tx:
            found = events.get(tx, event)
        assert found is not None
        return found

    def events_of(self, trigger_ref: str) -> list[Event]:
        with self.store.read(self.clock.now()) as tx:
            return events.search(tx, events.EventFilter(trigger_ref=trigger_ref), limit=1000)[::-1]

    def verdicts(self, **wanted: Any) -> list[Verdict]:
        with self.store.read(self.clock.now()) as tx:
            return verdicts.search(tx, verdicts.VerdictFilter(**wanted), limit=1000)[::-1]

    def verdict(self, event: int) -> Verdict:
        (found,) = self.verdicts(event=event)
        return found

    def outcomes(self) -> list[str]:
        """Return what rules made of all events, in order."""
        return [verdict.outcome for verdict in self.verdicts()]

    def enforcements(self) -> list[Enforcement]:
        with self.store.read(self.clock.now()) as tx:
            return enforcements.search(tx, enforcements.EnforcementFilter(), limit=1000)[::-1]

    def timer(self, rule_ref: str) -> TimerRow | None:
        with self.store.read(self.clock.now()) as tx:
            row = definitions.get(tx, "rule", rule_ref)
            return None if row is None else timers.get(tx, row.id)

    def parameters(self) -> list[dict[str, Any]]:
        """Return what each run was started with, in order."""
        return [self.runs.jobs[one].parameters for one in self.runs.started]
