"""`attune rule`: what happens when an event comes (cli.md 3.9)."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.options import Rows
from attune_cli.output import Column, Section

app = Noun(
    "Say which action runs when an event comes.",
    examples=[
        "attune rule create --trigger greenhouse.soil_dry --action greenhouse.open_valve --param valve=3",
        "attune rule test local.soil_dry-open_valve bed=north moisture=12",
    ],
)

COLUMNS = (
    Column("REF", "ref"),
    Column("TRIGGER", "trigger_ref"),
    Column("ACTION", "action_ref"),
    Column("ENABLED", "enabled"),
    Column("LAST FIRED", "last_fired", kind="time"),
)
SHOWN = (
    Column("Rule", "ref"),
    Column("Label", "label"),
    Column("Trigger", "trigger_ref"),
    Column("Action", "action_ref"),
    Column("Enabled", "enabled"),
    Column("Timer", "timer_state", kind="status"),
    Column("Mode", "mode"),
    Column("Last fired", "last_fired", kind="time"),
    Column("Updated", "updated", kind="time"),
    Column("Description", "description", kind="text"),
)
SECTIONS = tuple(
    Section(title, path)
    for title, path in (
        ("Conditions", "conditions"),
        ("Parameters", "action_params"),
        ("Trigger parameters", "trigger_params"),
        ("Groups", "group_by"),
        ("Not again within (s)", "once_within_seconds"),
        ("After", "after"),
        ("Unless", "unless"),
        ("Notifies", "notify"),
        ("Timer settings", "timer"),
    )
)

Ref = Annotated[str, Argument(metavar="REF", help="The rule: pack.name.")]
Refs = Annotated[list[str], Argument(metavar="REF...", help="Rules; - reads refs from stdin.")]
SomeRefs = Annotated[list[str] | None, Argument(metavar="[REF]...", help="Rules; - reads refs from stdin.")]
PackOption = Annotated[str | None, Option("--pack", metavar="P", help="Of this pack.")]
All = Annotated[bool, Option("--all", help="Every rule.")]

When = Annotated[
    list[str] | None, Option("--when", metavar="EXPR", help="An expression that must hold; may be repeated.")
]
Where = Annotated[
    list[str] | None,
    Option("--where", metavar="PATH=VALUE", help="A field of the payload that must be so; PATH:=JSON too."),
]
Param = Annotated[
    list[str] | None,
    Option("--param", metavar="K=V", help="A parameter of the action; {{ event.payload.x }} is filled in."),
]
TriggerParam = Annotated[
    list[str] | None, Option("--trigger-param", metavar="K=V", help="A parameter of the trigger.")
]
Mode = Annotated[
    str | None,
    Option("--mode", metavar="parallel|single|queued|replace", help="When a run of it goes on already."),
]
GroupBy = Annotated[
    list[str] | None,
    Option("--group-by", metavar="PATH", help="Count for each value of this apart: event.payload.host."),
]
OnceWithin = Annotated[
    str | None, Option("--once-within", metavar="D", help="After it has fired, not again for so long.")
]
After = Annotated[
    str | None, Option("--after", metavar="N/D", help="Fire with the last of N events within D.")
]
Unless = Annotated[
    str | None, Option("--unless", metavar="TRIGGER/D", help="Wait for D, and fire unless this comes.")
]
UnlessWhen = Annotated[
    list[str] | None, Option("--unless-when", metavar="EXPR", help="Only such an event of --unless counts.")
]
Notify = Annotated[
    list[str] | None,
    Option("--notify", metavar="CHANNEL", help="Tell a channel when it fires; all: every one."),
]
Timer = Annotated[
    list[str] | None,
    Option("--timer", metavar="K=V", help="misfire, misfire_bound, jitter_seconds, past of a timer's rule."),
]
Label = Annotated[str | None, Option("--label", metavar="L", help="A name for people.")]
Description = Annotated[str | None, Option("--description", metavar="TEXT", help="What it is for.")]
Disabled = Annotated[bool, Option("--disabled", help="It does not act before it is enabled.")]
Enabled = Annotated[bool, Option("--enabled", hidden=True, help="It acts at once.")]
Criteria = Annotated[
    str | None, Option("--criteria", metavar="JSON", hidden=True, help="The conditions as JSON, or @FILE.")
]


@app.command("list", examples=["attune rule list", "attune rule list --pack greenhouse --disabled -q"])
def list_rules(
    context: Context,
    rows: Rows,
    pack: PackOption = None,
    trigger: Annotated[str | None, Option("--trigger", metavar="R", help="On this trigger.")] = None,
    action: Annotated[str | None, Option("--action", metavar="R", help="That run this action.")] = None,
    enabled: Annotated[bool | None, Option("--enabled/--disabled", help="Only such ones.")] = None,
) -> None:
    """List rules."""
    from attune_cli.listing.rows import show_rows
    from attune_cli.reading.naming import named
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import rules

    wanted = rules.RuleFilter(
        pack_ref=pack, trigger_ref=trigger, action_ref=action, enabled=enabled, after=rows.after
    )
    with definitions_read(context) as tx:
        records = rules.list_rules(tx, wanted)
    show_rows(context, records, COLUMNS, rows, "rule", named(pack=pack, trigger=trigger, action=action))


@app.command(
    "show", examples=["attune rule show greenhouse.water_when_dry", "attune rule show local.night -j"]
)
def show(context: Context, refs: Refs) -> None:
    """Show rules: what they wait for, what they want, what they run."""
    from attune_cli.reading.words import read_words
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import rules

    with definitions_read(context) as tx:
        records = [rules.show_rule(tx, ref) for ref in read_words(refs)]
    context.out.show(records, COLUMNS, SHOWN, SECTIONS)


@app.command(
    "create",
    examples=[
        "attune rule create --trigger greenhouse.soil_dry --action greenhouse.open_valve --param valve=3",
        "attune rule create local.page --trigger core.alert --action core.echo --when event.payload.severity==1",
        "attune rule create local.disk --trigger app.disk --action app.clean --where mount=/ --once-within 1h",
        "attune rule create local.disk --trigger app.disk --action app.clean -n -o yaml > disk.yaml",
    ],
)
def create(
    context: Context,
    ref: Annotated[str | None, Argument(metavar="[REF]", help="Its name; else local.TRIGGER-ACTION.")] = None,
    trigger: Annotated[str | None, Option("--trigger", metavar="R", help="The trigger it waits for.")] = None,
    action: Annotated[str | None, Option("--action", metavar="R", help="The action it runs.")] = None,
    when: When = None,
    where: Where = None,
    param: Param = None,
    trigger_param: TriggerParam = None,
    mode: Mode = None,
    group_by: GroupBy = None,
    once_within: OnceWithin = None,
    after: After = None,
    unless: Unless = None,
    unless_when: UnlessWhen = None,
    notify: Notify = None,
    timer: Timer = None,
    label: Label = None,
    description: Description = None,
    disabled: Disabled = False,
    if_not_exists: Annotated[
        bool, Option("--if-not-exists", help="Leave one that is there as it is.")
    ] = False,
    replace: Annotated[bool, Option("--replace", help="Take the place of one that is there.")] = False,
    file: Annotated[
        Path | None, Option("--file", metavar="F", help="Write a file for a pack instead of keeping it.")
    ] = None,
    name: Annotated[str | None, Option("--name", metavar="N", hidden=True, help="The same as REF.")] = None,
    pack: Annotated[str | None, Option("--pack", metavar="P", hidden=True, help="The pack of REF.")] = None,
    criteria: Criteria = None,
    enabled: Enabled = False,
) -> None:
    """Make a rule, which acts from now on; all that is wrong with it is told together."""
    from attune_cli.declaring.rule_making import CreateOptions, create_rule
    from attune_cli.declaring.rule_words import RuleWords

    words = RuleWords(
        trigger=trigger, action=action, when=when or (), where=where or (), params=param or (),
        trigger_params=trigger_param or (), mode=mode, group_by=group_by or (), once_within=once_within, after=after,
        unless=unless, unless_when=unless_when or (), notify=notify or (), timer=timer or (), label=label,
        description=description,
        enabled=enabled or not disabled, criteria=criteria,
    )  # fmt: skip
    named = ref or name
    full = f"{pack}.{named}" if pack and named and "." not in named else named
    create_rule(context, full, words, CreateOptions(replace=replace, if_not_exists=if_not_exists, file=file))


@app.command(
    "update",
    examples=[
        "attune rule update local.disk --param area=5 --once-within 2h",
        "attune rule update local.disk --unset conditions --unset action_params.area",
    ],
)
def update(
    context: Context,
    ref: Ref,
    trigger: Annotated[str | None, Option("--trigger", metavar="R", help="The trigger it waits for.")] = None,
    action: Annotated[str | None, Option("--action", metavar="R", help="The action it runs.")] = None,
    when: When = None,
    where: Where = None,
    param: Param = None,
    trigger_param: TriggerParam = None,
    mode: Mode = None,
    group_by: GroupBy = None,
    once_within: OnceWithin = None,
    after: After = None,
    unless: Unless = None,
    unless_when: UnlessWhen = None,
    notify: Notify = None,
    timer: Timer = None,
    label: Label = None,
    description: Description = None,
    disabled: Disabled = False,
    unset: Annotated[
        list[str] | None, Option("--unset", metavar="FIELD", help="Take away: conditions, action_params.x …")
    ] = None,
    criteria: Criteria = None,
    enabled: Enabled = False,
) -> None:
    """Change a rule; its parameters one by one, its conditions as a whole."""
    from attune_cli.declaring.rule_making import update_rule
    from attune_cli.declaring.rule_words import RuleWords

    words = RuleWords(
        trigger=trigger, action=action, when=when or (), where=where or (), params=param or (),
        trigger_params=trigger_param or (), mode=mode, group_by=group_by or (), once_within=once_within, after=after,
        unless=unless, unless_when=unless_when or (), notify=notify or (), timer=timer or (), label=label,
        description=description,
        enabled=True if enabled else False if disabled else None, criteria=criteria, unset=unset or (),
    )  # fmt: skip
    update_rule(context, ref, words)


@app.command("edit", examples=["attune rule edit local.disk"])
def edit(context: Context, ref: Ref) -> None:
    """Open a rule in your editor; a faulty one is opened again, with what is wrong above it."""
    from attune_cli.declaring.rule_making import edit_rule

    edit_rule(context, ref)


@app.command("delete", examples=["attune rule delete local.disk --yes"])
def delete(
    context: Context,
    refs: Refs,
    if_exists: Annotated[bool, Option("--if-exists", help="One that is not there is no error.")] = False,
) -> None:
    """Delete rules that people made; those of a pack's files are disabled instead."""
    from attune_cli.declaring.rule_making import delete_rules

    delete_rules(context, refs, if_exists=if_exists)


