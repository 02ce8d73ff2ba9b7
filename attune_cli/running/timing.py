"""Timers from a command line: listing, making, asking and trying them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, UnavailableError, UsageError
from attune_cli.reading.naming import named, warn_of_unknown
from attune_cli.reading.parameters import ParameterReader
from attune_cli.running.emitting import Delivery, emit, find_daemon
from attune_cli.runtime.clock import SystemClock, rfc3339
from attune_cli.runtime.engine.doorbell import ring_host
from attune_cli.runtime.host import open_store, open_store_for_reading
from attune_cli.runtime.model.automations import RuleDefinition
from attune_cli.runtime.model.quantities import parse_duration
from attune_cli.runtime.services import rules, timers
from attune_cli.runtime.services.rule_checks import check_rule
from attune_cli.runtime.store import definitions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.errors import Detail
    from attune_cli.output import Column
    from attune_cli.runtime.model.actions import Schema
    from attune_cli.runtime.store.database import Transaction

_OWN_PACK = "local"


@immutable(kw_only=True)
class NewTimer:
    """A timer as it is typed."""

    name: str
    action_ref: str
    items: tuple[str, ...]
    cron: str | None
    every: str | None
    at: str | None
    rrule: str | None
    start: str | None
    timezone: str | None
    jitter: str | None
    misfire: str | None
    past: str | None
    enabled: bool

    @property
    def ref(self) -> str:
        return ref_of(self.name)


def ref_of(name: str) -> str:
    """Return the ref of a timer as it is typed: without a dot it is one of our own."""
    return name if "." in name else f"{_OWN_PACK}.{name}"


def show_timers(
    context: Context,
    columns: Sequence[Column],
    *,
    pack_ref: str | None,
    upcoming_count: int,
    fail_empty: bool,
) -> None:
    """Print every timer."""
    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        found = timers.list_timers(tx, pack_ref=pack_ref, upcoming_count=upcoming_count)
    if not found:
        warn_of_unknown(context, named(pack=pack_ref))
    if not found and fail_empty:
        raise NotFoundError("no timer meets this", code="empty")
    context.out.records(found, columns)


def create_timer(context: Context, new: NewTimer, *, if_not_exists: bool, replace: bool) -> None:
    """Make the rule of a timer; prints its ref, or its record."""
    store = open_store(context.home, context.settings)
    trigger_ref, params = _schedule(new)
    policy = {"jitter_seconds": new.jitter, "misfire": new.misfire, "past": new.past}
    if context.dry_run:
        with store.read(SystemClock().now()) as tx:
            rules.refuse_faulty(tx, _rule(tx, new, trigger_ref, params, policy))
        context.out.note(f"would make rule {new.ref}")
        return
    with store.write(SystemClock().now()) as tx:
        rule = _rule(tx, new, trigger_ref, params, policy)
        kept = rules.create(tx, rule, replace=replace, if_not_exists=if_not_exists)
        timer = timers.find_timer(tx, new.ref)
        record = timers.timer_record(tx, timer)
    context.out.outcome(record, [new.ref])
    for doubt in kept.doubts:
        context.out.warning(f"{doubt.path}: {doubt.message}")
    daemon = find_daemon(context)
    if daemon is not None:
        ring_host(context.home.hosts, daemon.host)
    match record["state"]:
        case "expired":
            context.out.warning(f"rule {new.ref} never fires: its time has passed")
        case "active":
            context.out.note(
                f"rule {new.ref} {kept.change}: {record['schedule']}, next {record['next_fire_at']}"
            )
            if daemon is None:
                context.out.note("no daemon runs: timers fire while one does")
                context.out.hint("attune up -d")
        case state:
            context.out.note(f"rule {new.ref} {kept.change}: {state}")


def _schedule(new: NewTimer) -> tuple[str, dict[str, Any]]:
    """Return the trigger and its parameters; raises UsageError unless one kind of schedule is given."""
    given = {"--cron": new.cron, "--every": new.every, "--at": new.at, "--rrule": new.rrule}
    chosen = [option for option, value in given.items() if value is not None]
    if len(chosen) != 1:
        what = "say when" if not chosen else f"{' and '.join(chosen)} cannot go together"
        raise UsageError(
            f"{what}: one of {', '.join(given)}", hint='attune timer create … --cron "0 3 * * *"'
        )
    zone = {} if new.timezone is None else {"timezone": new.timezone}
    match chosen[0]:
        case "--cron":
            return "core.crontimer", {"expression": new.cron, **zone}
        case "--at":
            return "core.datetimetimer", {"fire_at": new.at, **zone}
        case "--rrule":
            begin = {} if new.start is None else {"dtstart": new.start}
            return "core.rruletimer", {"rule": new.rrule, **begin, **zone}
        case _:
            if new.timezone is not None:
                raise UsageError("--tz: an interval is the same in every time zone")
            return "core.intervaltimer", {"unit": "seconds", "interval": _whole_seconds(new.every or "")}


def _whole_seconds(text: str) -> int:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--every: {error}", hint="--every 30s") from error
    if seconds < 1 or seconds != int(seconds):
        raise UsageError("--every: expected whole seconds, at least one", hint="--every 30s")
    return int(seconds)


def _rule(
    tx: Transaction, new: NewTimer, trigger_ref: str, params: dict[str, Any], policy: dict[str, Any]
) -> RuleDefinition:
    values, faults = _parameters(tx, new)
    rule = RuleDefinition(
        ref=new.ref,
        pack_ref=new.ref.partition(".")[0],
        trigger_ref=trigger_ref,
        action_ref=new.action_ref,
        enabled=new.enabled,
        trigger_params=params,
        action_params=values,
        timer={name: value for name, value in policy.items() if value is not None},
    )
    if faults:
        told = {fault.path for fault in faults}
        more = [one for one in check_rule(tx, rule) if one.path.rpartition(".")[2] not in told]
        raise UsageError("the timer cannot be made so", code="invalid_params", details=[*faults, *more])
    return rule


def _parameters(tx: Transaction, new: NewTimer) -> tuple[dict[str, Any], list[Detail]]:
    """Read the action's parameters; a text with a template in it stays as it is until the timer fires."""
    action = definitions.get(tx, "action", new.action_ref)
    # That an action is missing is told with the rule's faults.
    schema: Schema = {} if action is None else action.definition["parameters"]
    templates = [item for item in new.items if "{{" in item]
    plain, filled = ParameterReader(schema), ParameterReader({})
    plain.read_items([item for item in new.items if "{{" not in item])
    filled.read_items(templates)
    return {**plain.values, **filled.values}, [*plain.faults, *filled.faults]


