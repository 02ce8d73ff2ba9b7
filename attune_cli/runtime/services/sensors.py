"""Sensors: which are installed, which are wanted and for what, and how their processes are (domain.md 1.6, 3.4)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from attune_cli.errors import AttuneError, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.actions import RuntimeDefinition
from attune_cli.runtime.model.automations import SensorDefinition
from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.model.json_values import unfit
from attune_cli.runtime.model.parameters import prepare, secret_pointers
from attune_cli.runtime.model.pointers import value_at
from attune_cli.runtime.services import pack_config
from attune_cli.runtime.services.environments import content_folder
from attune_cli.runtime.services.records import time_or_none
from attune_cli.runtime.store import definitions, packs, sensors
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from attune_cli.config import Home
    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.services.records import Record
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Row
    from attune_cli.runtime.store.packs import Pack
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.sensors import Interest

MAX_STATE_NAMES = 1000
MAX_STATE_NAME_LENGTH = 200


@immutable(kw_only=True)
class Assignment:
    """A sensor, and all that its process is started with."""

    id: int
    ref: str
    definition: SensorDefinition
    runtime: RuntimeDefinition | None
    folder: Path
    """Where the files of its pack lie."""
    config: dict[str, Any]
    """The pack's configuration under the sensor's own values; secret ones in the clear."""
    secrets: tuple[str, ...]
    trigger_refs: tuple[str, ...]
    """The triggers it may fire."""
    triggers: tuple[dict[str, Any], ...]
    """One entry for each rule: `id ref config` (ATTUNE_SENSOR_TRIGGERS)."""
    generation: tuple[Instant, Instant]
    """Another one when the sensor or its pack was changed, or a restart was asked for."""
    fault: str | None = None
    """Why it cannot be started."""


# --- where its files lie


def state_path(home: Home, ref: str) -> Path:
    """Return the file in which a sensor finds at its start what it kept."""
    return home.path / "sensors" / ref / "state.json"


def log_path(home: Home, ref: str, stream: str) -> Path:
    """Return the newest file of what a sensor wrote on `stdout` or `stderr`; older ones have a number behind it."""
    return home.path / "sensors" / ref / f"{stream}.log"


# --- what is wanted


def wanted(tx: Transaction, *, home: Home, sealer: Sealer) -> dict[str, Assignment]:
    """Return the sensors that should run, by ref: enabled, installed, and of use to an enabled rule."""
    found: dict[str, Assignment] = {}
    enabled = definitions.enabled(tx, "sensor")
    owned = _owned_triggers(enabled)
    for row in enabled:
        trigger_refs = tuple(owned[row.ref])
        interests = sensors.interests(tx, trigger_refs) if trigger_refs and _is_process(row) else []
        if interests:
            assignment = assign(tx, row, interests, trigger_refs, home=home, sealer=sealer)
            if assignment is not None:
                found[row.ref] = assignment
    return found


def assign(
    tx: Transaction,
    row: Row,
    interests: Iterable[Interest],
    trigger_refs: tuple[str, ...],
    *,
    home: Home,
    sealer: Sealer,
) -> Assignment | None:
    """Work out what a sensor is started with; None when its pack is not installed."""
    definition = SensorDefinition.from_json(row.definition)
    pack = packs.get(tx, definition.pack_ref)
    if pack is None:
        return None
    runtime = definitions.get(tx, "runtime", definition.runner_type)
    fault = None if runtime else f"no installed pack defines the runtime {definition.runner_type}"
    config: dict[str, Any] = {}
    secrets: tuple[str, ...] = ()
    try:
        config, secrets = _config(pack, definition, sealer)
    except AttuneError as error:  # the key is gone: told of the one sensor that needs it
        fault = fault or error.message
    return Assignment(
        id=row.id,
        ref=row.ref,
        definition=definition,
        runtime=None if runtime is None else RuntimeDefinition.from_json(runtime.definition),
        folder=content_folder(pack, home),
        config=config,
        secrets=secrets,
        trigger_refs=trigger_refs,
        triggers=_entries(tx, interests),
        generation=(row.updated, pack.updated),
        fault=fault,
    )


def _owned_triggers(enabled: Iterable[Row]) -> defaultdict[str, list[str]]:
    """Return the triggers of each sensor. A trigger has one sensor: the one that came last (domain.md 1.6)."""
    owners: dict[str, str] = {}
    for row in sorted(enabled, key=lambda row: row.id):
        owners.update(dict.fromkeys(row.definition["trigger_types"], row.ref))
    owned: defaultdict[str, list[str]] = defaultdict(list)
    for trigger_ref, sensor_ref in owners.items():
        owned[sensor_ref].append(trigger_ref)
    return owned


def _is_process(row: Row) -> bool:
    """Tell a sensor with a program of its own from one that is the engine itself."""
    return bool(row.definition["entry_point"])


def _entries(tx: Transaction, interests: Iterable[Interest]) -> tuple[dict[str, Any], ...]:
    schemas: dict[str, dict[str, Any]] = {}
    entries: list[dict[str, Any]] = []
    for one in interests:
        if one.trigger_ref not in schemas:
            row = definitions.get(tx, "trigger", one.trigger_ref)
            schemas[one.trigger_ref] = row.definition["parameters"] if row else {}
        params = prepare(schemas[one.trigger_ref], one.params)[0]
        entries.append({"id": one.rule, "ref": one.trigger_ref, "config": params})
    return tuple(entries)


def _config(
    pack: Pack, definition: SensorDefinition, sealer: Sealer
) -> tuple[dict[str, Any], tuple[str, ...]]:
    values = pack_config.values(pack, sealer)
    schema = PackManifest.from_json(pack.manifest).conf_schema | definition.parameters
    given = prepare(definition.parameters, {**values, **definition.config})[0]
    hidden = [value_at(given, pointer) for pointer in secret_pointers(schema, given)]
    return given, tuple(value for value in hidden if isinstance(value, str))


# --- what a sensor keeps


def keep_state(tx: Transaction, sensor_ref: str, name: str, value: object) -> None:
    """Keep a value for a sensor, null forgetting it; raises UsageError when there are too many."""
    if not name or len(name) > MAX_STATE_NAME_LENGTH:
        raise UsageError(f"the name of a state has 1 to {MAX_STATE_NAME_LENGTH} characters")
    fault = unfit([name, value])
    if fault is not None:
        raise UsageError(f"a state cannot be kept that {fault}")
    if value is not None and sensors.state_count(tx, sensor_ref, beside=name) >= MAX_STATE_NAMES:
        raise UsageError(f"a sensor keeps at most {MAX_STATE_NAMES} states")
    sensors.put_state(tx, sensor_ref, name, value)


# --- what people and scripts may ask


def find(tx: Transaction, ref: str) -> Row:
    """Return a sensor's row; raises NotFoundError."""
    row = definitions.get(tx, "sensor", ref)
    if row is None:
        suggestion = did_you_mean(ref, definitions.refs(tx, "sensor"))
        raise NotFoundError(f"no sensor '{ref}'", hint=suggestion or "attune sensor list")
    return row


