"""Where everything of one engine lies. (Settings and their sources follow below it.)"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The folder that holds one engine: database, packs, environments, runs, key and sockets."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "attune.db"

    @property
    def packs(self) -> Path:
        return self.path / "packs"

    @property
    def environments(self) -> Path:
        return self.path / "envs"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def hosts(self) -> Path:
        return self.path / "hosts"

    @property
    def secret_key(self) -> Path:
        return self.path / "secret.key"
