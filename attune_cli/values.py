"""Values: classes of named fields that do not change, compared by what they hold.

The same as `@dataclass(frozen=True)`, except that only the type checker keeps them from being changed, and
that comparing, printing and hashing are shared functions instead of ones compiled for each class. A
command imports some seventy of these, and that was a quarter of its start-up time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform, overload

if TYPE_CHECKING:
    from collections.abc import Callable

Class = TypeVar("Class", bound=type[Any])


@overload
def immutable(cls: Class, /) -> Class: ...
@overload
def immutable(*, kw_only: bool = False) -> Callable[[Class], Class]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def immutable(cls: Class | None = None, /, *, kw_only: bool = False) -> Class | Callable[[Class], Class]:
    """Make a class of fields that do not change; `replace`, `asdict` and `fields` of dataclasses work on it."""

    def make(plain: Class) -> Class:
        made = dataclass(plain, eq=False, repr=False, kw_only=kw_only)
        made.__eq__ = _equal
        made.__hash__ = _hash
        made.__repr__ = _represent
        return made

    return make if cls is None else make(cls)


def _equal(self: object, other: object) -> bool:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _fields(self) == _fields(other)


def _hash(self: object) -> int:
    return hash(tuple(_fields(self).values()))


def _represent(self: object) -> str:
    inner = ", ".join(f"{name}={content!r}" for name, content in _fields(self).items())
    return f"{self.__class__.__qualname__}({inner})"


def _fields(self: object) -> dict[str, object]:
    """Return the fields alone: a cached property keeps its result beside them."""
    content = vars(self)
    return {one.name: content[one.name] for one in fields(cast("Any", self))}