def show_next(
    context: Context,
    rule_ref: str | None,
    *,
    cron: str | None,
    rrule: str | None,
    timezone: str | None,
    limit: int,
) -> None:
    """Print instants to come, one a line, or as a list of them."""
    given = [value for value in (rule_ref, cron, rrule) if value is not None]
    if len(given) != 1:
        raise UsageError("name a rule, or --cron, or --rrule", hint='attune timer next --cron "0 3 * * *"')
    now = SystemClock().now()
    if rule_ref is not None:
        store = open_store_for_reading(context.home, context.settings)
        with store.read(now) as tx:
            found = timers.instants_of(timers.find_timer(tx, ref_of(rule_ref)), now=now, limit=limit)
    else:
        name, text = ("expression", cron) if cron is not None else ("rule", rrule)
        trigger_ref = "core.crontimer" if cron is not None else "core.rruletimer"
        params = {name: text, **({} if timezone is None else {"timezone": timezone})}
        found = timers.next_instants(trigger_ref, params, now=now, limit=limit)
    if not found:
        context.out.note("it never fires again")
    context.out.records(
        [{"kind": "instant", "at": rfc3339(instant)} for instant in found], _instant_columns()
    )


def _instant_columns() -> Sequence[Column]:
    from attune_cli.output import Column

    return (Column("AT", "at"),)


def fire_timer(context: Context, ref: str, *, wait: bool, wait_timeout_seconds: float | None) -> int:
    """Fire a timer now; returns the exit code."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        new = timers.firing_of(tx, timers.find_timer(tx, ref_of(ref)))
    has_daemon = find_daemon(context) is not None
    if not wait and not has_daemon and not context.dry_run:
        raise UnavailableError(
            f"no engine is running for {context.home.path}",
            code="no_engine",
            hint="attune up -d, or without --no-wait it runs here",
        )
    delivery = Delivery(
        wait=wait and has_daemon, here=not has_daemon, wait_timeout_seconds=wait_timeout_seconds
    )
    return emit(context, new, delivery)
