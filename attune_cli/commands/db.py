"""`attune db`: look after the database file (cli.md 3.9)."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun, confirm, progress
from attune_cli.errors import ConflictError, UsageError
from attune_cli.output import Column, Section

app = Noun(
    "Look after the database file.",
    examples=[
        "attune db backup attune-backup.db",
        "attune db query 'SELECT status, count(*) FROM execution GROUP BY 1'",
    ],
)

INFO = (
    Column("Path", "path"),
    Column("Home", "home_id"),
    Column("Version", "schema_version"),
    Column("Size", "file_bytes", kind="bytes"),
    Column("Log", "log_bytes", kind="bytes"),
    Column("Pages", "pages"),
    Column("Free pages", "free_pages"),
)
COUNTS = (Section("Contents", "counts"),)
CHECKS = (
    Column("CHECK", "check"),
    Column("STATUS", "status", kind="status"),
    Column("MESSAGE", "message", kind="text"),
)


@app.command("path", examples=["attune db path", 'sqlite3 "$(attune db path)" .schema'])
def path(context: Context) -> None:
    """Print where the database is, or would be."""
    found = str(context.home.database)
    context.out.outcome({"kind": "file", "path": found}, [found])


@app.command("info", examples=["attune db info", "attune db info --field counts.execution"])
def info(context: Context) -> None:
    """Show versions, sizes and how many there are of everything."""
    from attune_cli.runtime.services import database

    context.out.record(database.describe(context.home), INFO, COUNTS)


@app.command(
    "check", examples=["attune db check", "attune db check -qq || attune db restore attune-backup.db"]
)
def check(context: Context) -> int:
    """Look for damage: pages, references, guard, folders of runs. Exit 1 when there is any."""
    from attune_cli.runtime.services import database

    with progress(context, "checking every page"):
        checks = database.check(context.home)
    context.out.records([one.record() for one in checks], CHECKS)
    for one in checks:
        if one.hint is not None:
            context.out.hint(one.hint)
    return int(any(one.status == "error" for one in checks))


@app.command(
    "backup", examples=["attune db backup attune-backup.db", "attune db backup - | gzip > attune.db.gz"]
)
def backup(
    context: Context,
    target: Annotated[str, Argument(metavar="FILE|-", help="The copy; - writes it to stdout.")],
    overwrite: Annotated[bool, Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Copy the database while it is in use. Packs, runs and secret.key lie beside it and are not in the copy."""
    from attune_cli.runtime.services import backups

    if target == "-":
        if context.out.is_terminal:
            raise UsageError("a database is nothing for a terminal", hint="attune db backup - > FILE")
        with progress(context, "copying"):
            backups.stream_backup(context.home, sys.stdout.buffer)
        return
    file = Path(target)
    _check_target(context, file, overwrite=overwrite)
    if context.dry_run:
        context.out.note(f"would copy {context.home.database} to {file}")
        return
    with progress(context, "copying"):
        size = backups.back_up(context.home, file)
    context.out.outcome({"kind": "backup", "path": str(file), "bytes": size}, [str(file)])
    context.out.note(f"copied {context.home.database}; secret.key is not in it, and sealed values need it")


def _check_target(context: Context, file: Path, *, overwrite: bool) -> None:
    if file.is_dir():
        raise UsageError(f"{file} is a folder", hint=f"attune db backup {file / 'attune-backup.db'}")
    if file.exists() and file.samefile(context.home.database):
        raise UsageError(f"{file} is the database itself")
    if file.exists() and not overwrite:
        raise ConflictError(f"{file} exists", code="exists", hint=f"attune db backup {file} --overwrite")


