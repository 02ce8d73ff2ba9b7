"""Actions: what people and scripts may ask of the installed ones."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from attune_cli.errors import NotFoundError, did_you_mean
from attune_cli.runtime.clock import rfc3339
from attune_cli.runtime.model.actions import WORKFLOW_RUNNER, ActionDefinition
from attune_cli.runtime.model.parameters import in_order, to_json_schema, types_of
from attune_cli.runtime.store import definitions, packs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.runtime.model.actions import Schema
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.definitions import Row

Record = dict[str, Any]

_EXAMPLES: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
}


def list_actions(
    tx: Transaction,
    *,
    pack_ref: str | None = None,
    runtime: str | None = None,
    workflow: bool | None = None,
    after: str = "",
) -> list[Record]:
    """Return actions by ref: of one pack, of one runtime (ref or its name), workflows only or none."""
    records = [action_record(row) for row in definitions.all_of(tx, "action", pack_ref=pack_ref, after=after)]
    return [record for record in records if _fits(record, runtime, workflow)]


def _fits(record: Record, runtime: str | None, workflow: bool | None) -> bool:
    runner = record["runner_type"]
    if runtime is not None and runtime not in {runner, runner.partition(".")[2]}:
        return False
    return workflow is None or workflow == (runner == WORKFLOW_RUNNER)


def find(tx: Transaction, ref: str) -> Row:
    """Return an action's row; raises NotFoundError."""
    row = definitions.get(tx, "action", ref)
    if row is None:
        suggestion = did_you_mean(ref, definitions.refs(tx, "action"))
        raise NotFoundError(f"no action '{ref}'", hint=suggestion or "attune action list")
    return row


def show_action(tx: Transaction, ref: str) -> Record:
    """Return the full record of an action."""
    row = find(tx, ref)
    action = ActionDefinition.from_json(row.definition)
    pack = packs.get(tx, action.pack_ref)
    return {
        **action_record(row),
        "pack": row.pack,
        "pack_version": None if pack is None else pack.version,
        "entrypoint": action.entry_point,
        "param_schema": action.parameters,
        "out_schema": action.output,
        "parameter_delivery": action.parameter_delivery,
        "parameter_format": action.parameter_format,
        "output_format": action.output_format,
        "runtime_version": action.runtime_version,
        "workflow_file": action.workflow_file,
        "container": action.container,
        "timeout_seconds": action.timeout_seconds,
        "retry": row.definition["retry"],
        "concurrency": action.concurrency,
        "accesses_mcp": action.accesses_mcp,
        "default_execution_permission_set_refs": list(action.permission_set_refs),
        "parameters": parameter_records(action.parameters),
    }


def action_record(row: Row) -> Record:
    """Return the summary of an action (api.md, records)."""
    return {
        "kind": "action",
        "id": row.id,
        "ref": row.ref,
        "pack_ref": row.definition["pack_ref"],
        "label": row.label,
        "description": row.description,
        "runner_type": row.definition["runner_type"],
        "runtime_ref": row.definition["runner_type"],
        "enabled": row.enabled,
        "is_adhoc": row.is_adhoc,
        "tags": row.definition.get("tags") or [],
        "created": rfc3339(row.created),
        "updated": rfc3339(row.updated),
    }


def parameter_records(schema: Schema) -> list[Record]:
    """Return one record for each parameter: those with a position first, in its order."""
    return [
        {
            "name": name,
            "type": " or ".join(types_of(leaf)) or "any",
            "required": leaf.get("required") is True,
            "secret": leaf.get("secret") is True,
            "default": leaf.get("default"),
            "enum": leaf.get("enum"),
            "description": leaf.get("description") or "",
        }
        for name, leaf in in_order(schema)
    ]


def json_schema(tx: Transaction, ref: str) -> Record:
    """Return the JSON Schema of an action's parameters; others are refused when it declares any."""
    schema = ActionDefinition.from_json(find(tx, ref).definition).parameters
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": ref,
        **to_json_schema(schema),
    }
    return {**document, **({"additionalProperties": False} if schema else {})}


def example_command(tx: Transaction, ref: str) -> str:
    """Return a command line that starts an action: what is required, and what has a position."""
    schema = ActionDefinition.from_json(find(tx, ref).definition).parameters
    words = [
        _argument(name, leaf)
        for name, leaf in in_order(schema)
        if leaf.get("required") is True or isinstance(leaf.get("position"), int)
    ]
    return " ".join(["attune run action", ref, *words])


def _argument(name: str, leaf: dict[str, Any]) -> str:
    """Return `name=value` with the default, the first of the allowed values, or one of the type."""
    if leaf.get("secret") is True:
        return f"{name}=key://KEY"
    kind = next(iter(types_of(leaf)), "string")
    allowed = leaf.get("enum") or [_EXAMPLES.get(kind, "text")]
    value = leaf.get("default") if leaf.get("default") is not None else allowed[0]
    if isinstance(value, str):
        return shlex.quote(f"{name}={value}")
    return shlex.quote(f"{name}:={json.dumps(value)}")


def set_enabled(tx: Transaction, refs: Iterable[str], *, enabled: bool) -> dict[str, list[str]]:
    """Enable or disable actions, all or (when one does not exist) none; says which changed."""
    rows = [find(tx, ref) for ref in refs]
    changed = [row.ref for row in rows if definitions.set_enabled(tx, "action", row.ref, enabled=enabled)]
    return {"changed": changed, "unchanged": [row.ref for row in rows if row.ref not in changed]}


def search(tx: Transaction, words: Sequence[str]) -> list[Record]:
    """Return the actions that hold every word, the best first: a hit in the ref counts most."""
    wanted = [word.lower() for word in words]
    scored = [(_score(record, wanted), record) for record in list_actions(tx)]
    hits = sorted((item for item in scored if item[0]), key=lambda item: (-item[0], item[1]["ref"]))
    return [{**record, "score": score} for score, record in hits]


def _score(record: Record, words: Sequence[str]) -> int:
    """Return how well a record fits; 0 when a word is nowhere in it."""
    places = (
        (8, record["ref"]),
        (4, record["label"]),
        (2, " ".join(record["tags"])),
        (1, record["description"]),
    )
    scores = [sum(weight for weight, text in places if word in text.lower()) for word in words]
    return sum(scores) if all(scores) else 0
