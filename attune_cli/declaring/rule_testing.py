"""`attune rule test` and `attune rule history`: what a rule makes of events, and why, by the daemon's own code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attune_cli.declaring.rule_documents import read_rule_file
from attune_cli.errors import NotFoundError, UsageError
from attune_cli.output import Column
from attune_cli.reading.parameters import ParameterReader
from attune_cli.reading.words import read_time
from attune_cli.running.emitting import Delivery, emit, find_daemon, read_whole_payload
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.model.events import Event
from attune_cli.runtime.model.parameters import secret_pointers, shown
from attune_cli.runtime.model.pointers import put_at
from attune_cli.runtime.reactions.enforcing import Foreseen, Starter, foresee
from attune_cli.runtime.reactions.judging import judge
from attune_cli.runtime.reactions.rulebook import RuleBook, ready_rule
from attune_cli.runtime.services import installation, rules
from attune_cli.runtime.services.event_history import verdict_record
from attune_cli.runtime.services.events import NewEvent, unknown_trigger
from attune_cli.runtime.store import definitions, enforcements, events, verdicts
from attune_cli.runtime.store.events import EventFilter
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.runtime.store.verdicts import VerdictFilter
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.expressions.templates import Filled
    from attune_cli.runtime.model.events import Verdict
    from attune_cli.runtime.reactions.rulebook import Rule
    from attune_cli.runtime.store.database import Transaction

Record = dict[str, Any]

COLUMNS = (
    Column("EVENT", "event"),
    Column("OUTCOME", "outcome", kind="status"),
    Column("REASON", "reason", kind="text"),
)
HISTORY_COLUMNS = (
    Column("EVENT", "event"),
    Column("CREATED", "created", kind="time"),
    Column("OUTCOME", "outcome", kind="status"),
    Column("EXECUTION", "execution"),
    Column("REASON", "reason", kind="text"),
)

_FIRES = frozenset({"fired", "waiting"})
_IN_WORDS = {"fired": "it fires", "waiting": "it waits"}
_MARKS = {True: "holds", False: "does not hold", None: "cannot be told"}


@immutable(kw_only=True)
class TryOptions:
    """What a rule is tested with."""

    event: int | None = None
    payload: str | None = None
    items: Sequence[str] = ()
    last: int | None = None
    run: bool = False
    """Fire for real where it would: a new event like the one tested, meant for this rule alone."""


# --- testing


def show_test(context: Context, name: str, options: TryOptions) -> int:
    """Judge events by a rule without writing anything; returns 1 when it does not act on every one."""
    store = open_store_for_reading(context.home, context.settings)
    sealer = Sealer(context.home.secret_key)
    with store.read(SystemClock().now()) as tx:
        rule = _rule(tx, name)
        meant = _events(tx, rule, options)
        starter = Starter(book=RuleBook(sealer), settings=context.settings, sealer=sealer)
        records = [_tested(tx, starter, rule, event) for event in meant]
    if options.run:
        return _run(context, rule, meant, records)
    if not rule.definition.enabled:
        context.out.warning(f"rule {rule.ref} is disabled, and looks at no event until it is enabled")
    if context.out.is_text and len(records) == 1:
        context.out.text(explained(records[0]))
    elif len(records) == 1:
        context.out.record(records[0])
    else:
        context.out.records(records, COLUMNS)
    return 0 if all(record["matched"] and record["error"] is None for record in records) else 1


def _run(context: Context, rule: Rule, meant: list[Event], records: list[Record]) -> int:
    """Tell an event like the one tested, so that the rule fires and its action runs; returns the run's exit code."""
    if rule.id == 0:
        raise UsageError(
            "only a rule that is kept can fire", hint=f"attune apply, then attune rule test {rule.ref}"
        )
    if len(meant) > 1:
        raise UsageError("--run takes one event", hint="attune rule test REF --event ID --run")
    if context.out.is_text:
        context.out.text(explained(records[0]))
    if not records[0]["matched"]:
        if not context.out.is_text:
            context.out.record(records[0])
        return 1
    daemon = find_daemon(context)
    new = NewEvent(trigger_ref=meant[0].trigger_ref, payload=meant[0].payload, rule_ref=rule.ref)
    return emit(context, new, Delivery(wait=daemon is not None, here=daemon is None))


