"""Values: classes of named fields that do not change, compared by what they hold.

The same as `@dataclass(frozen=True)`, except that only the type checker keeps them from being changed, and
that comparing, printing and hashing are shared functions instead of ones compiled for each class. A
command imports some seventy of these, and that was a quarter of its start-up time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform, overload

if TYPE_CHECKING:
    from collections.abc import Callable

_finishing = RLock()

_OF_CLASS = frozenset({"__dict__", "__weakref__", "__init__", "__dataclass_fields__"})
"""What a class has for itself, or what tells that it is finished."""

Class = TypeVar("Class", bound=type[Any])


@overload
def immutable(cls: Class, /) -> Class: ...
@overload
def immutable(*, kw_only: bool = False) -> Callable[[Class], Class]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def immutable(cls: Class | None = None, /, *, kw_only: bool = False) -> Class | Callable[[Class], Class]:
    """Make a class of fields that do not change; `replace`, `asdict` and `fields` of dataclasses work on it."""

    def make(plain: Class) -> Class:
        for name, shared in (("__eq__", _equal), ("__hash__", _hash), ("__repr__", _represent)):
            setattr(plain, name, shared)
        _Unfinished.leave(plain, kw_only=kw_only)
        return plain

    return make if cls is None else make(cls)


class _Unfinished:
    """Stands for the fields of a class until somebody asks for them or makes the first value; then it is finished.

    Most classes that a command imports are never used by it, and finishing one compiles its `__init__`.
    """

    def __init__(self, plain: type[Any], *, kw_only: bool) -> None:
        self._plain = plain
        self._kw_only = kw_only

    @classmethod
    def leave(cls, plain: type[Any], *, kw_only: bool) -> None:
        unfinished = cls(plain, kw_only=kw_only)

        def make_first(self: object, *values: object, **named: object) -> None:
            unfinished.finish()
            plain.__init__(self, *values, **named)

        plain.__dataclass_fields__ = unfinished
        plain.__init__ = make_first

    def __get__(self, _value: object, _owner: type[Any]) -> dict[str, Any]:
        return self.finish()

    def finish(self) -> dict[str, Any]:
        """Make it a dataclass, once: threads that come together wait for the first.

        A twin becomes one, and the class takes over what that has: it is whole at every moment, whoever uses it.
        """
        plain = self._plain
        with _finishing:
            if plain.__dict__["__dataclass_fields__"] is self:
                written = {name: value for name, value in vars(plain).items() if name not in _OF_CLASS}
                written["__qualname__"] = plain.__qualname__
                twin = cast("type[Any]", type(plain.__name__, plain.__bases__, written))
                dataclass(twin, eq=False, repr=False, kw_only=self._kw_only)
                made = dict(vars(twin))
                for name in written.keys() - made.keys() - {"__qualname__"}:
                    delattr(plain, name)
                for name in (*(made.keys() - _OF_CLASS), "__init__", "__dataclass_fields__"):
                    if made[name] is not written.get(name, made):
                        setattr(plain, name, made[name])
        return plain.__dataclass_fields__


def _equal(self: object, other: object) -> bool:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return members(self) == members(other)


def _hash(self: object) -> int:
    return hash(tuple(members(self).values()))


def _represent(self: object) -> str:
    inner = ", ".join(f"{name}={content!r}" for name, content in members(self).items())
    return f"{self.__class__.__qualname__}({inner})"


def members(self: object) -> dict[str, object]:
    """Return the fields alone: a cached property keeps its result beside them."""
    content = vars(self)
    return {one.name: content[one.name] for one in fields(cast("Any", self))}
