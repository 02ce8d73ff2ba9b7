"""The part that keeps sensors, with a real file and real processes, and without an engine beside it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from attune_cli.config import Home, Settings
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.engine.replies import Reply
from attune_cli.runtime.host import connect_again, open_store
from attune_cli.runtime.sensors import Schedule, Sensors
from attune_cli.runtime.sensors.intake import EngineIntake
from attune_cli.runtime.sensors.lines import EventLine
from attune_cli.runtime.services.sensors import wanted
from attune_cli.runtime.store import events, sensors
from attune_cli.runtime.store.events import EventFilter
from attune_cli.runtime.store.sealing import Sealer
from tests.e2e.story import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from attune_cli.runtime.store.database import Store, Transaction
    from tests.cli.conftest import Run

Answer = TypeVar("Answer")
QUICK = Schedule(first_seconds=0.01, longest_seconds=0.05, alert_at=3)


class World:
    """A platform whose requests are committed at once, on the thread that makes them."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.settings = Settings()
        self.clock = SystemClock()
        self.sealer = Sealer(home.secret_key)
        self.url: str | None = None
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    def request(self, work: Callable[[Transaction], Answer]) -> Reply[Answer]:
        reply: Reply[Answer] = Reply()
        store = self.connect()
        try:
            with self._lock, store.write(self.clock.now()) as tx:
                answer = work(tx)
        except Exception as error:  # noqa: BLE001 - handed to who asked
            reply.fail(error)
        else:
            reply.give(answer)
        finally:
            store.close()
        for listener in self._listeners:
            listener()
        return reply

    def connect(self) -> Store:
        return connect_again(self.home, self.settings)

    def subscribe(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def announce(self, url: str) -> None:
        self.url = url

    def read(self, question: Callable[[Transaction], Answer]) -> Answer:
        store = self.connect()
        try:
            with store.read(self.clock.now()) as tx:
                return question(tx)
        finally:
            store.close()


@pytest.fixture
def world(home: Home, run: Run, tmp_path: Path) -> World:
    """A home with the sensors `pair.good` and `pair.bad`, and a rule on the trigger of each."""
    pack = tmp_path / "pair"
    for name in ("sensors", "triggers"):
        (pack / name).mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: pair\nversion: 1.0.0\nlabel: Pair\n")
    programs = {
        "good": """printf '{"trigger": "good", "payload": {"url": "%s"}}\\n' "$ATTUNE_API_URL $ATTUNE_API_TOKEN"\n"""
        "exec sleep 600\n",
        "bad": "echo broken >&2\nexit 4\n",
    }
    for name, program in programs.items():
        (pack / "triggers" / f"{name}.yaml").write_text(f"ref: pair.{name}\nlabel: T\n")
        (pack / "sensors" / f"{name}.yaml").write_text(
            f"ref: pair.{name}\nlabel: S\nrunner_type: shell\nentry_point: {name}.sh\ntrigger_types: [pair.{name}]\n"
        )
        (pack / "sensors" / f"{name}.sh").write_text(program)
    assert run("pack", "install", str(pack)).exit_code == 0
    for name in programs:
        made = run("rule", "create", f"local.{name}", "--trigger", f"pair.{name}", "--action", "core.noop")
        assert made.exit_code == 0, made.stderr
    open_store(home, Settings()).close()
    return World(home)


@pytest.fixture
def part(world: World) -> Iterator[Sensors]:
    world.announce("http://127.0.0.1:1")
    part = Sensors(
        world,
        environment=os.environ,
        issue_token=lambda ref, triggers: f"token of {ref} for {','.join(triggers)}",
        schedule=QUICK,
    )
    part.start()
    yield part
    part.stop()


def told(world: World, trigger_ref: str) -> list[Any]:
    found = world.read(lambda tx: events.search(tx, EventFilter(trigger_ref=trigger_ref), limit=100))
    return [event.payload for event in found]


def process(world: World, ref: str) -> sensors.Process:
    return world.read(lambda tx: sensors.process(tx, ref))


@pytest.mark.usefixtures("part")
def test_after_three_failures_in_a_row_one_alert_is_raised_and_the_other_sensor_is_left_in_peace(
    world: World,
) -> None:
    until(lambda: process(world, "pair.good").events == 1, "the other's event")
    until(lambda: process(world, "pair.bad").restarts >= 6, "many failures")
    [alert] = told(world, "core.alert")
    assert (alert["component_ref"], alert["details"]["failures"]) == ("pair.bad", 3)
    assert (alert["details"]["stderr"], alert["severity"]) == ("broken", "error")
    good = process(world, "pair.good")
    assert (good.status, good.restarts, good.events) == ("running", 0, 1)


@pytest.mark.usefixtures("part")
def test_a_sensor_is_told_where_the_server_is_and_given_a_token_of_its_own(world: World) -> None:
    until(lambda: told(world, "pair.good") != [], "its event")
    assert told(world, "pair.good") == [{"url": "http://127.0.0.1:1 token of pair.good for pair.good"}]


def test_stopping_the_part_leaves_no_process_and_says_so(world: World, part: Sensors) -> None:
    until(lambda: process(world, "pair.good").status == "running", "the sensor")
    pid = process(world, "pair.good").pid
    assert pid is not None
    part.stop()
    assert process(world, "pair.good").status == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_a_sensor_tells_waits_while_too_many_events_wait_to_be_judged(world: World) -> None:
    import asyncio

    assignment = world.read(lambda tx: wanted(tx, home=world.home, sealer=world.sealer))["pair.good"]
    intake = EngineIntake(world, assignment, most_pending=2)

    async def flood() -> None:
        await intake.take([EventLine(1, "pair.good", {}), EventLine(2, "pair.good", {})])
        third = asyncio.create_task(intake.take([EventLine(3, "pair.good", {})]))
        await asyncio.wait([third], timeout=0.3)
        assert not third.done()
        assert len(told(world, "pair.good")) == 2
        world.request(lambda tx: [events.mark_judged(tx, one.id) for one in events.pending(tx, limit=9)])
        assert list(await asyncio.wait_for(third, 10)) == []

    asyncio.run(flood())
    assert len(told(world, "pair.good")) == 3
