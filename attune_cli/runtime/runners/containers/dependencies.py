"""What the actions of a pack depend on, installed once for an image into a volume of the engine (docs/adr/0042).

A volume is complete when its marker stands in the home and the engine still has that very volume. It is filled by a
container of the image itself, which sees the pack, has the network, and no more rights than an action.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attune_cli.errors import ConflictError, Detail, RunFailedError
from attune_cli.runtime.model.containers import PACK_FOLDER
from attune_cli.runtime.runners.containers.engine import FILLS_LABEL, HOME_LABEL, PACK_LABEL
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from attune_cli.config import Home
    from attune_cli.runtime.model.containers import ContainerPolicy
    from attune_cli.runtime.runners.containers.engine import ContainerEngine, Image

ENVIRONMENT = "/attune/env"

_INSTALLER_SETTINGS = ("PIP_", "NPM_CONFIG_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_NANO = 1_000_000_000
_TAIL_LINES = 40


@immutable
class _Recipe:
    manifest: str
    beside: tuple[str, ...]
    command: tuple[str, ...]
    variables: dict[str, str]


_PIP_INSTALL = "python3 -m pip install --no-cache-dir --disable-pip-version-check --no-compile --target"
_NPM_INSTALL = "exec npm install --no-audit --no-fund --prefix"
_RECIPES = {
    "python": _Recipe(
        "requirements.txt",
        (),
        (*_PIP_INSTALL.split(), ENVIRONMENT, "-r", f"{PACK_FOLDER}/requirements.txt"),
        {"PYTHONPATH": f"{ENVIRONMENT}:{PACK_FOLDER}/lib"},
    ),
    "node": _Recipe(
        "package.json",
        ("package-lock.json",),
        ("/bin/sh", "-c", f"cp {PACK_FOLDER}/package*.json {ENVIRONMENT}/ && {_NPM_INSTALL} {ENVIRONMENT}"),
        {"NODE_PATH": f"{ENVIRONMENT}/node_modules"},
    ),
}


@immutable
class Dependencies:
    """What one pack needs in one image: the name of the volume, and how it is filled."""

    volume: str
    pack_ref: str
    image: Image
    folder: Path
    recipe: _Recipe

    @property
    def variables(self) -> dict[str, str]:
        return self.recipe.variables

    @property
    def manifest(self) -> Path:
        return self.folder / self.recipe.manifest


def dependencies_of(
    home_id: str, pack_ref: str, runtime: str, folder: Path, image: Image
) -> Dependencies | None:
    """Return what a home has to install for files of that runtime; None when nothing has to be."""
    recipe = _RECIPES.get(runtime)
    if recipe is None or not (folder / recipe.manifest).is_file():
        return None
    files = [folder / name for name in (recipe.manifest, *recipe.beside)]
    content = [path.read_bytes().decode("latin-1") for path in files if path.is_file()]
    identity = json.dumps([home_id, pack_ref, image.id, content, recipe.command])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
    return Dependencies(f"attune-env-{pack_ref}-{digest}", pack_ref, image, folder, recipe)


class Installer:
    """Fills the volumes of one home."""

    def __init__(
        self,
        home: Home,
        home_id: str,
        engine: ContainerEngine,
        policy: ContainerPolicy,
        environment: Mapping[str, str],
    ) -> None:
        self._home = home
        self._home_id = home_id
        self._engine = engine
        self._policy = policy
        self._settings = {
            name: value for name, value in environment.items() if name.upper().startswith(_INSTALLER_SETTINGS)
        }

    def is_ready(self, wanted: Dependencies) -> bool:
        try:
            marked = self._marker(wanted).read_text(encoding="utf-8")
        except OSError:
            return False
        return marked == self._engine.volume_mark(wanted.volume)

    def install(
        self, wanted: Dependencies, labels: dict[str, str], *, progress: Callable[[str], None]
    ) -> None:
        """Install unless that is done; whoever wants the same waits. Raises AttuneError with the installer's words."""
        if self.is_ready(wanted):
            return
        with self._turn(wanted):
            if self.is_ready(wanted):
                return
            progress(f"installing what pack {wanted.pack_ref} depends on into {wanted.image.name}")
            self._make_room(wanted.volume)
            whose = {PACK_LABEL: wanted.pack_ref, HOME_LABEL: self._home_id}
            mark = self._engine.make_volume(wanted.volume, whose)
            try:
                self._fill(wanted, labels | {FILLS_LABEL: wanted.volume})
            except BaseException:
                self._engine.remove_volume(wanted.volume)
                raise
            self._marker(wanted).write_text(mark, encoding="utf-8")

    def _make_room(self, volume: str) -> None:
        """Remove what is left of an installer that was killed: whoever has the turn knows that none is at work."""
        for container in self._engine.fillers_of(volume):
            self._engine.remove(container)
        if not self._engine.remove_volume(volume):
            raise ConflictError(
                f"volume {volume} has to be filled anew, and is in use by a container",
                code="environment_failed",
                hint=f"docker ps -a --filter volume={volume}",
            )

    def _fill(self, wanted: Dependencies, labels: dict[str, str]) -> None:
        code, words = self._engine.run_to_end(
            image=wanted.image.id,
            entrypoint=list(wanted.recipe.command),
            environment={**self._settings, "HOME": "/root"},
            user="0:0",
            working_dir=PACK_FOLDER,
            labels=labels,
            host=self._host(wanted),
        )
        if code:
            tail = [line for line in words.splitlines() if line.strip()][-_TAIL_LINES:]
            raise RunFailedError(
                f"what pack {wanted.pack_ref} depends on cannot be installed into {wanted.image.name}:"
                f" {wanted.recipe.command[0]} ended with exit code {code}",
                code="environment_failed",
                details=[Detail("", line) for line in tail],
                hint=f"attune pack env {wanted.pack_ref} build",
            )

    def _host(self, wanted: Dependencies) -> dict[str, object]:
        mounts = [
            {"Type": "bind", "Source": str(wanted.folder), "Target": PACK_FOLDER, "ReadOnly": True},
            {"Type": "volume", "Source": wanted.volume, "Target": ENVIRONMENT, "ReadOnly": False},
        ]
        return {
            "network_mode": "bridge" if "bridge" in self._policy.networks else "none",
            "mounts": mounts,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "mem_limit": self._policy.max_memory_bytes,
            "nano_cpus": int(self._policy.cpus * _NANO),
            "pids_limit": self._policy.max_pids,
            "init": True,
        }

    def _marker(self, wanted: Dependencies) -> Path:
        return self._home.containers / f"{wanted.volume}.complete"

    @contextmanager
    def _turn(self, wanted: Dependencies) -> Generator[None]:
        """Hold the installers' lock; the kernel frees it when the process dies."""
        self._home.containers.mkdir(mode=0o700, exist_ok=True)
        path = self._home.containers / f"{wanted.volume}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
