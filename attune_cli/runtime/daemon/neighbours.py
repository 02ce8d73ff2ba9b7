"""Hosts that run beside the daemon, and what they leave when they die: slots, places in limit groups, whole trees.

Each command that opens the file settles them, but where a daemon works there may be no further command.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.host import connect_again, forget_unrecorded_hosts, has_dead_hosts, settle_dead_hosts

if TYPE_CHECKING:
    from attune_cli.runtime.parts import Platform

_LOOK_SECONDS = 2.0
_END_SECONDS = 5.0

log = logging.getLogger("attune.daemon")


class Neighbours:
    """A part of the daemon. What it settles becomes ownerless, which its engine takes unasked."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="neighbours", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(_END_SECONDS)

    def _serve(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            if has_dead_hosts(self._platform.home):
                try:
                    self._settle()
                except AttuneError as error:  # a database that is busy, a disk that is full
                    log.warning("a host that died waits to be settled: %s", error.message)

    def _settle(self) -> None:
        home, settings = self._platform.home, self._platform.settings
        with closing(connect_again(home, settings)) as store:
            settle_dead_hosts(store, home, settings)
            forget_unrecorded_hosts(store, home)