@app.command("enable", examples=["attune rule enable local.disk", "attune rule enable --pack greenhouse"])
def enable(context: Context, refs: SomeRefs = None, pack: PackOption = None, all_: All = False) -> None:
    """Let rules act again, from now on: their timers start anew."""
    from attune_cli.declaring.rule_making import switch_rules

    switch_rules(context, refs or [], pack=pack, everything=all_, enabled=True)


@app.command("disable", examples=["attune rule disable local.disk", "attune rule disable --pack greenhouse"])
def disable(context: Context, refs: SomeRefs = None, pack: PackOption = None, all_: All = False) -> None:
    """Keep rules from acting, at once."""
    from attune_cli.declaring.rule_making import switch_rules

    switch_rules(context, refs or [], pack=pack, everything=all_, enabled=False)


@app.command(
    "test",
    examples=[
        "attune rule test local.disk mount=/ used=97",
        "attune rule test rules/disk.yaml --payload @event.json",
        "attune rule test local.disk --last 20",
        "attune rule test local.disk --event 17",
    ],
)
def try_rule(
    context: Context,
    rule: Annotated[str, Argument(metavar="REF|FILE", help="A rule, or the file of one.")],
    items: Annotated[
        list[str] | None, Argument(metavar="[KEY=VALUE]...", help="The payload of an event.")
    ] = None,
    payload: Annotated[
        str | None, Option("--payload", metavar="JSON", help="The whole payload; @FILE, or - for stdin.")
    ] = None,
    event: Annotated[int | None, Option("--event", metavar="ID", help="A stored event.")] = None,
    last: Annotated[int | None, Option("--last", metavar="N", min=1, help="The last N events.")] = None,
    run: Annotated[
        bool, Option("--run", help="Where it fires, tell such an event, and run its action.")
    ] = False,
) -> int:
    """Say what a rule would make of an event, and why. Exit 1 when it does not fire."""
    from attune_cli.declaring.rule_testing import TryOptions, show_test

    return show_test(
        context, rule, TryOptions(event=event, payload=payload, items=items or (), last=last, run=run)
    )


@app.command(
    "history",
    examples=["attune rule history local.disk --since 24h", "attune rule history local.disk --explain"],
)
def history(
    context: Context,
    ref: Ref,
    since: Annotated[str | None, Option("--since", metavar="T", help="24h, a date or RFC 3339.")] = None,
    outcome: Annotated[
        str | None, Option("--outcome", metavar="O", help="fired, no_match, error, once_within …")
    ] = None,
    limit: Annotated[int, Option("--limit", "-l", min=1, help="Rows at most.")] = 50,
    explain: Annotated[bool, Option("--explain", help="With what was seen and what was wanted.")] = False,
) -> None:
    """List what a rule made of events, why, and what it ran; the newest first."""
    from attune_cli.declaring.rule_testing import show_history

    show_history(context, ref, since=since, outcome=outcome, limit=limit, explain=explain)
