"""Writing down what rules made of events, and doing what follows from it: one event and one rule at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError
from attune_cli.runtime.engine.limits import VERDICTS_PER_TICK
from attune_cli.runtime.reactions.enforcing import carry_out, close, enforce
from attune_cli.runtime.reactions.judging import averts, judge, judge_due
from attune_cli.runtime.reactions.scopes import scope_of
from attune_cli.runtime.store import enforcements, events, rule_memory, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.model.events import Enforcement, Event, Outcome, Verdict
    from attune_cli.runtime.reactions.enforcing import Enforced, Starter
    from attune_cli.runtime.reactions.judging import Judged
    from attune_cli.runtime.reactions.rulebook import Rule, RuleBook
    from attune_cli.runtime.store.database import Transaction


class VerdictWriter:
    """Judges events and carries out what rules decide, each rule in a savepoint of its own."""

    def __init__(self, book: RuleBook, starter: Starter) -> None:
        self._book = book
        self._starter = starter

    # --- events that have come

    def is_heard(self, tx: Transaction, trigger_ref: str) -> bool:
        """Tell whether any rule waits for events of a trigger, to act or to be averted."""
        return bool(self._book.on_trigger(tx, trigger_ref) or self._book.averted_by(tx, trigger_ref))

    def judge_event(self, tx: Transaction, event: Event, *, most: int = VERDICTS_PER_TICK) -> int | None:
        """Let each rule that an event concerns judge it; returns how many did, None when more than `most` are left."""
        self._avert(tx, event)
        concerned = self._concerned(tx, event)
        done = verdicts.rules_that_judged(tx, event.id) if concerned else ()
        left = [rule for rule in concerned if rule.id not in done]
        judged = 0
        for rule in left[:most]:
            if judged and self._book.effort.is_spent:
                break
            self._judge(tx, rule, event)
            judged += 1
        if judged < len(left):
            return None
        events.mark_judged(tx, event.id)
        return len(left)

    def _concerned(self, tx: Transaction, event: Event) -> tuple[Rule, ...]:
        """Return the enabled rules on the event's trigger; only one where the event names it."""
        rules = self._book.on_trigger(tx, event.trigger_ref)
        if event.rule_ref is None:
            return rules
        return tuple(rule for rule in rules if rule.ref == event.rule_ref)

    def _judge(self, tx: Transaction, rule: Rule, event: Event) -> None:
        def work() -> None:
            judged = judge(tx, self._book, rule, event, self._starter.sealer)
            outcome, reason, enforced = self._follow(tx, rule, event, judged)
            verdicts.insert(
                tx,
                event=event.id,
                rule=rule.id,
                rule_ref=rule.ref,
                outcome=outcome,
                reason=reason,
                trace=judged.trace,
                group_key=judged.group_key,
                due=judged.due,
                enforcement=None if enforced is None else enforced.enforcement,
            )

        fault = _alone(tx, work)
        if fault is not None:
            verdicts.insert(
                tx, event=event.id, rule=rule.id, rule_ref=rule.ref, outcome="error", reason=fault, trace={}
            )

    def _follow(
        self, tx: Transaction, rule: Rule, event: Event, judged: Judged
    ) -> tuple[Outcome, str, Enforced | None]:
        """Do what a judgement leads to; returns outcome and reason as they are to be written down."""
        for one in judged.remember:
            if one.value is None:
                rule_memory.forget(tx, rule.id, one.name, judged.group_key)
            else:
                rule_memory.put(tx, rule.id, one.name, judged.group_key, one.value, expires=one.expires)
        if judged.parameters is None:
            return judged.outcome, judged.reason, None
        enforced = enforce(tx, self._starter, rule, event, judged.parameters)
        if enforced.error is not None:
            return "error", enforced.error, enforced
        return judged.outcome, judged.reason, enforced

    # --- firings that wait whether something comes between

    def _avert(self, tx: Transaction, event: Event) -> None:
        """End the waiting of rules for which this is what was not to come."""
        for rule in self._book.averted_by(tx, event.trigger_ref):
            if event.rule_ref in {None, rule.ref}:
                _alone(tx, lambda rule=rule: self._avert_one(tx, rule, event))

    def _avert_one(self, tx: Transaction, rule: Rule, event: Event) -> None:
        group_key = averts(tx, self._book, rule, event, self._starter.sealer)
        if group_key is None:
            return
        for verdict in verdicts.waiting(tx, rule.id, group_key, before_event=event.id):
            if verdict.due is not None and event.created <= verdict.due:
                reason = f"event {event.id} came between"
                unless = {**verdict.trace.get("unless", {}), "held": False, "seen": event.id, "note": reason}
                verdicts.settle(tx, verdict, "averted", reason, trace={**verdict.trace, "unless": unless})

    def fire_waiting(self, tx: Transaction, verdict: Verdict) -> None:
        """Decide about a firing that has waited long enough."""
        fault = _alone(tx, lambda: self._fire_waiting(tx, verdict))
        if fault is not None:
            verdicts.settle(tx, verdict, "error", fault)

    def _fire_waiting(self, tx: Transaction, verdict: Verdict) -> None:
        rule = self._book.rule(tx, verdict.rule_ref)
        event = events.get(tx, verdict.event)
        if rule is None or rule.id != verdict.rule or rule.updated > verdict.created:
            what = "disabled or deleted" if rule is None else "changed"
            verdicts.settle(tx, verdict, "unready", f"the rule was {what} while it waited")
            return
        if event is None or verdict.due is None:
            verdicts.settle(tx, verdict, "unready", "its event was deleted while the rule waited")
            return
        judged = judge_due(
            tx, self._book, rule, event, self._starter.sealer, due=verdict.due, trace=verdict.trace
        )
        outcome, reason, enforced = self._follow(tx, rule, event, judged)
        verdicts.settle(
            tx,
            verdict,
            outcome,
            reason,
            trace=judged.trace,
            enforcement=None if enforced is None else enforced.enforcement,
        )

    # --- enforcements that wait for their turn

    def start_waiting(self, tx: Transaction, enforcement: Enforcement) -> None:
        """Carry out an enforcement, now that no other run of its rule goes on."""
        fault = _alone(tx, lambda: self._start_waiting(tx, enforcement))
        if fault is not None:
            enforcements.resolve(tx, enforcement.id, "processed", error=fault)

    def _start_waiting(self, tx: Transaction, enforcement: Enforcement) -> None:
        rule = self._book.rule(tx, enforcement.rule_ref)
        event = events.get(tx, enforcement.event)
        if rule is None or rule.id != enforcement.rule:
            close(tx, enforcement.id, "disabled", "the rule was disabled or deleted while it waited")
        elif event is None:
            close(tx, enforcement.id, "disabled", "its event was deleted while it waited")
        else:
            filled = rule.parameters.fill(scope_of(tx, self._book, rule, event, self._starter.sealer))
            carry_out(tx, self._starter, rule, event, filled, enforcement.id)


def _alone(tx: Transaction, work: Callable[[], None]) -> str | None:
    """Do one rule's work in a savepoint; returns what is wrong with it, in words. Errors of the file are raised."""
    try:
        with tx.savepoint():
            work()
    except AttuneError as error:
        return error.message
    except Exception as error:
        if not tx.alive:
            raise
        return f"it failed: {type(error).__name__}: {error}"
    return None
