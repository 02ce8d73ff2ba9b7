"""What must hold of events, verdicts, enforcements and timers in every history."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.clock import SECOND, rfc3339

if TYPE_CHECKING:
    from attune_cli.runtime.store.database import Store
    from tests.simulation.reaction_history import ReactionHistory

_ONE_AT_A_TIME = ("sim.single", "sim.queued", "sim.replace")
_FIRINGS = 4


def _rows(store: Store, statement: str, *values: object) -> list[tuple[Any, ...]]:
    return store.connection.execute(statement, values).fetchall()


def live_limits(store: Store) -> list[str]:
    """Return which rules have more runs than their mode allows, at this moment: has to be asked after every commit."""
    marks = ", ".join("?" for _ in _ONE_AT_A_TIME)
    return [
        f"rule {rule} has {count} runs"
        for rule, count in _rows(
            store,
            f"SELECT rule_ref, count(*) FROM execution WHERE finished IS NULL AND rule_ref IN ({marks})"
            " GROUP BY 1 HAVING count(*) > 1",
            *_ONE_AT_A_TIME,
        )
    ]


def unsettled(store: Store) -> list[tuple[Any, ...]]:
    """Return what waits for something that will come: nothing of it may be left at the end."""
    return [
        *_rows(store, "SELECT 'event', id FROM event WHERE pending"),
        *_rows(store, "SELECT 'verdict', id FROM verdict WHERE due IS NOT NULL OR outcome = 'waiting'"),
        *_rows(store, "SELECT 'enforcement', id FROM enforcement WHERE status = 'created'"),
        *_rows(store, "SELECT 'timer', rule FROM timer WHERE due IS NOT NULL"),
        *_rows(
            store,
            "SELECT 'rule without timer', ref FROM rule WHERE enabled"
            " AND json_extract(definition, '$.trigger_ref') = 'core.rruletimer'"
            " AND NOT EXISTS (SELECT 1 FROM timer WHERE rule = rule.id)",
        ),
    ]


def reaction_violations(history: ReactionHistory) -> list[str]:
    """Return every broken invariant, in words."""
    store = history.database
    return [
        *_told(store, history.acknowledged),
        *_judged(store, history.touched),
        *_enforced(store),
        *_windows(store, history),
        *_timer(store, history),
        *_platform(store, history.touched),
    ]


def _told(store: Store, acknowledged: set[str]) -> list[str]:
    keys = [key for (key,) in _rows(store, "SELECT dedup_key FROM event WHERE source = 'user'")]
    found = [f"event {key} exists twice" for key in keys if keys.count(key) > 1]
    return found + [f"event {key} was acknowledged and is lost" for key in sorted(acknowledged - set(keys))]


def _judged(store: Store, touched: set[str]) -> list[str]:
    """Every event is judged exactly once by every rule that it concerned."""
    rows = _rows(
        store,
        """SELECT event.id, rule.ref, (SELECT count(*) FROM verdict WHERE event = event.id AND rule = rule.id)
           FROM event JOIN rule ON json_extract(rule.definition, '$.trigger_ref') = event.trigger_ref
           WHERE event.rule_ref IS NULL OR event.rule_ref = rule.ref""",
    )
    return [
        f"rule {rule} has judged event {event} {count} times"
        for event, rule, count in rows
        if count != 1 and rule not in touched
    ]


def _enforced(store: Store) -> list[str]:
    """One enforcement for each firing, one execution for each enforcement, and none without."""
    found = [
        f"verdict {verdict} is {outcome}, and its enforcement {enforcement}"
        for verdict, outcome, enforcement in _rows(store, "SELECT id, outcome, enforcement FROM verdict")
        if (outcome == "fired") != (enforcement is not None)
    ]
    found += [
        f"enforcement {enforcement} is {status} and has {count} executions"
        for enforcement, status, count in _rows(
            store,
            """SELECT id, status, (SELECT count(*) FROM execution WHERE enforcement = enforcement.id AND attempt = 1)
               FROM enforcement""",
        )
        if count != (status == "processed")
    ]
    found += [
        f"enforcement {enforcement} has no verdict"
        for (enforcement,) in _rows(
            store,
            """SELECT id FROM enforcement WHERE NOT EXISTS (SELECT 1 FROM verdict
                 WHERE verdict.enforcement = enforcement.id AND verdict.event = enforcement.event)""",
        )
    ]
    found += [
        f"execution {execution} of a rule has no enforcement"
        for (execution,) in _rows(
            store, "SELECT id FROM execution WHERE rule_ref IS NOT NULL AND enforcement IS NULL"
        )
    ]
    return found


def _windows(store: Store, history: ReactionHistory) -> list[str]:
    """Conditions over time hold by the times of the events, whatever crashed between them."""
    from tests.simulation.reaction_history import ONCE_SECONDS, UNLESS_SECONDS

    if history.knobs.clock_jump:
        return []
    found: list[str] = []
    last: dict[str, int] = {}
    for event, host, created in _fired_by(store, "sim.once"):
        if created - last.get(host, -(10**18)) < ONCE_SECONDS * SECOND:
            found.append(f"once fired too early with event {event}")
        last[host] = created
    for event, host, created in _fired_by(store, "sim.patient"):
        (between,) = _rows(
            store,
            """SELECT count(*) FROM event WHERE trigger_ref = 'sim.up' AND id > ? AND created <= ?
                 AND json_extract(payload, '$.host') = ?""",
            event,
            created + UNLESS_SECONDS * SECOND,
            host,
        )
        if between[0] and "sim.patient" not in history.touched:
            found.append(f"patient fired with event {event}, though something came between")
    counted = [
        row[1]
        for row in _rows(
            store, "SELECT event, outcome FROM verdict WHERE rule_ref = 'sim.after' ORDER BY event"
        )
    ]
    if any(first == "fired" == second for first, second in pairwise(counted)):
        found.append("after fired with two events in a row")
    return found


def _fired_by(store: Store, rule: str) -> list[tuple[int, str, int]]:
    return _rows(
        store,
        """SELECT event.id, json_extract(payload, '$.host'), event.created FROM verdict
             JOIN event ON event.id = verdict.event
           WHERE verdict.rule_ref = ? AND outcome = 'fired' ORDER BY event.id""",
        rule,
    )


def _timer(store: Store, history: ReactionHistory) -> list[str]:
    """Each instant of the timer has fired exactly once: it catches up on what it missed."""
    if "sim.clock" in history.touched:
        return []
    keys = [
        key
        for (key,) in _rows(store, "SELECT dedup_key FROM event WHERE source = 'timer' ORDER BY dedup_key")
    ]
    (rule,) = _rows(store, "SELECT id FROM rule WHERE ref = 'sim.clock'")
    planned = [
        f"timer:{rule[0]}:{rfc3339(history.begin + number * 20 * SECOND)}"
        for number in range(1, _FIRINGS + 1)
    ]
    counts = [
        json.loads(payload)["execution_count"]
        for (payload,) in _rows(store, "SELECT payload FROM event WHERE source = 'timer' ORDER BY id")
    ]
    found = [] if keys == planned else [f"the timer fired at {keys}, not at {planned}"]
    return found if counts == list(range(1, _FIRINGS + 1)) else [*found, f"the timer counted {counts}"]


def _platform(store: Store, touched: set[str]) -> list[str]:
    """Each bad end that is nobody's own doing was told exactly once."""
    if "sim.told" in touched:
        return []
    ended = _rows(
        store,
        """SELECT id, (SELECT count(*) FROM event WHERE trigger_ref = 'core.execution_finished'
                         AND json_extract(payload, '$.execution') = execution.id)
           FROM execution WHERE status IN ('failed', 'abandoned') AND next_attempt IS NULL
             AND rule_ref IS NOT 'sim.told'""",
    )
    return [
        f"the end of execution {execution} was told {count} times" for execution, count in ended if count != 1
    ]
