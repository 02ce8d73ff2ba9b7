"""Lists of executions: filters, pages, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, UsageError, did_you_mean
from attune_cli.output import Column
from attune_cli.reading.pairs import read_pairs
from attune_cli.reading.words import read_time
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.model.states import TERMINAL, Status
from attune_cli.runtime.services import executions
from attune_cli.runtime.store.execution_search import SORTABLE, Filter, count
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction

_SHOWN_CHARACTERS = 400
_PARENT = Column("PARENT", "parent", kind="number")

_GROUPS: dict[str, tuple[str, ...]] = {
    "running": ("scheduled", "running", "canceling"),
    "done": tuple(sorted(TERMINAL)),
    "bad": ("failed", "abandoned", "timeout"),
}


def read_statuses(words: Sequence[str] | None) -> tuple[tuple[str, ...], bool]:
    """Return the statuses meant by `-s`, and whether those that ran out of time are meant as well."""
    statuses: list[str] = []
    for word in (part for text in words or () for part in text.split(",")):
        if word in _GROUPS:
            statuses += _GROUPS[word]
        elif word in set(Status):
            statuses.append(word)
        else:
            known = list(dict.fromkeys([*Status, *_GROUPS]))
            raise UsageError(
                f"no status {word!r}", hint=did_you_mean(word, known) or f"one of {', '.join(known)}"
            )
    return tuple(dict.fromkeys(statuses)), "timeout" in statuses


@immutable(kw_only=True)
class ListOptions:
    """The options of a list, as typed."""

    action: str | None = None
    pack: str | None = None
    workflow: str | None = None
    rule: str | None = None
    trigger: str | None = None
    status: Sequence[str] | None = None
    since: str | None = None
    until: str | None = None
    label: Sequence[str] | None = None
    parent: int | None = None
    root: bool = False
    result: str | None = None
    limit: int | None = None
    after: int | None = None
    sort: str | None = None
    reverse: bool = False

    def explain_emptiness(self, context: Context) -> None:
        """Warn of names that nothing has: a slip may be why nothing meets them."""
        from attune_cli.reading.naming import named, warn_of_unknown

        meant = named(pack=self.pack, rule=self.rule, action=self.action, trigger=self.trigger)
        warn_of_unknown(context, meant)

    def criteria(self, *, limit: int | None) -> Filter:
        """Return what they mean; raises UsageError for what means nothing."""
        statuses, timed_out = read_statuses(self.status)
        if self.sort is not None:
            self._check_sort(self.sort)
        return Filter(
            action_ref=self.action,
            pack_ref=self.pack,
            workflow_ref=self.workflow,
            rule_ref=self.rule,
            trigger_ref=self.trigger,
            statuses=statuses,
            timed_out=timed_out,
            created_from=read_time("--since", self.since),
            created_until=read_time("--until", self.until),
            labels=tuple(read_pairs("--label", self.label or ()).items()),
            parent=self.parent,
            top_level_only=self.root,
            result_contains=self.result,
            after=self.after,
            limit=limit,
            sort=self.sort,
            reverse=self.reverse,
        )

    def _check_sort(self, field: str) -> None:
        if field not in SORTABLE:
            raise UsageError(
                f"no field {field!r} to sort by; fields are {', '.join(SORTABLE)}",
                code="unknown_field",
                hint=did_you_mean(field, SORTABLE),
            )
        if self.after is not None:
            raise UsageError(
                "--after goes on by id, so it excludes --sort", hint="--all, or a larger --limit"
            )


def show_list(
    context: Context, options: ListOptions, columns: Sequence[Column], *, count: bool, fail_empty: bool
) -> None:
    """Print the executions meant; a note says when there are more."""
    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        if count:
            number = _count(tx, options)
            if not number:
                options.explain_emptiness(context)
            context.out.value(number)
            return
        # One more than asked for tells whether there are more.
        found = executions.list_executions(
            tx, options.criteria(limit=None if options.limit is None else options.limit + 1)
        )
    shown = found if options.limit is None else found[: options.limit]
    if not shown:
        options.explain_emptiness(context)
    if not shown and fail_empty:
        raise NotFoundError("no execution meets this", code="empty")
    # A pipe has the same columns whatever the rows are.
    some_are_parts = context.out.is_terminal and any(one["parent"] is not None for one in shown)
    context.out.records(shown, (*columns, _PARENT) if some_are_parts else columns)
    if len(found) > len(shown):
        further = "" if options.sort else f", or --after {shown[-1]['id']}"
        context.out.note(f"there are more: --all{further}")


def _count(tx: Transaction, options: ListOptions) -> int:
    return count(tx, options.criteria(limit=None))


def shortened(record: Record) -> Record:
    """Return a record for a terminal: a long stdout in its result gives way to the command that shows it."""
    result: dict[str, Any] = record["result"] or {}
    if len(result.get("stdout") or "") <= _SHOWN_CHARACTERS:
        return record
    text = f"{result['stdout'][:_SHOWN_CHARACTERS]} … attune execution logs {record['id']}"
    return {**record, "result": {**result, "stdout": text}}


def show_stats(context: Context, *, by: str, since: str | None) -> None:
    """Print counts and durations by action, status or day."""
    if by not in {"action", "status", "day"}:
        raise UsageError(f"--by {by!r} is none of action, status, day")
    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        rows = executions.stats(tx, by=by, since=read_time("--since", since))
    columns = (
        Column(by.upper(), by),
        Column("COUNT", "count", kind="number"),
        Column("COMPLETED", "completed", kind="number"),
        Column("BAD", "bad", kind="number"),
        Column("P50", "p50_ms", kind="duration"),
        Column("P95", "p95_ms", kind="duration"),
    )
    context.out.records(rows, columns)
