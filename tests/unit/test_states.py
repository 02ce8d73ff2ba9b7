"""The transition table, as domain.md 2.7 and architecture.md 5 have it."""

from __future__ import annotations

from itertools import product

import pytest

from attune_cli.runtime.model.states import HOLDS_SLOT, LIVE, TERMINAL, TRANSITIONS, Status, is_legal

LEGAL = """
requested → scheduled running failed cancelled abandoned
scheduled → requested running failed cancelled abandoned
running → requested canceling completed failed timeout abandoned
canceling → cancelled
"""


def legal() -> set[tuple[str, str]]:
    rows = (line.split(" → ") for line in LEGAL.strip().splitlines())
    return {(old, new) for old, news in rows for new in news.split()}


def test_the_spellings_are_those_of_the_existing_platform() -> None:
    spellings = (
        "requested scheduling scheduled running completed failed canceling cancelled timeout abandoned"
    )
    assert " ".join(sorted(Status)) == " ".join(sorted(spellings.split()))


@pytest.mark.parametrize(("old", "new"), list(product(Status, Status)))
def test_every_step_is_as_the_documents_say(old: Status, new: Status) -> None:
    assert is_legal(old, new) is ((old, new) in legal())


def test_terminal_is_final_and_everything_live_can_end() -> None:
    assert {"completed", "failed", "timeout", "cancelled", "abandoned"} == TERMINAL
    assert {old for old, _ in TRANSITIONS} <= LIVE
    reachable = set(TERMINAL)
    while more := {old for old, new in TRANSITIONS if new in reachable} - reachable:
        reachable |= more
    assert reachable == set(Status) - {Status.SCHEDULING}


def test_scheduling_is_read_and_never_written() -> None:
    assert not any(Status.SCHEDULING in step for step in TRANSITIONS)
    assert not Status.SCHEDULING.is_terminal


def test_what_may_have_a_process_holds_a_slot() -> None:
    assert {"scheduled", "running", "canceling"} == HOLDS_SLOT
    assert not any(status.holds_slot for status in TERMINAL)


def test_every_step_says_why_it_is_taken() -> None:
    assert all(reason.strip() for reason in TRANSITIONS.values())