def _rule(tx: Transaction, name: str) -> Rule:
    """Return a rule that is kept, or one from a file, ready to judge; raises with its faults."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or "/" in name:
        definition, _ = read_rule_file(path, installation.installed(tx))
        row = definitions.get(tx, "rule", definition.ref)
        rules.refuse_faulty(tx, definition)
        return ready_rule(definition, rule_id=0 if row is None else row.id)
    row = rules.find(tx, name)
    return ready_rule(rules.definition_of(row), rule_id=row.id, updated=row.updated)


def _events(tx: Transaction, rule: Rule, options: TryOptions) -> list[Event]:
    """Return the events meant: one that is stored, the last ones, or one made from what was typed."""
    trigger = rule.definition.trigger_ref
    ways = [options.event is not None, options.last is not None, bool(options.payload or options.items)]
    if sum(ways) > 1:
        raise UsageError("one of --event, --last and a payload", hint="attune rule test --help")
    if options.event is not None:
        event = events.get(tx, options.event)
        if event is None:
            raise NotFoundError(f"no event {options.event}", hint="attune event list")
        if event.trigger_ref != trigger:
            raise UsageError(
                f"event {event.id} is of trigger '{event.trigger_ref}', the rule waits for '{trigger}'",
                hint=f"attune event list --trigger {trigger}",
            )
        return [event]
    if options.payload or options.items:
        return [_made_up(trigger, _payload(tx, trigger, options), tx.now)]
    found = events.search(tx, EventFilter(trigger_ref=trigger), limit=options.last or 1)
    if not found:
        raise UsageError(
            f"there is no event of trigger '{trigger}' to test with",
            code="no_event",
            hint=f"attune rule test {rule.ref} key=value …, or --payload JSON",
        )
    return found


def _payload(tx: Transaction, trigger_ref: str, options: TryOptions) -> object:
    row = definitions.get(tx, "trigger", trigger_ref)
    if row is None:
        raise unknown_trigger(tx, trigger_ref)
    reader = ParameterReader(row.definition["output"])
    if options.payload is not None and not options.items:
        return read_whole_payload(options.payload)
    if options.payload is not None:
        reader.read_document(options.payload)
    reader.read_items(options.items)
    if reader.faults:
        raise UsageError("the payload cannot be read", code="invalid_payload", details=reader.faults)
    return reader.values


def _made_up(trigger_ref: str, payload: object, now: Instant) -> Event:
    return Event(
        id=0, trigger_ref=trigger_ref, payload=payload, config={}, source="user", source_ref=None, rule_ref=None,
        dedup_key=None, cause=None, depth=0, pending=False, created=now,
    )  # fmt: skip


def _tested(tx: Transaction, starter: Starter, rule: Rule, event: Event) -> Record:
    """Return the verdict that a real event would get: what would refuse a firing is a part of it."""
    judged = judge(tx, starter.book, rule, event, starter.sealer)
    filled = judged.parameters
    foreseen = Foreseen() if filled is None else foresee(tx, starter, rule, filled)
    outcome = judged.outcome if foreseen.refusal is None else "error"
    return {
        "kind": "rule_test",
        "rule_ref": rule.ref,
        "event": event.id or None,
        "payload": event.payload,
        "matched": outcome in _FIRES,
        "outcome": outcome,
        "reason": foreseen.refusal or judged.reason,
        "trace": judged.trace,
        "parameters": None if filled is None else _redacted(tx, rule, filled),
        "error": foreseen.failure and f"the run would fail: {foreseen.failure}",
        "warnings": [] if filled is None else list(filled.warnings),
    }


def _redacted(tx: Transaction, rule: Rule, filled: Filled) -> Record:
    """Return the parameters as they may be shown: neither what is declared secret, nor what came from secrets."""
    values = cast("Record", filled.value)
    action = definitions.get(tx, "action", rule.definition.action_ref)
    declared = () if action is None else secret_pointers(action.definition["parameters"], values)
    for pointer in sorted({*filled.secrets, *declared}, key=len, reverse=True):
        put_at(values, pointer, dict(REDACTED))
    return values


def explained(record: Record) -> str:
    """Return a verdict for people: what it is, then each thing looked at with what was seen and what was wanted."""
    in_words = _IN_WORDS.get(record["outcome"], "it does not fire")
    lines = [f"{record['rule_ref']}: {in_words}: {record['reason']}"]
    for path, entry in record["trace"].items():
        lines.append(f"  {path}: {_MARKS[entry.get('held')]}{_note(entry)}")
        if "field" in entry:
            lines.append(f"    field   {entry['field']}")
        for name in ("wanted", "seen"):
            if name in entry:
                lines += _shown(name, entry[name])
    if record.get("parameters") is not None:
        lines.append("  parameters")
        lines += [f"    {name} = {shown(value)}" for name, value in record["parameters"].items()]
    lines += [f"  warning: {warning}" for warning in record.get("warnings", ())]
    if record.get("execution") is not None:
        lines.append(f"  execution {record['execution']}")
    if record.get("error") is not None:
        lines.append(f"  error: {record['error']}")
    return "".join(f"{line}\n" for line in lines)


def _note(entry: Record) -> str:
    return f" ({entry['note']})" if "note" in entry else ""


def _shown(name: str, value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict) and name == "seen":
        values = cast("Record", value)
        return [f"    {name:<7} {path} = {shown(one)}" for path, one in values.items()] or [
            f"    {name:<7} nothing"
        ]
    return [f"    {name:<7} {value if isinstance(value, str) and name == 'wanted' else shown(value)}"]


# --- history


def show_history(
    context: Context, ref: str, *, since: str | None, outcome: str | None, limit: int, explain: bool
) -> None:
    """Print what a rule made of events, newest first, and what came of it."""
    wanted = VerdictFilter(rule_ref=ref, outcome=outcome, since=read_time("--since", since))
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        found = verdicts.search(tx, wanted, limit=limit)
        if not found:
            rules.find(tx, ref)
        silence = _silence(tx, ref, is_unasked=not found and outcome is None and since is None)
        records = [_with_outcome(tx, verdict) for verdict in found]
    if explain and context.out.is_text:
        for record in records:
            context.out.text(f"event {record['event']}, {record['created']}\n{explained(record)}")
    elif context.out.is_text:  # one column for both: why it did not fire, or why nothing ran although it did
        context.out.records(
            [{**record, "reason": record["error"] or record["reason"]} for record in records], HISTORY_COLUMNS
        )
    else:
        context.out.records(records, HISTORY_COLUMNS)
    if silence is not None:
        context.out.note(silence[0])
        context.out.hint(silence[1])


def _silence(tx: Transaction, ref: str, *, is_unasked: bool) -> tuple[str, str] | None:
    """Return why a rule judges nothing, and the next command; None where it does, and for one that is gone."""
    row = definitions.get(tx, "rule", ref)
    if row is None:
        return None
    if not row.enabled:
        return f"rule {ref} is disabled, and looks at no event", f"attune rule enable {ref}"
    trigger_ref = rules.definition_of(row).trigger_ref
    trigger = definitions.get(tx, "trigger", trigger_ref)
    if trigger is not None and not trigger.enabled:
        return (
            f"trigger {trigger_ref} is disabled, and takes no event",
            f"attune trigger enable {trigger_ref}",
        )
    if is_unasked:
        return (
            f"no event of {trigger_ref} has been judged since the rule was made or enabled",
            f"attune event list --trigger {trigger_ref}",
        )
    return None


def _with_outcome(tx: Transaction, verdict: Verdict) -> Record:
    """Return what a rule made of an event, with the execution that came of it, or why none did."""
    enforcement = None if verdict.enforcement is None else enforcements.get(tx, verdict.enforcement)
    return {
        **verdict_record(verdict),
        "execution": None if enforcement is None else enforcement.execution,
        "error": None if enforcement is None else enforcement.error,
    }
