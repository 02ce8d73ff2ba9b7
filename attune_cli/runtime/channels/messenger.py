"""The process that sends one message: `python -m attune_cli.runtime.channels.messenger`, a document on stdin.

A process of its own, because the library that knows a hundred services takes 60 MiB and a second to wake, and because
only a process can be ended when a service never answers. The document: `url`, and `title`, `body`, `level` unless the
URL is only to be checked. The answer on stdout: `reason`, null when it went well, and `scheme`; or `schemes`, those
there are.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

MISSING = "no apprise"
"""The reason given where the library is not installed."""

_HIDDEN = "********"
_SHORTEST_SECRET = 4
_SCHEME = re.compile(r"([A-Za-z0-9+.-]{1,32})://")


class _Complaints(logging.Handler):
    """Keeps what the library says went wrong."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def main() -> None:
    document: dict[str, Any] = json.load(sys.stdin)
    sys.stdout.write(json.dumps(_answer(document)))


def _answer(document: dict[str, Any]) -> dict[str, Any]:
    try:
        import apprise
        from apprise.manager_plugins import NotificationManager
    except ModuleNotFoundError:
        return {"reason": MISSING}
    complaints = _Complaints()
    log = logging.getLogger("apprise")
    log.addHandler(complaints)
    log.propagate = False
    url: str = document["url"]
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found else ""
    services: Any = NotificationManager()
    library: Any = apprise  # its types say less than nothing
    service = library.Apprise.instantiate(url)
    if service is None:
        schemes: list[str] = sorted(services.schemas())
        reason = "it is not a URL of this service" if scheme in schemes else "no service has such a URL"
        return {"reason": _without_secrets(reason, url), "scheme": scheme, "schemes": schemes}
    if "title" not in document:
        return {"reason": None, "scheme": scheme}
    sent = service.notify(
        title=document["title"],
        body=document["body"] or document["title"],
        notify_type=apprise.NotifyType(document["level"]),
        body_format=apprise.NotifyFormat.TEXT,
    )
    told = "; ".join(complaints.texts) or "the service refused it"
    return {"reason": None if sent else _without_secrets(told, url), "scheme": scheme}


def _without_secrets(text: str, url: str) -> str:
    """Hide every part of a URL but its scheme: tokens stand anywhere in it, even where a host would."""
    _, _, rest = url.partition("://")
    for part in sorted(re.split(r"[/:@?&=#,]", rest), key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, _HIDDEN)
    return text


if __name__ == "__main__":
    main()
