"""Having the image of a run: there already, pulled as its policy says, and from then on called by its content."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from attune_cli.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.model.containers import Pull
    from attune_cli.runtime.runners.containers.engine import ContainerEngine, Image


class Images:
    """The images of one engine. May be used from any thread: what several want is pulled once."""

    def __init__(self, engine: ContainerEngine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._pulling: dict[str, threading.Lock] = {}

    def have(self, name: str, pull: Pull, *, progress: Callable[[str], None]) -> Image:
        """Return the image, pulled first where `pull` says so. Raises AttuneError."""
        found = None if pull == "always" else self._engine.image(name)
        if found is None and pull != "never":
            with self._turn(name):
                found = None if pull == "always" else self._engine.image(name)
                if found is None:
                    self._engine.pull(name, credentials=None, progress=progress)
                    found = self._engine.image(name)
        if found is None:
            raise NotFoundError(
                f"there is no image '{name}' on this machine, and it is not to be pulled (pull: {pull})",
                code="image_not_found",
                hint=f"docker pull {name}",
            )
        return found

    def _turn(self, name: str) -> threading.Lock:
        with self._lock:
            return self._pulling.setdefault(name, threading.Lock())
