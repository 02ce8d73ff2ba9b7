"""`attune doctor`: what is missing or wrong, and the command that mends it (cli.md 3.9)."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from typer import Option

from attune_cli.context import Context, Noun, progress
from attune_cli.errors import AttuneError
from attune_cli.output import Column

if TYPE_CHECKING:
    from attune_cli.runtime.services.diagnosis import Patient

app = Noun("Check that everything attune needs is there.")

COLUMNS = (
    Column("CHECK", "check"),
    Column("STATUS", "status", kind="status"),
    Column("MESSAGE", "message", kind="text"),
    Column("HINT", "hint", kind="text"),
)


@app.command(
    "doctor", examples=["attune doctor", "attune doctor --only home,database --fix", "attune doctor -j"]
)
def doctor(
    context: Context,
    only: Annotated[str | None, Option("--only", metavar="A,B", help="Make these checks only.")] = None,
    fix: Annotated[bool, Option("--fix", help="Mend modes, guard and what dead hosts left.")] = False,
) -> int:
    """Check home, database, machine and settings. Exit 1 when there is an error; warnings are none."""
    from attune_cli.runtime.services.diagnosis import diagnose

    names = [name.strip() for name in (only or "").split(",") if name.strip()]
    with progress(context, "looking"):
        checks = diagnose(_patient(context), names)
        if fix and _mend(context, {one.check for one in checks if one.status != "ok"}):
            checks = diagnose(_patient(context), names)
    context.out.records([one.record() for one in checks], COLUMNS)
    return int(any(one.status == "error" for one in checks))


def _patient(context: Context) -> "Patient":
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import living_hosts
    from attune_cli.runtime.services.diagnosis import Patient

    fault = None
    try:
        _ = context.configuration
    except AttuneError as error:
        fault = error
    return Patient(
        home=context.home,
        environment=os.environ,
        now=SystemClock().now(),
        living_hosts=frozenset(living_hosts(context.home)),
        settings_fault=fault,
    )


def _mend(context: Context, wrong: set[str]) -> bool:
    """Mend what can be; tells whether anything was."""
    mended = False
    for name, mend in _mends(context).items():
        if name not in wrong:
            continue
        if context.dry_run:
            context.out.note(f"would mend: {name}")
            continue
        try:
            mend()
        except (AttuneError, OSError) as error:
            context.out.warning(f"{name} cannot be mended: {error}")
        else:
            context.out.note(f"mended: {name}")
            mended = True
    return mended


def _mends(context: Context) -> dict[str, Callable[[], object]]:
    from attune_cli.runtime.host import migrate_alone, open_store
    from attune_cli.runtime.services.database import opened_as_it_is

    home = context.home

    def migrate() -> None:
        with opened_as_it_is(home) as store:
            migrate_alone(store, home)

    return {
        "home": lambda: home.path.chmod(0o700),
        "secret_key": lambda: home.secret_key.chmod(0o600),
        "guard": migrate,
        "hosts": lambda: open_store(home, context.settings).close(),
    }
