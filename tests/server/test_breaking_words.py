"""What asks for more than the file can hold is bad input, and no bug: half characters, endless numbers, deep nests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.errors import UsageError
from attune_cli.runtime.services import sensors
from tests.server.conftest import TRIGGER

if TYPE_CHECKING:
    import httpx

    from tests.server.platform import StagePlatform


@pytest.mark.parametrize(
    ("member", "status"),
    [
        (r'"dedup_key": "\ud800"', 400),
        (r'"trigger_instance_id": "\ud800"', 400),
        ('"trigger_instance_id": "rule_' + "9" * 30 + '"', 404),
        ('"trigger_instance_id": "rule_' + "9" * 5000 + '"', 404),
        (r'"config": {"a": "\ud800"}', 422),
        ('"config": {"a": 1e999}', 422),
        ('"config": {"a": ' + "[" * 100 + "]" * 100 + "}", 422),
        (r'"payload": {"a": "\ud800"}', 422),
        ('"payload": {"a": 1e999}', 422),
        ('"payload": {"a": ' + "[" * 100 + "]" * 100 + "}", 422),
    ],
)
def test_an_event_that_cannot_be_written_down_is_refused_and_starts_nothing(
    platform: StagePlatform, admin: httpx.Client, member: str, status: int
) -> None:
    body = f'{{"trigger_ref": "{TRIGGER}", {member}}}'.encode()
    answer = admin.post("/api/v1/events", content=body)
    assert (answer.status_code, answer.json()["code"] != "internal") == (status, True)
    assert platform.rows("SELECT count(*) FROM event") == [(0,)]


def test_a_page_far_behind_the_last_is_empty(admin: httpx.Client) -> None:
    answer = admin.get("/api/v1/events", params={"page": 10**17, "page_size": 1000})
    assert (answer.status_code, answer.json()["items"]) == (200, [])


@pytest.mark.parametrize(("name", "value"), [("\ud800", 1), ("seen", "\ud800"), ("seen", float("inf"))])
def test_a_state_that_cannot_be_written_down_is_refused(
    platform: StagePlatform, name: str, value: object
) -> None:
    with pytest.raises(UsageError, match="a state cannot be kept that"):
        platform.do(lambda tx: sensors.keep_state(tx, "garden.probe", name, value))
