from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, fields, replace
from functools import cached_property
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Generator

THREADS = 4


@pytest.fixture
def hurry() -> Generator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurry")
def test_threads_may_make_the_first_values_of_a_class_at_once() -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(100):

            @immutable(kw_only=True)
            class Seed:
                name: str
                days: int = 3
                places: list[str] = field(default_factory=list)

            together = Barrier(THREADS)

            def make(number: int, *, kind: type[Seed] = Seed, together: Barrier = together) -> Seed:
                together.wait()
                return kind(name="leek", days=number)

            made = list(threads.map(make, range(THREADS)))
            assert made == [Seed(name="leek", days=number, places=[]) for number in range(THREADS)]


def test_a_class_is_what_a_dataclass_is_when_its_first_value_is_made() -> None:
    @immutable
    class Plant:
        name: str
        days: int = 3
        places: list[str] = field(default_factory=list)

        @cached_property
        def label(self) -> str:
            return f"{self.name} {self.days}"

    @immutable(kw_only=True)
    class Tree(Plant):
        height: float = 1.5

    tree = Tree("oak", height=2.0)
    assert (tree.label, tree.places, Plant.days, hasattr(Plant, "places")) == ("oak 3", [], 3, False)
    assert [one.name for one in fields(Tree)] == ["name", "days", "places", "height"]
    assert replace(tree, days=4) == Tree("oak", 4, height=2.0)
    assert isinstance(tree, Plant)
    assert repr(Plant("leek")).endswith("Plant(name='leek', days=3, places=[])")
