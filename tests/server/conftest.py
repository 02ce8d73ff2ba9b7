from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from attune_cli.config import Home
from attune_cli.runtime.model.automations import TriggerDefinition
from attune_cli.runtime.server import Server
from attune_cli.runtime.services import webhooks
from attune_cli.runtime.services.triggers import keep
from tests.server.platform import StagePlatform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any, Protocol

    class Enable(Protocol):
        def __call__(self, secret: str | None = None, **changes: Any) -> str: ...


TRIGGER = "local.push"


@pytest.fixture
def platform(memory_path: Path) -> Iterator[StagePlatform]:
    """A home with the trigger `local.push`, whose payload holds a number `n` where it is an object."""
    stage = StagePlatform(Home(memory_path / "home"))
    trigger = TriggerDefinition(
        ref=TRIGGER, pack_ref="local", label="Push", output={"n": {"type": "integer"}}
    )
    stage.do(lambda tx: keep(tx, trigger))
    yield stage
    stage.close()


@pytest.fixture
def server(platform: StagePlatform) -> Iterator[Server]:
    server = Server(platform, port=0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(platform: StagePlatform, server: Server) -> Iterator[httpx.Client]:  # noqa: ARG001 - it has to listen
    """Somebody without a token."""
    with httpx.Client(base_url=platform.url or "", timeout=30) as client:
        yield client


@pytest.fixture
def admin(platform: StagePlatform, client: httpx.Client) -> Iterator[httpx.Client]:
    """The administrator."""
    token = platform.home.administrator_token.read_text().strip()
    with httpx.Client(
        base_url=client.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as admin:
        yield admin


@pytest.fixture
def enable(platform: StagePlatform) -> Enable:
    """Switch the webhook of `local.push` on; returns the path of its address."""

    def switch(secret: str | None = None, **changes: Any) -> str:
        webhook = platform.do(
            lambda tx: webhooks.enable(tx, TRIGGER, sealer=platform.sealer, changes=changes, secret=secret)
        )
        return f"{webhooks.PATH}{webhook.key}"

    return switch
