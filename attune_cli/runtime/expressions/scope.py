"""What an expression may see while it is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.model.actions import Json

Path = tuple[str | int, ...]
"""Keys and indexes that lead into a value."""

TASKS = ("task", "tasks")
"""Names below which a workflow has what its tasks gave."""


@immutable
class Found:
    """Where a path leads to: into `value`, along `rest`."""

    value: Json
    rest: Path = ()
    secrets: frozenset[str] = frozenset()
    """JSON pointers into `value`: reading at, above or below one is reading a secret."""


def found_key(value: Json, *, is_secret: bool) -> Found:
    """Return what a key holds; one that is kept plain, for all to read, is no secret."""
    return Found(value, secrets=frozenset({""}) if is_secret else frozenset())


class Scope(Protocol):
    """Where the names of an expression lead. What it returns is not changed."""

    def find(self, name: str, path: Path, /) -> Found | None:
        """Return where a path that begins with `name` leads to; None when there is no such thing."""
        ...

    def key(self, name: str, /) -> Found:
        """Return a key, in the clear; raises LookupError when there is none."""
        ...

    def call(self, function: str, /) -> Json:
        """Return what a function of the vocabulary gives here."""
        ...

    def spent(self, work: int, /) -> None:
        """Take note of work that was done with what it leads to."""
        ...


def _ignore(_work: int) -> None:
    pass


@immutable(kw_only=True)
class RuleScope:
    """One event as seen by one rule."""

    event: dict[str, Any]
    """`id`, `trigger`, `trigger_ref`, `payload`, `created`."""
    pack_config: dict[str, Any]
    """Configuration of the rule's pack, in the clear."""
    secret_config: frozenset[str]
    """JSON pointers into it that are secret."""
    system: dict[str, Any]
    """`timestamp`, and `rule` with `id` and `ref`."""
    key: Callable[[str], Found]
    """Return a key, in the clear; raises LookupError when there is none."""
    spend: Callable[[int], object] = _ignore
    """Told of the work that was done."""

    def find(self, name: str, path: Path, /) -> Found | None:
        if name == "pack":
            return in_pack(self.pack_config, self.secret_config, path)
        return Found(self.event if name == "event" else self.system, path)

    def call(self, function: str, /) -> Json:
        raise LookupError(function)  # its vocabulary has none

    def spent(self, work: int, /) -> None:
        self.spend(work)


def in_pack(config: dict[str, Any], secrets: frozenset[str], path: Path) -> Found:
    """Return where a path behind `pack` leads to, under which the configuration lies."""
    return Found({"config": config}, path, frozenset(f"/config{pointer}" for pointer in secrets))
