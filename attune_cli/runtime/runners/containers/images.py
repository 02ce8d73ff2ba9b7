"""The images of runs: there, pulled, or built from a pack's Dockerfile; from then on called by their content."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attune_cli.errors import NotFoundError
from attune_cli.runtime.model.containers import is_root, is_root_among
from attune_cli.runtime.packs.staging import content_digest
from attune_cli.runtime.runners.containers.engine import BUILT
from attune_cli.runtime.runners.containers.faults import registry_of
from attune_cli.runtime.runners.containers.gate import SHELL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from attune_cli.runtime.model.containers import ContainerOptions, Pull
    from attune_cli.runtime.runners.containers.engine import ContainerEngine, Image

_DIGITS = 24
_HOME_DIGITS = 12
_ACCOUNTS = "/etc/passwd"


class Images:
    """The images of one engine. May be used from any thread: what several want is pulled or built once.

    What is built is the home's own. `credentials` gives name and password for a registry; without any, Docker's own
    store is asked.
    """

    def __init__(
        self,
        engine: ContainerEngine,
        home_id: str,
        *,
        credentials: Callable[[str], dict[str, str] | None] = lambda _host: None,
    ) -> None:
        self._engine = engine
        self._home_id = home_id
        self._credentials = credentials
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._shells: dict[str, bool] = {}
        self._accounts: dict[str, str | None] = {}

    def of(
        self,
        options: ContainerOptions,
        pull: Pull,
        folder: Path | None,
        *,
        pack_ref: str,
        progress: Callable[[str], None],
    ) -> Image:
        """Return the image that an action of a pack asks for. Raises AttuneError."""
        if options.build and folder is not None:
            return self.built(folder / options.build, pack_ref=pack_ref, progress=progress)
        return self.have(options.image, pull, progress=progress)

    def have(self, name: str, pull: Pull, *, progress: Callable[[str], None]) -> Image:
        """Return an image by its name, pulled first where `pull` says so."""
        found = None if pull == "always" else self._engine.image(name)
        if found is None and pull != "never":
            with self._turn(name):
                found = None if pull == "always" else self._engine.image(name)
                if found is None:
                    progress(f"pulling image {name}")
                    self._engine.pull(
                        name, credentials=self._credentials(registry_of(name)), progress=progress
                    )
                    found = self._engine.image(name)
        if found is None:
            raise NotFoundError(
                f"there is no image '{name}' on this machine, and it is not to be pulled (pull: {pull})",
                code="image_not_found",
                hint=f"docker pull {name}",
            )
        return found

    def built(self, folder: Path, *, pack_ref: str, progress: Callable[[str], None]) -> Image:
        """Return the image of a folder with a Dockerfile, built unless one of the same content is there."""
        tag = tag_of(folder, self._home_id)
        with self._turn(tag):
            found = self._engine.image(tag)
            if found is None:
                progress(f"building image {tag}")
                self._engine.build(folder, tag, pack_ref=pack_ref, progress=progress)
                found = self._engine.image(tag)
        if found is None:
            raise NotFoundError(f"image '{tag}' was built, and is gone again", code="image_not_found")
        return found

    def has_shell(self, image: Image, labels: dict[str, str]) -> bool:
        """Tell whether there is a shell in an image, which is looked into once."""
        with self._turn(image.id):
            if image.id not in self._shells:
                with self._looked_into(image, labels) as container:
                    self._shells[image.id] = self._engine.has_file(container, SHELL)
            return self._shells[image.id]

    def is_root(self, image: Image, user: str, labels: dict[str, str]) -> bool:
        """Tell whether a user of an image is root there. For a name, which may be anybody's, it is looked into once."""
        if is_root(user) or user.partition(":")[0].isdecimal():
            return is_root(user)
        with self._turn(image.id):
            if image.id not in self._accounts:
                with self._looked_into(image, labels) as container:
                    self._accounts[image.id] = self._engine.read_file(container, _ACCOUNTS)
            accounts = self._accounts[image.id]
        return accounts is None or is_root_among(accounts, user)

    @contextmanager
    def _looked_into(self, image: Image, labels: dict[str, str]) -> Generator[str]:
        """Give a container of an image that is never started."""
        container = self._engine.create(
            image=image.id, entrypoint=[SHELL], labels=labels, host={"network_mode": "none"}
        )
        try:
            yield container
        finally:
            self._engine.remove(container)

    def _turn(self, name: str) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(name, threading.Lock())


def tag_of(folder: Path, home_id: str) -> str:
    """Return what a home calls the image of a folder: by the folder's content."""
    if not (folder / "Dockerfile").is_file():
        raise NotFoundError(f"there is no Dockerfile in {folder}", code="image_not_found")
    return f"{tag_prefix(home_id)}{content_digest(folder)[:_DIGITS]}"


def tag_prefix(home_id: str) -> str:
    """Return what the names of all images begin with that a home builds.

    A label would be handed on to every container of such an image, also to those that are none of ours.
    """
    return f"{BUILT}:{home_id[:_HOME_DIGITS]}-"
