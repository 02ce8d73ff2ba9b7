"""Sending one message to one URL, within a bounded time, and checking a URL before it is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from attune_cli.errors import UnavailableError, UsageError, did_you_mean
from attune_cli.runtime.channels.messenger import MISSING
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.notices import Notice

PATIENCE_SECONDS = 30.0
"""How long a service may take to answer. Apprise itself waits four seconds for a connection, and for each answer."""

INSTALL = "uv tool install --force '.[notify]' in the clone (or, in its environment: pip install 'attune-cli[notify]')"


class Delivery:
    """One message on its way. It can be ended from another thread."""

    def __init__(self, url: str, notice: Notice | None = None) -> None:
        self._document = {"url": url, **({} if notice is None else asdict(notice))}
        # In a process group of its own: a Ctrl-C that ends the daemon is not meant for it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "attune_cli.runtime.channels.messenger"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def answer(self) -> dict[str, Any]:
        """Wait for what came of it; never raises for what a service does."""
        try:
            told, _ = self._process.communicate(json.dumps(self._document).encode(), PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.end()
            self._process.communicate()
            return {"reason": f"no answer within {PATIENCE_SECONDS:g} s"}
        try:
            return json.loads(told)
        except ValueError:
            return {"reason": f"the messenger ended with {self._process.returncode}"}

    def end(self) -> None:
        self._process.kill()


def send(url: str, notice: Notice) -> str | None:
    """Send a message; returns None when the service took it, else why not, without secrets."""
    reason: str | None = Delivery(url, notice).answer()["reason"]
    return f"apprise is not installed: {INSTALL}" if reason == MISSING else reason


@immutable
class Checked:
    """A URL that can be sent to."""

    url: str
    scheme: str


def check(url: str) -> Checked:
    """Return a URL with its scheme; raises UsageError, which never shows it, when no service has such a one."""
    answer = Delivery(url).answer()
    if answer["reason"] == MISSING:
        raise UnavailableError(
            "channels need apprise, which is not installed", code="extra_missing", hint=INSTALL
        )
    if answer["reason"] is None:
        return Checked(url, answer["scheme"])
    scheme, schemes = answer.get("scheme", ""), answer.get("schemes", [])
    near = None if scheme in schemes else did_you_mean(scheme, schemes)
    raise UsageError(
        f"this leads nowhere ({scheme or 'no scheme'}://…): {answer['reason']}",
        code="invalid_url",
        hint=near or "https://github.com/caronc/apprise/wiki lists the URLs of all services",
    )
