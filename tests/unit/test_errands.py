"""Work that nobody waits for: at once, or put off for the runs that are under way."""

from __future__ import annotations

from threading import Event

from attune_cli.runtime.runners.containers.errands import Errands

PATIENCE_SECONDS = 20.0


def test_work_is_put_off_while_a_run_is_under_way() -> None:
    errands, first, second = Errands(put_off_seconds=PATIENCE_SECONDS), Event(), Event()
    errands.begin("a")
    errands.begin("b")
    errands.put_off(first.set)
    errands.put_off(second.set)
    errands.end("a")
    assert not first.is_set()
    errands.end("b")
    assert first.wait(PATIENCE_SECONDS)
    assert second.wait(PATIENCE_SECONDS)


def test_but_not_for_long() -> None:
    errands, done = Errands(), Event()
    errands.begin("a")
    errands.put_off(done.set)
    assert done.wait(PATIENCE_SECONDS)


def test_and_not_when_it_is_wanted() -> None:
    errands, done = Errands(), Event()
    errands.begin("a")
    errands.put_off(done.set)
    errands.hurry()
    errands.finish(PATIENCE_SECONDS)
    assert done.is_set()


def test_without_a_run_nothing_is_put_off() -> None:
    errands, done = Errands(), Event()
    errands.put_off(done.set)
    assert done.wait(PATIENCE_SECONDS)


def test_at_the_end_all_of_it_is_done() -> None:
    errands, done = Errands(), Event()
    errands.begin("a")
    errands.put_off(done.set)
    errands.finish(PATIENCE_SECONDS)
    assert done.is_set()
