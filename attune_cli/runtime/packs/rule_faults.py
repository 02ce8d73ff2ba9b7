"""What is wrong with a rule that can be seen without a database: its groups, its schedule, how it is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.expressions.faults import fault_at
from attune_cli.runtime.expressions.paths import fault_of
from attune_cli.runtime.model.schedules.schedule import TIMER_TRIGGERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attune_cli.errors import Detail
    from attune_cli.runtime.expressions.faults import Fault
    from attune_cli.runtime.model.automations import RuleDefinition


def group_faults(rule: RuleDefinition) -> Iterator[Fault]:
    for index, path in enumerate(rule.group_by):
        said = fault_of(path)
        if said is not None:
            steps = ("group_by", index) if len(rule.group_by) > 1 else ("group_by",)
            yield fault_at(steps, said, value=path)


def timer_faults(rule: RuleDefinition) -> Iterator[Fault]:
    """Yield what is wrong with the schedule of a rule on a core timer, and with what `timer` says of it."""
    if rule.trigger_ref not in TIMER_TRIGGERS:
        if rule.timer:
            yield fault_at(("timer",), f"is for rules on {', '.join(TIMER_TRIGGERS)}")
        return
    from attune_cli.runtime.model.schedules.policy import read_timer_policy
    from attune_cli.runtime.model.schedules.reading import read_schedule

    yield from _inside("trigger_params", read_schedule(rule.trigger_ref, rule.trigger_params)[1])
    yield from _inside("timer", read_timer_policy(rule.timer)[1])


def _inside(name: str, faults: Iterable[Detail]) -> Iterator[Fault]:
    for fault in faults:
        yield fault_at((name, *fault.path.split(".")), fault.message, value=fault.value)
