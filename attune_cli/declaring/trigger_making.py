"""Making, deleting and switching triggers from a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.context import confirm
from attune_cli.declaring.rule_making import ring_daemon
from attune_cli.errors import Detail, UsageError
from attune_cli.reading.parameters import ParameterReader
from attune_cli.reading.words import read_words
from attune_cli.running.webhooks import base_url
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store
from attune_cli.runtime.services import packs, triggers, webhooks
from attune_cli.runtime.store.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context


def create_trigger(
    context: Context,
    ref: str,
    *,
    label: str,
    description: str,
    parameters: str | None,
    output: str | None,
    enabled: bool,
    webhook: bool,
) -> None:
    """Make a trigger, with an address for requests where one is wanted; its schemas are JSON, `@FILE` or `-`."""
    faults: list[Detail] = []
    schemas = {
        name: _schema(name, text, faults)
        for name, text in (("--param-schema", parameters), ("--out-schema", output))
    }
    if faults:
        raise UsageError(
            f"trigger '{ref}' cannot be made",
            code="invalid_trigger",
            details=faults,
            hint="attune schema trigger",
        )
    full = ref if "." in ref else f"local.{ref}"
    store = open_store(context.home, context.settings)
    if context.dry_run:
        triggers.read_trigger(
            full, label, description, parameters=schemas["--param-schema"], output=schemas["--out-schema"],
            enabled=enabled,
        )  # fmt: skip
        context.out.note(f"trigger {full} would be created{' with a webhook' if webhook else ''}")
        return
    with store.write(SystemClock().now()) as tx:
        record = triggers.create(
            tx, full, label=label, description=description, parameters=schemas["--param-schema"],
            output=schemas["--out-schema"], enabled=enabled,
        )  # fmt: skip
        if webhook:
            webhooks.enable(tx, full, sealer=Sealer(context.home.secret_key))
            record = webhooks.trigger_record(tx, full, base_url=base_url(context))
    context.out.outcome(record, [full])
    context.out.note(f"trigger {full} created")
    if webhook:
        context.out.note(f"it takes requests from whoever knows {record['webhook_url']}")
        context.out.hint(f"attune webhook enable {full} --style github --secret key://REF checks signatures")
    context.out.hint(f"attune rule create --trigger {full} --action REF")


def _schema(option: str, text: str | None, faults: list[Detail]) -> dict[str, Any]:
    if text is None:
        return {}
    reader = ParameterReader({})
    reader.read_document(text)
    faults += [Detail(option, fault.message.removeprefix("--params ")) for fault in reader.faults]
    return reader.values


def delete_triggers(context: Context, words: Sequence[str], *, if_exists: bool) -> None:
    refs = read_words(words)
    store = open_store(context.home, context.settings)
    if not if_exists:
        with store.read(SystemClock().now()) as tx:
            for ref in refs:
                triggers.find(tx, ref)
    if context.dry_run:
        context.out.note(f"would delete {', '.join(refs)}")
        return
    confirm(context, f"Delete {', '.join(refs)}?")
    with store.write(SystemClock().now()) as tx:
        gone = triggers.delete(tx, refs, if_exists=if_exists)
    context.out.outcome({"deleted": gone}, gone)


def switch_triggers(
    context: Context, words: Sequence[str], *, pack: str | None, everything: bool, enabled: bool
) -> None:
    """Enable or disable the triggers named, those of a pack, or all; prints the refs that changed."""
    if not words and pack is None and not everything:
        raise UsageError("no trigger named", hint=f"attune {context.command} REF, --pack P or --all")
    store = open_store(context.home, context.settings)
    with store.write(SystemClock().now()) as tx:
        refs = read_words(words)
        if pack is not None:
            refs += [one["ref"] for one in triggers.list_triggers(tx, pack_ref=packs.find(tx, pack).ref)]
        if everything:
            refs += [one["ref"] for one in triggers.list_triggers(tx)]
        if context.dry_run:
            meant = [triggers.find(tx, ref).ref for ref in dict.fromkeys(refs)]
            context.out.note(f"would {context.command.rpartition(' ')[2]} {', '.join(meant)}")
            return
        outcome = triggers.set_enabled(tx, refs, enabled=enabled)
    ring_daemon(context)
    context.out.outcome({"kind": "outcome", **outcome}, outcome["changed"])
