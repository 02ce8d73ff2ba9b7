"""Options that several commands have, said once (cli.md 3.9, LISTOPTS and RUNOPTS).

A command that takes a value of such a class has the fields of the class as its options:

    @app.command("list", examples=["attune pack list"])
    def list_packs(context: Context, rows: Rows) -> None: ...
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.values import immutable


class Options:
    """Options that go together. A subclass is an immutable value; its fields have Typer's annotations and defaults."""

    @classmethod
    def parameters(cls) -> Iterator[inspect.Parameter]:
        """Yield the options as the parameters of a function, in the order in which they are declared."""
        for name, annotation in inspect.get_annotations(cls).items():
            yield inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=getattr(cls, name), annotation=annotation
            )


@immutable(kw_only=True)
class Rows(Options):
    """What every list of named things has: how much of it, in which order."""

    limit: Annotated[int, Option("--limit", "-l", min=1, help="Rows at most.")] = 50
    everything: Annotated[bool, Option("--all", help="Every row.")] = False
    after: Annotated[str, Option("--after", metavar="REF", help="Go on behind this ref.")] = ""
    sort: Annotated[str | None, Option("--sort", metavar="FIELD", help="Sort by this field.")] = None
    reverse: Annotated[bool, Option("--reverse", help="The other way round.")] = False
    count: Annotated[bool, Option("--count", help="Print only how many.")] = False
    fail_empty: Annotated[bool, Option("--fail-empty", help="Exit 3 when there is none.")] = False


@immutable(kw_only=True)
class Newest(Options):
    """What every list of numbered things has, newest first: how much of it."""

    limit: Annotated[int, Option("--limit", "-l", min=1, help="Rows at most.")] = 20
    everything: Annotated[bool, Option("--all", help="Every row.")] = False
    after: Annotated[int | None, Option("--after", metavar="ID", max=2**62, help="Go on below this id.")] = (
        None
    )
    count: Annotated[bool, Option("--count", help="Print only how many.")] = False
    fail_empty: Annotated[bool, Option("--fail-empty", help="Exit 3 when there is none.")] = False

    @property
    def most(self) -> int | None:
        """How many rows at most; None: all."""
        return None if self.everything else self.limit


@immutable(kw_only=True)
class GivenParameters(Options):
    """What a run is given."""

    items: Annotated[list[str] | None, Argument(metavar="[KEY=VALUE]...", help="Parameters, by name.")] = None
    params: Annotated[
        str | None,
        Option("--params", "--params-json", metavar="JSON|@FILE|-", help="All parameters at once."),
    ] = None
    param: Annotated[
        list[str] | None, Option("--param", metavar="K=V", help="Same as KEY=VALUE.", hidden=True)
    ] = None


@immutable(kw_only=True)
class EveryRun(Options):
    """What every run has: its surroundings, its record, and what is shown of it."""

    env: Annotated[
        list[str] | None, Option("--env", "-e", metavar="K=V", help="Extra variable for the action.")
    ] = None
    env_file: Annotated[
        Path | None, Option("--env-file", metavar="FILE", help="Extra variables, a line each.")
    ] = None
    label: Annotated[
        list[str] | None, Option("--label", metavar="K=V", help="A label to find the run by.")
    ] = None
    timeout: Annotated[
        str | None, Option("--timeout", metavar="D", help="Time limit of the run; exit 124 when over.")
    ] = None
    result: Annotated[bool, Option("--result", "-r", help="Print the result value only.")] = False
    no_logs: Annotated[bool, Option("--no-logs", help="Do not copy the run's output.")] = False
    key: Annotated[
        str | None, Option("--key", metavar="K", help="Run once: the same key returns the earlier run.")
    ] = None
    on_inquiry: Annotated[
        str | None,
        Option(
            "--on-inquiry",
            metavar="prompt|wait|fail",
            help="When it asks; prompt on terminals, else wait. fail: 7.",
        ),
    ] = None
    as_: Annotated[
        str | None, Option("--as", metavar="NAME", help="Who asks for it; default: your login.")
    ] = None


@immutable(kw_only=True)
class Placement(Options):
    """Where and when something installed runs, and whether it is waited for."""

    detach: Annotated[
        bool, Option("--detach", "-d", "--no-wait", help="Print the id at once; needs a running engine.")
    ] = False
    queue_offline: Annotated[
        bool, Option("--queue-offline", help="With --detach: keep it for the next engine.")
    ] = False
    wait_timeout: Annotated[
        str | None, Option("--wait-timeout", metavar="D", help="Stop waiting; the run goes on; exit 8.")
    ] = None
    log_prefix: Annotated[
        bool, Option("--log-prefix", help="Put the action's name before each line of output.")
    ] = False
    if_running: Annotated[
        str, Option("--if-running", metavar="queue|skip|fail|cancel", help="When the action runs already.")
    ] = "queue"
    trace: Annotated[str | None, Option("--trace", metavar="ID", help="Same as --label trace=ID.")] = None
    on_interrupt: Annotated[
        str, Option("--on-interrupt", metavar="cancel|detach", help="What Ctrl-C does to the run.")
    ] = "cancel"
    engine: Annotated[str, Option("--engine", metavar="auto|here|daemon", help="Who runs it.")] = "auto"
    at: Annotated[str | None, Option("--at", metavar="T", help="Not before this time.")] = None
    in_: Annotated[str | None, Option("--in", metavar="D", help="Not before this much time has passed.")] = (
        None
    )
    watch: Annotated[bool, Option("--watch", hidden=True, help="The default.")] = False
