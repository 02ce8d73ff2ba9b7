"""Being the daemon: this process becomes it, until somebody says stop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from attune_cli.errors import UsageError
from attune_cli.runtime.host import open_store
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attune_cli.config import Settings
    from attune_cli.context import Context
    from attune_cli.runtime.daemon import LogFormat
    from attune_cli.runtime.engine.reactor import Reactor
    from attune_cli.runtime.parts import Part, Platform

PARTS = ("timers", "http", "sensors", "notices")
"""What `--only` may name, in the order of their start: sensors are told where the server listens."""

FORMATS: Mapping[str, LogFormat | None] = {"text": "text", "json": "json", "none": None}
"""The forms of the log on stderr."""


@immutable(kw_only=True)
class ServeOptions:
    """How the daemon is to be. None leaves it to the settings."""

    host: str | None = None
    port: int | None = None
    socket: str | None = None
    parts: tuple[str, ...] = PARTS

    def words(self) -> list[str]:
        """Return the words of a command line that ask for the same."""
        given = (("--host", self.host), ("--port", self.port), ("--socket", self.socket))
        words = [word for name, value in given if value is not None for word in (name, str(value))]
        return words if self.parts == PARTS else [*words, "--only", ",".join(self.parts)]


def serve_options(
    *, host: str | None, port: int | None, socket: str | None, no_http: bool, only: str | None
) -> ServeOptions:
    """Read the options of `serve`; raises UsageError."""
    wanted = PARTS if only is None else tuple(name.strip() for name in only.split(","))
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        raise UsageError(f"--only: expected some of {', '.join(PARTS)}, not {', '.join(unknown)}")
    parts = tuple(name for name in PARTS if name in wanted and not (no_http and name == "http"))
    return ServeOptions(host=host, port=port, socket=socket, parts=parts)


_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not listened at


def serve(
    context: Context,
    options: ServeOptions,
    *,
    log_format: LogFormat | None,
    is_drawn: bool = False,
) -> None:
    """Run the daemon in this process until a signal ends it; raises AttuneError when it cannot.

    Drawn, it shows what it does on stdout, a terminal, instead of its log on stderr.
    """
    from attune_cli.runtime.daemon import Daemon, open_log, stand_aside

    stand_aside()
    settings = context.settings
    open_store(context.home, settings).close()
    open_log(context.home.daemon_log, stderr=None if is_drawn else log_format)
    view = _live_view(context) if is_drawn else None
    daemon = Daemon(
        context.home,
        settings,
        reread=lambda: _settings(context),
        reactor=lambda platform: _reactor(platform, options),
        parts=lambda platform: [
            *([view(platform)] if view else ()),
            *(_MAKERS[name](platform, options) for name in options.parts if name in _MAKERS),
        ],
        api=lambda platform, execution, gateway: _api(platform, options, execution, gateway),
    )
    daemon.run()


def _live_view(context: Context) -> Callable[[Platform], Part]:
    """Return what makes the part that draws; what is logged until then goes to stderr."""
    from attune_cli.serving.live_view import LiveView
    from attune_cli.serving.recent_log import RecentLog

    recent = RecentLog()
    logging.getLogger("attune").addHandler(recent)
    return lambda platform: LiveView(context, platform, recent)


def _settings(context: Context) -> Settings:
    """Read the settings again."""
    import os

    from attune_cli.config import Configuration

    return Configuration.load(directory=context.directory, environment=os.environ).settings


def _reactor(platform: Platform, options: ServeOptions) -> Reactor:
    """Make the stage of the engine's tick that fires timers and turns events into executions."""
    from attune_cli.runtime.reactions.reactor import Reactions

    return Reactions(
        settings=platform.settings, sealer=platform.sealer, fires_timers="timers" in options.parts
    )


def _api(platform: Platform, options: ServeOptions, execution: int, gateway: str | None) -> dict[str, str]:
    """Return the variables by which an execution reaches the server, from a container through its network's gateway."""
    url = platform.url if gateway is None else _url_from_containers(platform, options, gateway)
    if url is None:
        return {}
    from attune_cli.runtime.services.tokens import issue_execution_token

    return {
        "ATTUNE_API_URL": url,
        "ATTUNE_API_TOKEN": issue_execution_token(platform.sealer, execution),
    }


def _url_from_containers(platform: Platform, options: ServeOptions, gateway: str) -> str | None:
    """Return where containers reach the server: at the gateway if it listens there, else as others do."""
    if platform.url is None:
        return None
    from urllib.parse import urlsplit

    host = platform.settings.host if options.host is None else options.host
    if options.socket is None and host in {*_EVERYWHERE, gateway}:
        return f"http://{gateway}:{urlsplit(platform.url).port}"
    return platform.settings.public_url or None


def _http(platform: Platform, options: ServeOptions) -> Part:
    from attune_cli.runtime.server import Server

    return Server(platform, host=options.host, port=options.port, path=options.socket)


def _notices(platform: Platform, _options: ServeOptions) -> Part:
    from attune_cli.runtime.channels import Dispatcher

    return Dispatcher(platform)


def _sensors(platform: Platform, _options: ServeOptions) -> Part:
    import os

    from attune_cli.runtime.sensors import Sensors
    from attune_cli.runtime.services.tokens import issue_sensor_token

    return Sensors(
        platform,
        environment=os.environ,
        issue_token=lambda sensor_ref, _triggers: issue_sensor_token(
            platform.sealer, sensor_ref, platform.clock.now()
        ),
    )


_MAKERS: Mapping[str, Callable[[Platform, ServeOptions], Part]] = {
    "http": _http,
    "sensors": _sensors,
    "notices": _notices,
}
"""What makes a part, by its name. Each imports what it needs itself: a part that is not wanted costs nothing."""
