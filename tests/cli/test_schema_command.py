from __future__ import annotations

import ast
import inspect
import json
import os
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from attune_cli.commands import schema
from attune_cli.config import Home, Settings
from attune_cli.declaring import kinds as declared
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.packs import documents, fields, kinds, schemas, source
from attune_cli.runtime.packs.kinds import permission_set
from attune_cli.runtime.packs.kinds.manifest import decode_manifest
from attune_cli.runtime.packs.kinds.workflow import decode_workflow
from attune_cli.runtime.packs.reading import Reading
from attune_cli.runtime.services.notifications import notification_record
from attune_cli.runtime.store import notifications

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.runtime.packs.findings import Finding
    from tests.cli.conftest import Run

Path_ = tuple[str | int, ...]

FILE_KINDS = [kind for kind in schema.KINDS if kind != "parameter"]
DECLARED = {kind: declared.KINDS[kind] for kind in ("channel", "key", "webhook")} | {
    "sensor_switch": declared.KINDS["sensor"]
}
"""Kinds of documents that no pack has."""
FOLDERS_OF_READERS = (Path(inspect.getfile(kinds)).parent, Path(inspect.getfile(declared)).parent)
WORDS = {
    node.value
    for folder in FOLDERS_OF_READERS
    for file in folder.glob("*.py")
    for node in ast.walk(ast.parse(file.read_text()))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"\w+", node.value)
}
"""Every word in the source of the decoders: any key they know is one of them."""
SAMPLES: dict[str, Any] = {
    "text": "x", "ref": "demo.x", "list of texts": ["x"], "boolean": True, "integer": 1, "number": 1,
    "seconds": 1, "duration": "5m", "schema": {"x": {"type": "string"}}, "any": 1, "list": ["x"],
    "mapping": {}, "parameter": {},
}  # fmt: skip


# --- a file of each kind, written from what is documented


def sample(described: dict[str, Any], settings: dict[str, str], spelling: int = 0) -> dict[str, Any]:
    """Return a mapping with every documented key that has a meaning beside the others, in one of its spellings."""
    made: dict[str, Any] = {}
    for name, field in described.items():
        condition = field.get("with")
        if condition is not None:
            key, _, value = condition.partition(": ")
            if made.get(key) != value:
                continue
        written = spellings(name, field)[min(spelling, len(field.get("also", ())))]
        made[written] = settings.get(name) or value_of(field, settings, spelling)
    return made


def spellings(name: str, field: dict[str, Any]) -> list[str]:
    return [name, *field.get("also", ())]


def value_of(field: dict[str, Any], settings: dict[str, str], spelling: int) -> Any:
    if "fields" in field:
        inner = sample(field["fields"], settings, spelling)
        return {"list of mappings": [inner], "mapping by name": {"x": inner}}.get(field["type"], inner)
    if "example" in field:
        return field["example"]
    return field["values"][0] if field["type"] == "choice" else SAMPLES[field["type"]]


