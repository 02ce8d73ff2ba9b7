"""Many requests at once: they are written down together, and each is answered for itself."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from attune_cli.runtime.clock import SECOND
from attune_cli.runtime.server.desk import Desk
from attune_cli.runtime.server.feed import Feed
from attune_cli.runtime.server.known_webhooks import KnownWebhooks
from attune_cli.runtime.server.routes import application
from attune_cli.runtime.services import webhooks
from tests.e2e.story import until
from tests.server.conftest import TRIGGER

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import pytest

    from tests.server.conftest import Enable
    from tests.server.platform import StagePlatform

SECRET = "It's a Secret to Everybody"
CALLS = 20


@contextmanager
def busy(platform: StagePlatform) -> Generator[None]:
    """Hold the engine up, so that what is asked meanwhile is asked together."""
    is_held, go_on = threading.Event(), threading.Event()

    def hold(_tx: object) -> None:
        is_held.set()
        go_on.wait(30)

    reply = platform.request(hold)
    assert is_held.wait(30)
    try:
        yield
    finally:
        go_on.set()
        reply.result(30)


def post_at_once(
    platform: StagePlatform, path: str, bodies: Sequence[dict[str, object]]
) -> list[httpx.Response]:
    """Post all of them in one turn of the server's loop, so that they reach the engine in one piece."""

    async def post() -> list[httpx.Response]:
        desk = Desk(platform, administrator="", feed=Feed(platform))
        transport = httpx.ASGITransport(application(desk), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://garden") as client:
            answers = [
                client.post(path, json=body, headers={"X-Delivery": str(body.get("delivery", ""))})
                for body in bodies
            ]
            try:
                return await asyncio.gather(*answers)
            finally:
                desk.close()
                desk.feed.close()

    answers = asyncio.run(post())
    assert len(platform.rows("SELECT DISTINCT created FROM webhook_call")) == 1, "they came one by one"
    return answers


def test_each_of_many_calls_is_an_event_and_a_line_in_the_audit(
    platform: StagePlatform, enable: Enable
) -> None:
    answers = post_at_once(platform, enable(), [{"n": n} for n in range(CALLS)])
    assert [answer.status_code for answer in answers] == [200] * CALLS
    events = dict(platform.rows("SELECT id, json_extract(payload, '$.n') FROM event"))
    assert [events[answer.json()["data"]["event_id"]] for answer in answers] == list(range(CALLS))
    logged = platform.rows("SELECT event, status_code FROM webhook_call ORDER BY event")
    assert logged == [(event, 200) for event in sorted(events)]
    told = platform.rows("SELECT entity_id FROM notification WHERE entity_type = 'event' ORDER BY entity_id")
    assert told == [(event,) for event in sorted(events)]


def test_one_delivery_that_comes_many_times_at_once_is_one_event(
    platform: StagePlatform, enable: Enable
) -> None:
    path = enable(delivery_header="X-Delivery")
    answers = post_at_once(platform, path, [{"n": n, "delivery": "the same"} for n in range(CALLS)])
    assert {answer.json()["data"]["event_id"] for answer in answers} == {1}
    assert platform.rows("SELECT count(*) FROM event") == [(1,)]
    assert platform.rows("SELECT count(*), count(event) FROM webhook_call") == [(CALLS, CALLS)]


def test_a_rate_counts_calls_that_come_at_once(platform: StagePlatform, enable: Enable) -> None:
    path = enable(rate_count=7, rate_seconds=1000)
    answers = post_at_once(platform, path, [{"n": n} for n in range(CALLS)])
    codes = Counter(answer.status_code for answer in answers)
    assert codes == {200: 7, 429: CALLS - 7}
    assert platform.rows("SELECT count(*) FROM event") == [(7,)]
    assert platform.rows("SELECT count(*) FROM webhook_call") == [(CALLS,)]


def test_a_call_that_fails_fails_alone(platform: StagePlatform, enable: Enable) -> None:
    path = enable()
    platform.do(
        lambda tx: tx.execute(
            """CREATE TRIGGER fault BEFORE INSERT ON event WHEN NEW.payload LIKE '%666%'
               BEGIN SELECT RAISE(ABORT, 'planted'); END"""
        )
    )
    bodies: list[dict[str, object]] = [{"n": n} for n in range(CALLS)]
    bodies[CALLS // 2] = {"n": 666}
    codes = [answer.status_code for answer in post_at_once(platform, path, bodies)]
    assert codes.pop(CALLS // 2) == 500
    assert codes == [200] * (CALLS - 1)
    assert platform.rows("SELECT count(*) FROM event") == [(CALLS - 1,)]
    assert platform.rows("SELECT count(*) FROM webhook_call") == [(CALLS - 1,)]


def test_those_who_were_answered_together_are_waited_for_but_not_long(
    platform: StagePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathering = "attune_cli.runtime.server.desk._GATHERING_SECONDS"

    async def story() -> None:
        desk = Desk(platform, administrator="", feed=Feed(platform))

        async def ask(count: int, *, turns: int = 0) -> int:
            """Ask so often, so many turns of the loop apart; returns how many pieces the engine got."""
            before = platform.requests
            asked: list[asyncio.Task[None]] = []
            for _ in range(count):
                asked.append(asyncio.create_task(desk.ask(lambda _tx: None)))
                for _ in range(turns):
                    await asyncio.sleep(0)
            await asyncio.gather(*asked)
            return platform.requests - before

        monkeypatch.setattr(gathering, 60)
        assert await ask(1) == 1
        assert await ask(CALLS) == 1, "what is asked in one turn is one piece"
        assert await ask(CALLS, turns=3) == 1, "all are awaited, and no longer"
        monkeypatch.setattr(gathering, 0.001)
        assert await ask(1) == 1, "nobody else comes"
        monkeypatch.setattr(gathering, 60)
        assert await ask(1) == 1, "one who comes alone waits for nobody"
        desk.close()
        desk.feed.close()

    asyncio.run(asyncio.wait_for(story(), 60))


def test_an_address_takes_nothing_but_posts_and_has_nothing_below_it(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable()
    for method in ("GET", "PUT", "DELETE"):
        assert client.request(method, path).status_code == 405
    for other in (f"{path}/below", f"{path}%2Fbelow", webhooks.PATH, webhooks.PATH.rstrip("/")):
        assert client.post(other, json={}).status_code == 404
    assert platform.rows("SELECT count(*) FROM webhook_call") == [(0,)]


def test_a_database_that_cannot_be_read_is_told_in_words(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable()
    platform.do(lambda tx: tx.execute("ALTER TABLE webhook RENAME TO elsewhere"))
    answer = client.post(path, json={})
    assert (answer.status_code, answer.json()["code"]) == (503, "database_error")


def test_who_waits_for_a_silent_engine_is_told_to_try_again(
    platform: StagePlatform, client: httpx.Client, enable: Enable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attune_cli.runtime.server.desk._ENGINE_SECONDS", 0.2)
    path = enable()
    with busy(platform), ThreadPoolExecutor(3) as pool:
        for answer in list(pool.map(lambda n: client.post(path, json={"n": n}), range(3))):
            assert (answer.status_code, answer.json()["code"]) == (503, "engine_busy")
        assert client.post(path, json={}).status_code == 503  # and who comes later, too
    assert client.post(path, json={}).status_code == 200


def test_calls_wait_for_the_next_engine_while_one_is_replaced(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable()
    with ThreadPoolExecutor(3) as pool:
        with platform.replacing():
            answers = [pool.submit(client.post, path, json={"n": n}) for n in range(3)]
            before = platform.requests
            until(lambda: platform.requests > before + 1, "an engine that is asked for again")
            assert not any(answer.done() for answer in answers)
        assert [answer.result(30).status_code for answer in answers] == [200] * 3
    assert platform.rows("SELECT count(*) FROM event") == [(3,)]


def test_calls_are_told_to_try_again_when_no_engine_takes_the_place_of_another(
    platform: StagePlatform, client: httpx.Client, enable: Enable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attune_cli.runtime.server.desk._ENGINE_SECONDS", 0.2)
    path = enable()
    with platform.replacing():
        assert client.post(path, json={}).status_code == 503
        assert client.post(path, json={}).status_code == 503
    assert client.post(path, json={}).status_code == 200


def test_what_another_process_changes_of_a_webhook_counts_at_once(
    platform: StagePlatform, client: httpx.Client, enable: Enable
) -> None:
    path = enable()
    assert client.post(path, json={}).status_code == 200
    other = platform.connect()
    with other.write(platform.clock.now()) as tx:
        webhooks.enable(tx, TRIGGER, sealer=platform.sealer, changes={"allow": ("10.0.0.0/8",)})
    assert client.post(path, json={}).status_code == 403
    with other.write(platform.clock.now()) as tx:
        webhooks.enable(tx, TRIGGER, sealer=platform.sealer, changes={"allow": ()}, secret=SECRET)
    assert client.post(path, json={}).status_code == 401
    with other.write(platform.clock.now()) as tx:
        webhooks.disable(tx, TRIGGER)
    assert client.post(path, json={}).status_code == 404
    other.close()
    assert platform.rows("SELECT count(*) FROM event") == [(1,)]


def test_a_webhook_that_is_known_is_read_again_when_a_secret_or_address_ends(
    platform: StagePlatform, enable: Enable
) -> None:
    old = enable(SECRET).rpartition("/")[2]
    platform.do(
        lambda tx: webhooks.rotate(tx, TRIGGER, sealer=platform.sealer, secret="another", grace_seconds=5)
    )
    platform.do(lambda tx: webhooks.rotate(tx, TRIGGER, sealer=platform.sealer, grace_seconds=10))

    async def look() -> None:
        store = platform.connect()
        known, now = KnownWebhooks(store, platform.sealer), platform.clock.now()
        seen = [known.get(old, now + seconds * SECOND) for seconds in (0, 4, 6, 9, 11)]
        store.close()
        assert [found and list(found.secrets) for found in seen] == [
            ["another", SECRET], ["another", SECRET], ["another"], ["another"], None,
        ]  # fmt: skip
        assert seen[0] is seen[1]

    asyncio.run(look())
