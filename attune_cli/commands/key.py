"""`attune key`: values for actions, sealed; a value is never read from the command line (cli.md 3.9)."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun, confirm
from attune_cli.errors import CancelledError, NotFoundError, UsageError
from attune_cli.options import Rows
from attune_cli.output import Column

app = Noun(
    "Keep secrets and values for actions, sealed.",
    examples=["attune key set deploy.token", 'curl -H "Authorization: $(attune key get deploy.token)" …'],
)

COLUMNS = (
    Column("REF", "ref"),
    Column("SCOPE", "scope"),
    Column("ENCRYPTED", "encrypted"),
    Column("UPDATED", "updated", kind="time"),
    Column("EXPIRES", "expires", kind="time"),
)
SHOWN = (
    Column("Key", "ref"),
    Column("Name", "name"),
    Column("Scope", "scope"),
    Column("Encrypted", "encrypted"),
    Column("Created", "created", kind="time"),
    Column("Updated", "updated", kind="time"),
    Column("Expires", "expires", kind="time"),
    Column("Value", "value"),
)

Ref = Annotated[str, Argument(metavar="REF", help="The key.")]
Refs = Annotated[list[str], Argument(metavar="REF...", help="Keys; - reads refs from stdin.")]
ScopeOption = Annotated[
    str | None, Option("--scope", metavar="S", help="system, pack:REF or action:REF: who sees it.")
]


@app.command(
    "set",
    examples=[
        "attune key set deploy.token",
        "pass show deploy | attune key set deploy.token -",
        "vault read -field=token ci | attune key set ci.token - --ttl 1h",
        "attune key set tls.certificate --from-file cert.pem --scope pack:greenhouse",
    ],
)
def set_key(
    context: Context,
    ref: Ref,
    source: Annotated[
        list[str] | None,
        Argument(metavar="[-]", help="- reads the value from stdin, without its last line end."),
    ] = None,
    scope: ScopeOption = None,
    name: Annotated[
        str | None, Option("--name", metavar="N", help="What actions call it; default: the last part of REF.")
    ] = None,
    from_file: Annotated[
        Path | None, Option("--from-file", metavar="F", help="The value is a file's text, as it is.")
    ] = None,
    from_env: Annotated[
        str | None, Option("--from-env", metavar="V", help="The value is that of a variable.")
    ] = None,
    as_json: Annotated[bool, Option("--as-json", help="The value is JSON, not text.")] = False,
    plain: Annotated[bool, Option("--plain", help="Keep it readable in the database.")] = False,
    ttl: Annotated[
        str | None, Option("--ttl", metavar="D", help="Forget it after so long: 45s, 12h, 30d.")
    ] = None,
    value: Annotated[
        str | None, Option("--value", metavar="V", hidden=True, help="The value itself.")
    ] = None,
) -> None:
    """Keep a value; asks for it twice, hidden, unless it is told where to read it."""
    from attune_cli.running.options import seconds_of
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store, open_store_for_reading
    from attune_cli.runtime.services import keys
    from attune_cli.runtime.store.sealing import Sealer

    ttl_seconds = seconds_of("--ttl", ttl)
    _check_source(source or [], from_file, from_env, value)
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        present = keys.place_of(tx, ref, scope=scope, name=name).present
    if context.dry_run:
        context.out.note(f"key {ref} would be {'made' if present is None else 'changed'}")
        return
    if value is not None:
        context.out.warning("--value can be read by everyone on this machine; give the value on stdin")
        text = value
    else:
        text = _read_text(context, ref, from_stdin=bool(source), from_file=from_file, from_env=from_env)
    stored = _stored(text, as_json=as_json)
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        record = keys.set_key(
            tx,
            ref,
            stored,
            sealer=Sealer(context.home.secret_key),
            scope=scope,
            name=name,
            plain=plain,
            ttl_seconds=ttl_seconds,
        )
    context.out.outcome(record, [ref])
    context.out.note(f"key {ref} {'made' if present is None else 'changed'}")


@app.command("get", examples=["attune key get deploy.token"])
def get(context: Context, ref: Ref) -> None:
    """Print the value of a key: text as it is, anything else as JSON."""
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import keys
    from attune_cli.runtime.store.sealing import Sealer

    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        value = keys.value_of(tx, ref, Sealer(context.home.secret_key))
    context.out.value(value)


@app.command("show", examples=["attune key show deploy.token", "attune key show deploy.token --reveal -j"])
def show(
    context: Context,
    refs: Refs,
    reveal: Annotated[bool, Option("--reveal", help="With the value.")] = False,
) -> None:
    """Show keys: scope, name, whether sealed, times."""
    from attune_cli.reading.words import read_words
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import keys
    from attune_cli.runtime.store.sealing import Sealer

    sealer = Sealer(context.home.secret_key) if reveal else None
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        records = keys.show_keys(tx, read_words(refs), reveal_with=sealer)
    context.out.show(records, COLUMNS, SHOWN)


@app.command("list", examples=["attune key list", "attune key list --scope pack:greenhouse -q"])
def list_keys(
    context: Context,
    rows: Rows,
    scope: ScopeOption = None,
    prefix: Annotated[str, Option("--prefix", metavar="P", help="Refs that begin so.")] = "",
) -> None:
    """List keys, never their values."""
    from attune_cli.listing.rows import show_rows
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import keys

    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        records = keys.list_keys(tx, scope=scope, prefix=prefix, after=rows.after)
        expired = keys.count_expired(tx)
    if expired:
        _sweep(context)
    show_rows(context, records, COLUMNS, rows, "key")


def _sweep(context: Context) -> None:
    """Delete what has expired, unless nothing can be written now: it shows nowhere, so a later time will do."""
    from contextlib import suppress

    from attune_cli.errors import UnavailableError
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store
    from attune_cli.runtime.services import keys

    with suppress(UnavailableError):
        store = open_store(context.home, context.settings)
        with store.write(SystemClock().now()) as tx:
            keys.sweep(tx)


@app.command("delete", examples=["attune key delete deploy.token --yes"])
def delete(
    context: Context,
    refs: Refs,
    if_exists: Annotated[bool, Option("--if-exists", help="It is no error when it is gone already.")] = False,
) -> None:
    """Delete keys, all of those named or none."""
    from attune_cli.reading.words import read_words
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store, open_store_for_reading
    from attune_cli.runtime.services import keys

    words = read_words(refs)
    if not if_exists:
        with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
            keys.find_all(tx, words)
    if context.dry_run:
        context.out.note(f"would delete {', '.join(words)}")
        return
    confirm(context, f"Delete {', '.join(words)}?")
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        deleted = keys.delete_keys(tx, words, if_exists=if_exists)
    context.out.outcome({"kind": "outcome", "deleted": deleted}, deleted)


# --- where a value comes from; no message here may hold one


def _check_source(source: list[str], from_file: Path | None, from_env: str | None, value: str | None) -> None:
    if source not in ([], ["-"]):
        raise UsageError(
            "a value does not belong on the command line, where others can read it",
            code="value_on_command_line",
            hint="attune key set REF asks for it; - reads it from stdin",
        )
    if sum([bool(source), from_file is not None, from_env is not None, value is not None]) > 1:
        raise UsageError("-, --from-file and --from-env exclude each other")


def _read_text(
    context: Context, ref: str, *, from_stdin: bool, from_file: Path | None, from_env: str | None
) -> str:
    if from_file is not None:
        return _read_file(from_file)
    if from_env is not None:
        if from_env not in os.environ:
            raise NotFoundError(f"no variable {from_env!r} in the environment", code="no_variable")
        return _decoded(os.environb[from_env.encode()], f"variable {from_env}")
    if from_stdin:
        return _decoded(sys.stdin.buffer.read(), "stdin").removesuffix("\n").removesuffix("\r")
    if not context.interactive:
        raise UsageError(
            "no value: nobody can be asked for it here",
            code="value_needed",
            hint=f"attune key set {ref} - reads it from stdin; --from-file F, --from-env V",
        )
    text = _ask_hidden(f"Value of {ref}: ")
    if _ask_hidden("Again: ") != text:
        raise UsageError("the two values differ; nothing changed", code="values_differ")
    return text


def _read_file(path: Path) -> str:
    try:
        return _decoded(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise NotFoundError(f"no file {str(path)!r}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _decoded(content: bytes, origin: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as fault:
        place = fault.start + 1
    # Not inside the clause: the fault holds the value.
    raise UsageError(f"the value from {origin} is not UTF-8 at byte {place}", hint="base64 makes text of it")


def _ask_hidden(question: str) -> str:
    """Ask on the terminal without showing what is typed."""
    import termios

    terminal = sys.stdin.fileno()
    shown = termios.tcgetattr(terminal)
    hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]
    try:
        termios.tcsetattr(terminal, termios.TCSADRAIN, hidden)
        sys.stderr.write(question)
        sys.stderr.flush()
        line = sys.stdin.readline()
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, shown)
        sys.stderr.write("\n")
    if not line:
        raise CancelledError("nothing changed", code="declined")
    return line.removesuffix("\n")


def _stored(text: str, *, as_json: bool) -> object:
    if not text:
        raise UsageError(
            "the value is empty; nothing changed",
            code="value_empty",
            hint="printf '\"\"' | attune key set REF - --as-json keeps an empty text",
        )
    if not as_json:
        return text
    try:
        return json.loads(text)
    except ValueError:
        pass
    raise UsageError("the value is not JSON", code="value_not_json")