def variants(described: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the settings on which keys depend, and none."""
    yield {}
    for field in described.values():
        if "with" in field:
            key, _, value = field["with"].partition(": ")
            yield {key: value}
        yield from list(variants(field.get("fields", {})))[1:]


def findings_of(kind: str, document: dict[str, Any], folder: Path) -> list[Finding]:
    findings: list[Finding] = []
    given = fields.Fields(documents.parse_document(json.dumps(document).encode()), "file", findings)
    reading = Reading("demo", folder, {}, has_all_runtimes=False)
    if kind == "pack":
        decode_manifest(given, "demo")
    elif kind == "workflow":
        decode_workflow(given, reading, "workflows/x.yaml", None, "x")
    elif kind in DECLARED:
        given.text("kind")
        DECLARED[kind].decode(given)
    else:
        source.DECODERS[kind][1](given, reading)
    return findings


def unknown_keys(findings: list[Finding]) -> set[str]:
    found = (re.fullmatch(r"unknown key '(\w+)'", finding.message) for finding in findings)
    return {match[1] for match in found if match}


def ignored_keys(findings: list[Finding]) -> set[str]:
    found = (re.fullmatch(r"'(\w+)' is ignored", finding.message) for finding in findings)
    return {match[1] for match in found if match}


def mappings(document: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the places of the mappings in a sample whose keys are documented."""
    if isinstance(document, dict):
        yield path
    inner = enumerate(document) if isinstance(document, list) else getattr(document, "items", tuple)()
    for name, value in inner:
        yield from mappings(value, (*path, name))


def documented_at(kind: str, path: Path_) -> dict[str, Any] | None:
    """Return the documented fields of the mapping at a place; None where names are the user's own."""
    described = schema.load(kind)["fields"]
    by_name = False
    for part in path:
        if isinstance(part, int) or by_name:
            by_name = False
            continue
        field = next((one for name, one in described.items() if part in spellings(name, one)), None)
        if field is None or "fields" not in field:
            return None
        described, by_name = field["fields"], field["type"] == "mapping by name"
    return None if by_name else described


CASES = [
    (kind, settings, spelling)
    for kind in FILE_KINDS
    for settings in {json.dumps(one): one for one in variants(schema.load(kind)["fields"])}.values()
    for spelling in range(3)
]


@pytest.mark.parametrize(("kind", "settings", "spelling"), CASES, ids=str)
def test_every_documented_key_is_read(
    kind: str, settings: dict[str, str], spelling: int, tmp_path: Path
) -> None:
    document = sample(schema.load(kind)["fields"], settings, spelling)
    findings = findings_of(kind, document, tmp_path)
    assert unknown_keys(findings) | ignored_keys(findings) == set()


@pytest.mark.parametrize(("kind", "settings"), [case[:2] for case in CASES if case[2] == 0], ids=str)
def test_every_key_that_is_read_is_documented(kind: str, settings: dict[str, str], tmp_path: Path) -> None:
    document = sample(schema.load(kind)["fields"], settings)
    places = [place for place in mappings(document) if documented_at(kind, place) is not None]
    assert () in places
    for place in places:
        crowded = json.loads(json.dumps(document))
        described = documented_at(kind, place) or {}
        known = {word for name, field in described.items() for word in spellings(name, field)}
        mapping = crowded
        for part in place:
            mapping = mapping[part]
        # What has a meaning only beside another key stays a stranger without it.
        strangers = WORDS - {word for word in known if word in mapping or word not in described}
        mapping |= dict.fromkeys(strangers, "x")
        findings = findings_of(kind, crowded, tmp_path)
        assert strangers - unknown_keys(findings) - ignored_keys(findings) == set(), place


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_documented_keys_are_required_where_their_absence_is_an_error(kind: str, tmp_path: Path) -> None:
    findings = findings_of(kind, {}, tmp_path)
    found = (re.fullmatch(r"missing key '(\w+)'", finding.message) for finding in findings)
    missing = {match[1] for match in found if match}
    required = {name for name, field in schema.load(kind)["fields"].items() if field.get("required")}
    # A file without ref is skipped before it is decoded; entry_point is needed by some runners only.
    assert missing - {"entry_point"} == required - (set() if kind == "pack" else {"ref"})


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_documented_choices_are_all_there_are(kind: str, tmp_path: Path) -> None:
    described = schema.load(kind)["fields"]
    choices = {
        tuple(part for part in place if isinstance(part, str)): field["values"]
        for place, field in every_field(described)
        if field["type"] == "choice"
    }
    findings = findings_of(kind, spoiled(described), tmp_path)
    told = [re.search(r"'(\w+)': expected one of (.+), got 'x-x'", finding.message) for finding in findings]
    assert sorted((match[1], match[2].split(", ")) for match in told if match) == sorted(
        (place[-1], values) for place, values in choices.items()
    )


def every_field(described: dict[str, Any], path: Path_ = ()) -> Iterator[tuple[Path_, dict[str, Any]]]:
    for name, field in described.items():
        yield (*path, name), field
        yield from every_field(field.get("fields", {}), (*path, name))


def spoiled(described: dict[str, Any]) -> dict[str, Any]:
    """Return a sample in which every choice has a value that is none."""
    return sample(dict(spoiled_fields(described)), {})


def spoiled_fields(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in described.items():
        changed = {**field, "values": ["x-x"]} if field["type"] == "choice" else dict(field)
        if "fields" in field:
            changed["fields"] = dict(spoiled_fields(field["fields"]))
        yield name, changed


def test_documented_words_of_grants_are_those_that_mean_something() -> None:
    grant = schema.load("permission_set")["fields"]["grants"]["fields"]
    assert grant["resource"]["values"] == list(permission_set.RESOURCES)
    assert grant["actions"]["values"] == list(permission_set.RIGHTS)
    assert grant["constraints"]["values"] == list(permission_set.CONSTRAINTS)


def test_documented_keys_of_parameters_are_those_of_the_dialect() -> None:
    described = schema.load("parameter")["fields"]
    assert set(described) == schemas._DIALECT
    assert described["type"]["values"] == list(schemas.TYPES)


def test_every_field_is_described_and_of_a_known_type() -> None:
    for kind in schema.KINDS:
        for place, field in every_field(schema.load(kind)["fields"]):
            assert field["text"], (kind, place)
            assert field["type"] in {*SAMPLES, "choice", "list of mappings", "mapping by name"}, (kind, place)
            assert set(field) <= {
                "type", "text", "required", "default", "values", "also", "with", "example", "fields",
            }, (kind, place)  # fmt: skip


# --- the command


def test_the_kinds_are_listed(run: Run) -> None:
    listed = run("schema", "-q").stdout.splitlines()
    assert listed == [*schema.KINDS, *(f"output {kind}" for kind in schema.OUTPUT_KINDS)]


def test_the_fields_of_a_kind_and_of_a_part_of_it_are_described(run: Run) -> None:
    fields_of = json.loads(run("schema", "action", "-j").stdout)
    retry = next(field for field in fields_of if field["name"] == "retry")
    assert retry["fields"] == run("schema", "action.retry", "-q").stdout.split()
    delivery = next(field for field in fields_of if field["name"] == "parameter_delivery")
    assert (delivery["values"], delivery["default"], delivery["required"]) == (
        ["stdin", "file"],
        "stdin",
        False,
    )
    leaf = json.loads(run("schema", "workflow.tasks.retry.count", "-j").stdout)
    assert (leaf["kind"], leaf["path"], leaf["type"]) == ("field", "workflow.tasks.retry.count", "integer")


def test_schemas_within_files_lead_to_the_dialect_of_parameters(run: Run) -> None:
    assert run("schema", "action.parameters", "-q").stdout == run("schema", "parameter", "-q").stdout
    assert run("schema", "pack.conf_schema.items.minimum", "--field", "type").stdout == "number\n"


def test_another_spelling_of_a_field_will_do(run: Run) -> None:
    assert run("schema", "pack.keywords", "--field", "name").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("acton",), 3, "did you mean action?"),
        (("action.retri",), 3, "did you mean retry?"),
        (("action.retry.count.x",), 3, "no field 'x' in action.retry.count"),
        (("output", "exection"), 3, "did you mean execution?"),
        (("output",), 2, "attune schema output action"),
        (("action", "pack"), 2, "one kind at a time"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(
    run: Run, arguments: tuple[str, ...], code: int, told: str
) -> None:
    result = run("schema", *arguments)
    assert (result.exit_code, result.stdout, told in result.stderr) == (code, "", True)


def test_no_home_is_needed_and_none_is_made(run: Run, tmp_path: Path) -> None:
    assert run("schema", "rule").exit_code == 0
    assert not (tmp_path / "attune_home").exists()


# --- what is printed is as the schema says


def check_record(run: Run, kind: str, record: dict[str, Any], *, full: bool) -> None:
    document = json.loads(run("schema", "output", kind).stdout)
    jsonschema_rs.validator_for(document).validate(record)
    documented = set(document["properties"])
    assert set(record) <= documented, "a field that is not documented"
    assert set(record) == (documented if full else set(document["required"]))


@pytest.mark.parametrize("kind", schema.OUTPUT_KINDS)
def test_the_schema_of_a_record_is_a_json_schema(run: Run, kind: str) -> None:
    document = json.loads(run("schema", "output", kind, "-j").stdout)
    jsonschema_rs.meta.validate(document)
    assert document["title"] == kind


def test_records_of_executions_are_as_documented(run: Run) -> None:
    run("run", "action", "core.echo", "message=hi", "--label", "a=b", "-qq")
    run("run", "action", "core.noop", "exit_code:=3", "-qq")
    run("run", "action", "core.sleep", "seconds:=60", "--timeout", "50ms", "-qq")
    run("run", "action", "core.noop", "--detach", "--queue-offline", "-qq")
    records = json.loads(run("execution", "list", "-j").stdout)
    assert {record["status"] for record in records} == {"completed", "failed", "requested"}
    for record in records:
        check_record(run, "execution", record, full=False)
        shown = json.loads(run("execution", "show", str(record["id"]), "-j").stdout)
        check_record(run, "execution", shown, full=True)


def test_records_of_keys_packs_and_actions_are_as_documented(run: Run) -> None:
    run("key", "set", "a.token", "-", input="x")
    run("key", "set", "b.token", "-", "--scope", "pack:core", "--plain", input="x")
    for kind in ("key", "pack", "action"):
        records = json.loads(run(kind, "list", "-j").stdout)
        assert records
        for record in records:
            check_record(run, kind, record, full=False)
            shown = json.loads(run(kind, "show", record["ref"], "-j").stdout)
            check_record(run, kind, shown, full=True)


def test_records_of_rules_and_triggers_are_as_documented(run: Run) -> None:
    run("trigger", "create", "app.disk", "--out-schema", '{"mount": {"type": "string"}}')
    run(
        "rule",
        "create",
        "--trigger",
        "app.disk",
        "--action",
        "core.echo",
        "--after",
        "3/5m",
        "--once-within",
        "1h",
    )
    run("rule", "create", "local.night", "--trigger", "core.intervaltimer", "--action", "core.noop")
    run(
        "rule",
        "create",
        "local.x",
        "--trigger",
        "app.disk",
        "--action",
        "core.noop",
        "--unless",
        "core.alert/5m",
    )
    assert run("rule", "list", "--count").stdout == "3\n"
    for kind in ("rule", "trigger"):
        for record in json.loads(run(kind, "list", "-j").stdout):
            check_record(run, kind, record, full=False)
            shown = json.loads(run(kind, "show", record["ref"], "-j").stdout)
            check_record(run, kind, shown, full=True)


def test_records_of_channels_and_changes_are_as_documented(run: Run) -> None:
    run("notify", "add", "ops", "-", "--on", "rule.fired", "--pack", "core", input="json://127.0.0.1:9/")
    check_record(run, "channel", json.loads(run("notify", "show", "ops", "-j").stdout), full=True)
    run("run", "core.noop", "-qq")
    home = Home(Path(os.environ["ATTUNE_HOME"]))
    with open_store_for_reading(home, Settings()).read(0) as tx:
        changes = [notification_record(one) for one in notifications.since(tx, 0)]
    assert len(changes) == 3
    for change in changes:
        check_record(run, "notification", change, full=True)


def test_a_record_that_is_not_as_documented_is_noticed(run: Run) -> None:
    run("key", "set", "a", "-", input="x")
    record = json.loads(run("key", "show", "a", "-j").stdout)
    for fault in ({"encrypted": "yes"}, {"owner_type": "nobody"}, {"id": 0}):
        with pytest.raises(jsonschema_rs.ValidationError):
            check_record(run, "key", record | fault, full=True)
    with pytest.raises(AssertionError):
        check_record(run, "key", record | {"more": 1}, full=True)


def test_the_tables_are_not_read_by_other_commands() -> None:
    text = inspect.getsource(import_module("attune_cli.commands.schema"))
    assert not re.search(r"^(import|from) yaml", text, re.MULTILINE)
