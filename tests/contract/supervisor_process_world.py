"""A supervisor that is a process, with engines that come and go, for the contract tests."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from attune_cli.runtime.supervisor import address
from attune_cli.runtime.supervisor.client import SupervisorClient
from tests.contract.supervisor_world import World, is_alive, until
from tests.e2e.story import processes_with

if TYPE_CHECKING:
    from attune_cli.runtime.supervisor import RunExit


class ProcessWorld(World):
    """`supervisor` is the connection of the engine that lives now."""

    def begin(self) -> None:
        self.hosts = self.folder / "hosts"
        self.hosts.mkdir()
        self.losses: list[str] = []
        self.connect()

    def connect(self, *, listen: bool = True) -> SupervisorClient:
        """Be a new engine."""
        self.supervisor = client = SupervisorClient(
            folder=self.hosts, report=self.report_of, lost=lambda: self.losses.append(client.name)
        )
        client.start()
        self.journal = address.journal_of(self.hosts, client.name)
        if listen:
            client.listen()
        return client

    def report_of(self, run_exit: RunExit) -> None:
        self._report(run_exit)

    @property
    def pid(self) -> int:
        [pid] = processes_with(self.supervisor.name)
        return pid

    def kill(self) -> None:
        """Kill the supervisor, as the machine may."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), "the supervisor's end")

    def __exit__(self, *_: object) -> None:
        self.supervisor.detach()
        for pid in processes_with(str(self.hosts)):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGTERM)
        until(lambda: not processes_with(str(self.hosts)), "the supervisor's end")
