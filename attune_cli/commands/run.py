"""`attune run`: an action, a workflow, a file or a command, run here and now, with a record (cli.md 3.9, Run)."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun, RefGroup
from attune_cli.options import EveryRun, GivenParameters, Placement


def _explain(context: Context, arguments: list[str]) -> str:
    from attune_cli.running.explain import explain_action

    return explain_action(context, arguments)


app = Noun(
    "Run an action, a workflow, a file or a command, and keep its record.",
    cls=RefGroup,
    examples=[
        "attune run action core.echo message=hi",
        "attune run core.http_request url=https://example.com",
    ],
)

Propagate = Annotated[bool, Option("--propagate-exit-code", help="Exit with the action's own code.")]
Image = Annotated[str | None, Option("--image", metavar="IMAGE", help="Run it in a container of this image.")]


@app.command(
    "action",
    examples=[
        "attune run action core.echo message=hi",
        "attune run action core.http_request url=https://example.com -r",
        "attune run action core.sleep seconds:=60 --timeout 5s",
        "attune run action demo.convert file=a.png --image python:3.12-slim",
    ],
    explain=_explain,
)
def action(
    context: Context,
    ref: Annotated[str, Argument(metavar="REF", help="The action: pack.name.")],
    given: GivenParameters,
    run: EveryRun,
    placement: Placement,
    propagate_exit_code: Propagate = False,
    image: Image = None,
) -> int:
    """Run an action of an installed pack, show its output live, and exit as it ended."""
    from attune_cli.running.options import RunOptions
    from attune_cli.running.start import run_action

    options = RunOptions.read(run, given, placement, propagate_exit_code=propagate_exit_code)
    return run_action(context, ref, options, image=image)


@app.command(
    "workflow",
    examples=[
        "attune run workflow greenhouse.water",
        "attune run workflow packs/greenhouse/workflows/water.workflow.yaml -r",
        "attune run workflow deploy.app version=1.10 --wait-timeout 30m",
    ],
    explain=_explain,
)
def workflow(
    context: Context,
    word: Annotated[str, Argument(metavar="REF|FILE", help="The workflow, or its file.")],
    given: GivenParameters,
    run: EveryRun,
    placement: Placement,
    from_: Annotated[
        str | None,
        Option("--from", metavar="TASK", help="Begin at this task, as if those before it had completed."),
    ] = None,
    only: Annotated[
        str | None, Option("--only", metavar="TASK", help="Run this task alone, and nothing that follows it.")
    ] = None,
) -> int:
    """Run a workflow, show how its tasks come along, and exit as it ended; a file needs not be installed."""
    from attune_cli.running.options import RunOptions
    from attune_cli.running.start import run_workflow

    return run_workflow(context, word, RunOptions.read(run, given, placement, begin_at=from_, only=only))


@app.command(
    "file",
    examples=["attune run file ./check.sh", "attune run file packs/demo/actions/hello.yaml name=Ada"],
)
def file(
    context: Context,
    path: Annotated[
        Path, Argument(metavar="PATH", help="A script, or the YAML file of an action or a workflow.")
    ],
    given: GivenParameters,
    run: EveryRun,
    propagate_exit_code: Propagate = False,
) -> int:
    """Run a script, or what a YAML file defines, without installing it; here, with your environment."""
    from attune_cli.running.options import RunOptions
    from attune_cli.running.start import run_file

    return run_file(context, path, RunOptions.read(run, given, propagate_exit_code=propagate_exit_code))


@app.command(
    "exec",
    examples=[
        "attune run exec -- make backup",
        "attune run exec --name nightly --timeout 4m -- ./backup.sh",
        "attune run exec --image alpine:3.20 -- cat /etc/os-release",
    ],
)
def exec_(
    context: Context,
    command: Annotated[list[str], Argument(metavar="-- COMMAND [ARG]...", help="The command line.")],
    run: EveryRun,
    name: Annotated[
        str | None, Option("--name", metavar="N", help="Name in the record; default: the program's.")
    ] = None,
    propagate_exit_code: Propagate = False,
    image: Image = None,
) -> int:
    """Run a command line here, with your environment, or in a container without it; keep its output and its end."""
    from attune_cli.running.options import RunOptions
    from attune_cli.running.start import run_command

    options = RunOptions.read(run, propagate_exit_code=propagate_exit_code)
    return run_command(context, command, name, options, image=image)
