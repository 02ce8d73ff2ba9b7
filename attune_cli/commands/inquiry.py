"""`attune inquiry`: questions that runs ask people, and the answers (cli.md 3.9, Executions and inquiries)."""

from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun, confirm
from attune_cli.runtime.model.inquiries import InquiryStatus

app = Noun("Look at what runs ask people, and answer it.")

Word = Annotated[str, Argument(metavar="INQUIRY", help="An id, or @last: the pending one, if there is one.")]
Words = Annotated[list[str], Argument(metavar="INQUIRY...", help="Ids, @last; - reads ids from stdin.")]
Timeout = Annotated[str | None, Option("--timeout", metavar="D", help="Stop waiting; exit 8.")]
As = Annotated[str | None, Option("--as", metavar="NAME", help="Who you are; default: your login.")]


@app.command(
    "list", examples=["attune inquiry list --pending", "attune inquiry list -j | jq -r '.[].prompt'"]
)
def list_inquiries(
    context: Context,
    pending: Annotated[bool, Option("--pending", help="Only those that wait for an answer.")] = False,
    status: Annotated[
        list[InquiryStatus] | None, Option("--status", "-s", help="Of this status; several are possible.")
    ] = None,
    assigned_to: Annotated[
        str | None, Option("--assigned-to", metavar="W", help="For this person, or role:NAME.")
    ] = None,
    execution: Annotated[
        int | None, Option("--execution", metavar="ID", max=2**62, help="Asked by this one, or below it.")
    ] = None,
    since: Annotated[
        str | None, Option("--since", metavar="T", help="Asked since: 24h, 2026-05-01, RFC 3339.")
    ] = None,
    limit: Annotated[int, Option("--limit", "-l", min=1, help="Rows at most.")] = 20,
    all_: Annotated[bool, Option("--all", help="Every row.")] = False,
    fail_empty: Annotated[bool, Option("--fail-empty", help="Exit 3 when there is none.")] = False,
) -> None:
    """List inquiries: those that wait for an answer first, then the newest."""
    from attune_cli.reading.words import read_time
    from attune_cli.running import inquiry_viewing
    from attune_cli.runtime.store.inquiries import InquiryFilter

    wanted = InquiryFilter(
        statuses=(*(status or ()), *(("pending",) if pending else ())), assigned_to=assigned_to,
        execution=execution, since=read_time("--since", since), pending_first=True,
    )  # fmt: skip
    inquiry_viewing.list_inquiries(context, wanted, limit=None if all_ else limit, fail_empty=fail_empty)


@app.command("show", examples=["attune inquiry show 5", "attune inquiry show @last --field prompt"])
def show(context: Context, inquiries: Words) -> None:
    """Show inquiries: prompt, what an answer has to be, answers, and what was written before."""
    from attune_cli.running.inquiry_viewing import show_inquiries

    show_inquiries(context, inquiries)


@app.command(
    "respond",
    examples=[
        "attune inquiry respond 5",
        "attune inquiry respond 5 approved=true --comment 'looks fine' --wait",
        "attune inquiry respond @last --reject",
        "attune inquiry respond 5 --response @answer.json",
    ],
)
def respond(
    context: Context,
    inquiry: Word,
    items: Annotated[
        list[str] | None, Argument(metavar="[KEY=VALUE]...", help="The answer; key:=JSON, key=@FILE.")
    ] = None,
    approve: Annotated[bool, Option("--approve", help="Say yes, where that is the question.")] = False,
    reject: Annotated[bool, Option("--reject", help="Say no.")] = False,
    response: Annotated[
        str | None, Option("--response", metavar="JSON|@FILE|-", help="The answer as a whole.")
    ] = None,
    comment: Annotated[str | None, Option("--comment", metavar="T", help="A word to go with it.")] = None,
    as_: As = None,
    wait: Annotated[
        bool, Option("--wait", help="Go on with what waits for it, and exit as that ends.")
    ] = False,
) -> int:
    """Answer an inquiry; a form on a terminal, unless the answer is given."""
    from attune_cli.errors import UsageError
    from attune_cli.running.options import check_name
    from attune_cli.running.responding import Words as Answer
    from attune_cli.running.responding import respond_to

    if approve and reject:
        raise UsageError("--approve and --reject exclude each other")
    verdict = True if approve else False if reject else None
    answer = Answer(
        items=items or (), response=response, approved=verdict, comment=comment, name=check_name(as_)
    )
    return respond_to(context, inquiry, answer, wait=wait)


@app.command("wait", examples=["attune inquiry wait 5 --timeout 1h", "attune inquiry wait --any -q"])
def wait(
    context: Context,
    inquiry: Annotated[
        str | None, Argument(metavar="[INQUIRY]", help="The one to be answered: an id, or @last.")
    ] = None,
    any_: Annotated[bool, Option("--any", help="Until there is one that waits for an answer.")] = False,
    timeout: Timeout = None,
) -> int:
    """Wait until an inquiry is answered, or with --any until one is asked; exit 1 when nobody says yes."""
    from attune_cli.errors import UsageError
    from attune_cli.running.options import seconds_of
    from attune_cli.watching.inquiries import wait_for_answer, wait_for_any

    seconds = seconds_of("--timeout", timeout)
    if any_ == (inquiry is not None):
        raise UsageError(
            "either an inquiry is waited for, or --any",
            hint="attune inquiry wait ID, or attune inquiry wait --any",
        )
    if inquiry is None:
        return wait_for_any(context, give_up_seconds=seconds)
    return wait_for_answer(context, inquiry, give_up_seconds=seconds)


@app.command(
    "watch",
    examples=["attune inquiry watch -j", "attune inquiry watch --exec 'jq -r .prompt | mail -s attune me'"],
)
def watch(
    context: Context,
    exec_: Annotated[
        str | None, Option("--exec", metavar="CMD", help="Run this for each, with the inquiry on its stdin.")
    ] = None,
) -> int:
    """Show what waits for an answer, and each new question as it comes, until Ctrl-C."""
    from attune_cli.watching.inquiries import watch as watch_inquiries

    return watch_inquiries(context, exec_)


@app.command(
    "cancel",
    examples=[
        "attune inquiry cancel 5 --reason 'not needed any more'",
        "attune inquiry list --pending -q | attune inquiry cancel -",
    ],
)
def cancel(
    context: Context,
    inquiries: Words,
    reason: Annotated[str | None, Option("--reason", metavar="T", help="Why; kept with it.")] = None,
) -> None:
    """Close inquiries without an answer; the executions that wait for them are cancelled."""
    from attune_cli.running.responding import cancel_inquiries

    cancel_inquiries(context, inquiries, reason, confirm=confirm)


@app.command("extend", examples=["attune inquiry extend 5 --by 2h"])
def extend(
    context: Context,
    inquiry: Word,
    by: Annotated[str, Option("--by", metavar="D", help="So much more time: 45s, 2h, 3d.")],
) -> None:
    """Give people more time to answer an inquiry."""
    from attune_cli.running.options import seconds_of
    from attune_cli.running.responding import extend_inquiry

    extend_inquiry(context, inquiry, seconds_of("--by", by) or 0.0)
