"""The daemon: the host that lives on, with what only it has: timers, webhooks, sensors, notices."""

from attune_cli.runtime.daemon.daemon import Daemon
from attune_cli.runtime.daemon.first_process import stand_aside
from attune_cli.runtime.daemon.log import LogFormat, open_log

__all__ = ["Daemon", "LogFormat", "open_log", "stand_aside"]
