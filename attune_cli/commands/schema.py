"""`attune schema`: the fields of the files people write, and the JSON Schema of what attune prints.

Both are data: fields/KIND.yaml and fields/output/KIND.yaml. A test holds the first against what the readers of packs
accept, both ways, and the second against real records.
"""

from pathlib import Path
from typing import Annotated, Any

from typer import Argument

from attune_cli.context import Context, Noun
from attune_cli.errors import NotFoundError, UsageError, did_you_mean
from attune_cli.output import Column

app = Noun("Show the fields of files and of output.")

Record = dict[str, Any]

_FIELDS = Path(__file__).parent / "fields"
KINDS = tuple(sorted(file.stem for file in _FIELDS.glob("*.yaml")))
OUTPUT_KINDS = tuple(sorted(file.stem for file in (_FIELDS / "output").glob("*.yaml")))
_OUTPUT = "output"
_INNER_KINDS = {"schema": "parameter", "parameter": "parameter"}
"""Type of a field that is described by another kind → that kind."""

_LISTED = (
    Column("KIND", "name"),
    Column("FILE", "file", kind="text"),
    Column("DESCRIPTION", "description", kind="text"),
)
_SHOWN = (
    Column("NAME", "name"),
    Column("TYPE", "type"),
    Column("REQUIRED", "required"),
    Column("DEFAULT", "default"),
    Column("DESCRIPTION", "description", kind="text"),
    Column("ONE OF", "values", kind="text"),
)


@app.command(
    "schema",
    examples=[
        "attune schema action",
        "attune schema action.retry",
        "attune schema output execution > execution.schema.json",
    ],
)
def schema(
    context: Context,
    path: Annotated[
        str | None,
        Argument(metavar="KIND[.PATH]", help="A kind of file, or a field of it; or the word output."),
    ] = None,
    output_kind: Annotated[
        str | None, Argument(metavar="[KIND]", help="After output: a kind of record.")
    ] = None,
) -> None:
    """List the kinds; describe the fields of one; or print the JSON Schema of a record."""
    if path is None:
        context.out.records([*_kinds()], _LISTED)
    elif path == _OUTPUT:
        context.out.value(output_schema(_known(output_kind or "", OUTPUT_KINDS, "attune schema output")))
    elif output_kind is not None:
        raise UsageError(f"one kind at a time: {path}", hint=f"attune schema {path}")
    else:
        _describe(context, path)


def _kinds() -> list[Record]:
    files = [
        {"kind": "schema", "name": kind, "file": table["file"], "description": table["about"]}
        for kind, table in ((kind, load(kind)) for kind in KINDS)
    ]
    outputs = [
        {"kind": "schema", "name": f"{_OUTPUT} {kind}", "file": None, "description": f"Record of: {kind}."}
        for kind in OUTPUT_KINDS
    ]
    return [*files, *outputs]


def _describe(context: Context, path: str) -> None:
    kind, *steps = path.split(".")
    table = load(_known(kind, KINDS, "attune schema"))
    fields: Record = table["fields"]
    if not steps:
        context.out.records(field_records(kind, fields), _SHOWN)
        context.out.note(f"{table['file']}: {table['about']}")
        return
    field: Record = {}
    for number, step in enumerate(steps):
        place = ".".join([kind, *steps[:number]])
        field = _field(fields, step, place)
        fields = inner_fields(field)
    if fields:
        context.out.records(field_records(path, fields), _SHOWN)
        context.out.note(f"{path}: {field['text']}")
    else:
        context.out.record(_field_record(path, steps[-1], field))


def _known(kind: str, known: tuple[str, ...], command: str) -> str:
    if kind in known:
        return kind
    if not kind:
        raise UsageError(f"{command} needs one of {', '.join(known)}", hint=f"{command} {known[0]}")
    raise NotFoundError(
        f"no kind {kind!r}; there are {', '.join(known)}", code="unknown_kind", hint=did_you_mean(kind, known)
    )


def _field(fields: Record, name: str, place: str) -> Record:
    """Return a field by its name or another spelling of it."""
    for known, field in fields.items():
        if name == known or name in field.get("also", ()):
            return field
    names = [*fields]
    raise NotFoundError(
        f"no field {name!r} in {place}" + (f"; fields are {', '.join(names)}" if names else ""),
        code="unknown_field",
        hint=did_you_mean(name, names),
    )


def load(kind: str) -> Record:
    """Return the table of a kind of file: `file`, `about`, `fields`."""
    import yaml

    return yaml.safe_load((_FIELDS / f"{kind}.yaml").read_text("utf-8"))


def inner_fields(field: Record) -> Record:
    """Return the fields within a field; {} for one that has none."""
    inner = _INNER_KINDS.get(field["type"])
    return load(inner)["fields"] if inner else field.get("fields", {})


def field_records(place: str, fields: Record) -> list[Record]:
    return [_field_record(f"{place}.{name}", name, field) for name, field in fields.items()]


def _field_record(path: str, name: str, field: Record) -> Record:
    return {
        "kind": "field",
        "name": name,
        "path": path,
        "type": field["type"],
        "required": field.get("required", False),
        "default": field.get("default"),
        "values": field.get("values"),
        "also": field.get("also", []),
        "only_with": field.get("with"),
        "example": field.get("example"),
        "description": field["text"],
        "fields": [*inner_fields(field)],
    }


def output_schema(kind: str) -> Record:
    """Return the JSON Schema (draft 2020-12) of a record; what only `show` prints is not required."""
    import yaml

    table = yaml.safe_load((_FIELDS / "output" / f"{kind}.yaml").read_text("utf-8"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "description": table["description"],
        "type": "object",
        "properties": {**table["always"], **table["shown"]},
        "required": [*table["always"]],
    }