@app.command("restore", examples=["attune db restore attune-backup.db --yes"])
def restore(
    context: Context,
    source: Annotated[Path, Argument(metavar="FILE", help="A backup.")],
) -> None:
    """Bring a backup back. What is there now is kept beside it; runs the backup holds as unfinished are abandoned."""
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import living_hosts, open_store, supervisor_works
    from attune_cli.runtime.services import backups

    home = context.home

    def permit() -> None:
        if living_hosts(home):
            raise ConflictError(
                f"the database {home.database} is in use by another attune",
                code="in_use",
                hint="attune execution list -s running",
            )
        if supervisor_works(home):
            raise ConflictError(
                f"what a daemon of {home.path} began still runs",
                code="in_use",
                hint="attune up -d && attune down --cancel-running",
            )

    permit()
    backups.check_backup(source)
    if context.dry_run:
        context.out.note(f"would put {source} in the place of {home.database}")
        return
    if home.database.exists():
        confirm(context, f"Replace {home.database} by {source}?")
    else:
        backups.give_room(home)
        open_store(home, context.settings).close()
    with progress(context, "restoring"):
        record = backups.restore(home, source, SystemClock().now(), permit=permit)
    context.out.outcome(record, [record["path"]])
    context.out.note(
        f"restored; the old content is in {record['kept']}, {record['abandoned']} executions abandoned"
    )
    context.out.hint("attune doctor")


@app.command("vacuum", examples=["attune db vacuum", "attune db vacuum --full"])
def vacuum(
    context: Context,
    full: Annotated[bool, Option("--full", help="Write the file anew; needs as much room again.")] = False,
) -> None:
    """Give room that nothing uses back to the file system."""
    from attune_cli.runtime.model.quantities import format_size
    from attune_cli.runtime.services import database

    if context.dry_run:
        now = database.describe(context.home)
        context.out.note(
            f"would free up to {format_size(now['free_pages'] * now['page_bytes'] + now['log_bytes'])}"
        )
        return
    with progress(context, "shrinking"):
        record = database.vacuum(context.home, full=full)
    context.out.record(record)
    context.out.note(f"freed {format_size(max(0, record['bytes_before'] - record['bytes_after']))}")


@app.command("migrate", examples=["attune db migrate -n", "attune db migrate"])
def migrate(context: Context) -> None:
    """Bring an older database to this version, and its guard in order. It happens by itself at the next command."""
    from attune_cli.runtime.host import migrate_alone
    from attune_cli.runtime.services import database

    record = database.migration(context.home)
    if not context.dry_run and record["needed"]:
        with progress(context, "migrating"), database.opened_as_it_is(context.home) as store:
            migrate_alone(store, context.home)
    context.out.record(record)
    done = "would be" if context.dry_run else "is"
    if record["needed"]:
        context.out.note(f"the database {done} at version {record['to']}, its guard in order")
    else:
        context.out.note("nothing to do")


@app.command(
    "query",
    examples=[
        "attune db query 'SELECT id, action_ref FROM execution WHERE status = :status' -P status=failed",
        "attune db query 'SELECT max(id) FROM execution' -r",
    ],
)
def query(
    context: Context,
    statement: Annotated[
        str, Argument(metavar="SQL", help="One statement that reads; - reads it from stdin.")
    ],
    values: Annotated[
        list[str] | None,
        Option("--param", "-P", metavar="NAME=VALUE", help="Value of :NAME; NAME:=JSON for a number."),
    ] = None,
    csv: Annotated[bool, Option("--csv", help="Same as -o csv.")] = False,
    result: Annotated[bool, Option("--result", "-r", help="Print the bare values.")] = False,
) -> None:
    """Ask the database in SQL; the connection can only read."""
    from attune_cli.runtime.services import database

    text = sys.stdin.read() if statement == "-" else statement
    columns, records = database.query(context.home, text, _values(values or []))
    if result:
        for record in records:
            for column in columns:
                context.out.value(record[column])
        return
    out = replace(context.out, format="csv") if csv else context.out
    out.records(records, [Column(column.upper(), column, "text") for column in columns])


def _values(items: list[str]) -> dict[str, object]:
    import json

    read: dict[str, object] = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals or not name.strip(":"):
            raise UsageError(f"-P {item!r}: expected NAME=VALUE")
        try:
            read[name.removesuffix(":")] = json.loads(text) if name.endswith(":") else text
        except ValueError as error:
            raise UsageError(f"-P {name}: {text!r} is not JSON") from error
    if any(isinstance(value, (dict, list)) for value in read.values()):
        raise UsageError("-P takes texts, numbers, true, false and null")
    return read