def list_sensors(
    tx: Transaction, *, pack_ref: str | None = None, after: str = "", is_daemon_running: bool
) -> list[Record]:
    """Return sensors by ref; without a daemon nothing runs, whatever the last one has left in the file."""
    known = sensors.processes(tx)
    rows = definitions.all_of(tx, "sensor", pack_ref=pack_ref, after=after)
    return [_record(row, known, is_daemon_running=is_daemon_running) for row in rows]


def show_sensor(tx: Transaction, ref: str, *, is_daemon_running: bool) -> Record:
    """Return the full record of a sensor, with the rules that want it and what it keeps."""
    row = find(tx, ref)
    interests = sensors.interests(tx, row.definition["trigger_types"])
    return {
        **_record(row, sensors.processes(tx), is_daemon_running=is_daemon_running),
        "entrypoint": row.definition["entry_point"],
        "runtime_version": row.definition["runtime_version"],
        "rule_changes": row.definition.get("rule_changes", "restart"),
        "config": row.definition["config"],
        "rules": [one.rule_ref for one in interests],
        "kept": sensors.state(tx, ref),
    }


def _record(row: Row, known: Mapping[str, sensors.Process], *, is_daemon_running: bool) -> Record:
    """Return the summary of a sensor; absent values are null, never missing."""
    process = known.get(row.ref) or sensors.Process(sensor_ref=row.ref, status="stopped")
    is_kept = row.enabled and is_daemon_running
    return {
        "kind": "sensor",
        "id": row.id,
        "ref": row.ref,
        "pack_ref": row.definition["pack_ref"],
        "label": row.label,
        "description": row.description,
        "runner_type": row.definition["runner_type"],
        "trigger_refs": row.definition["trigger_types"],
        "enabled": row.enabled,
        "state": _state(row, process, is_daemon_running=is_daemon_running),
        "pid": process.pid if is_kept else None,
        "started": time_or_none(process.started),
        "restarts": process.restarts,
        "events": process.events,
        "refused": process.refused,
        "last_event": time_or_none(process.last_event),
        "next_start": time_or_none(process.next_start if is_kept else None),
        "error": process.error,
        "created": rfc3339(row.created),
        "updated": rfc3339(row.updated),
    }


def _state(row: Row, process: sensors.Process, *, is_daemon_running: bool) -> str:
    if not row.enabled:
        return "disabled"
    if not _is_process(row):
        return "built in"
    return process.status if is_daemon_running else "stopped"


def set_enabled(tx: Transaction, refs: Iterable[str], *, enabled: bool) -> dict[str, list[str]]:
    """Enable or disable sensors, all or (when one does not exist) none; says which changed."""
    rows = [find(tx, ref) for ref in refs]
    changed = [row.ref for row in rows if definitions.set_enabled(tx, "sensor", row.ref, enabled=enabled)]
    return {"changed": changed, "unchanged": [row.ref for row in rows if row.ref not in changed]}


def restart(tx: Transaction, refs: Iterable[str]) -> list[str]:
    """Have the processes of sensors started anew by their daemon; raises for one that has none."""
    rows = [find(tx, ref) for ref in refs]
    for row in rows:
        if not _is_process(row):
            raise UsageError(f"sensor '{row.ref}' is the engine itself", hint="attune engine reload")
    for row in rows:
        sensors.touch(tx, row.ref)
    return [row.ref for row in rows]
