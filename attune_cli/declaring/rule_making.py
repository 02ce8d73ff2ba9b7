"""Making, changing and deleting rules from a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.answering.editing import edited
from attune_cli.context import confirm
from attune_cli.declaring.rule_documents import read_rule, rule_document
from attune_cli.declaring.rule_words import RuleReader
from attune_cli.documents import yaml_text
from attune_cli.errors import AttuneError, CancelledError, ConflictError, UnavailableError, UsageError
from attune_cli.reading.words import read_words
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.engine.doorbell import ring_host
from attune_cli.runtime.engine.lease import read_lease
from attune_cli.runtime.host import open_store
from attune_cli.runtime.services import installation, packs, rules
from attune_cli.runtime.store import definitions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from attune_cli.context import Context
    from attune_cli.declaring.rule_words import RuleWords
    from attune_cli.errors import Detail
    from attune_cli.runtime.model.automations import RuleDefinition
    from attune_cli.runtime.services.rules import Kept
    from attune_cli.runtime.store.database import Store, Transaction

Record = dict[str, Any]


@immutable(kw_only=True)
class CreateOptions:
    """What is to become of a new rule."""

    replace: bool = False
    if_not_exists: bool = False
    file: Path | None = None
    """Write it there, for a pack, instead of keeping it."""


def create_rule(context: Context, ref: str | None, words: RuleWords, options: CreateOptions) -> None:
    """Make a rule: keep it, or write or print its file."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        rule = _read(context, tx, words, lambda reader: reader.create(ref))
        if context.dry_run or options.file is not None:
            rules.refuse_faulty(tx, rule)
    if context.dry_run:
        _print_document(context, rule)
        return
    if options.file is not None:
        _write_file(context, rule, options.file, overwrite=options.replace)
        return
    with store.write(SystemClock().now()) as tx:
        kept = rules.create(tx, rule, replace=options.replace, if_not_exists=options.if_not_exists)
    _tell(context, kept)


def update_rule(context: Context, ref: str, words: RuleWords) -> None:
    """Change what the words say of a rule."""
    store = open_store(context.home, context.settings)
    with store.write(SystemClock().now()) as tx:
        before = rules.definition_of(rules.find(tx, ref))
        rule = _read(context, tx, words, lambda reader: reader.update(before))
        if context.dry_run:
            rules.refuse_faulty(tx, rule)
            _print_document(context, rule)
            return
        kept = rules.update(tx, rule)
    _tell(context, kept)


def _read(
    context: Context, tx: Transaction, words: RuleWords, read: Callable[[RuleReader], RuleDefinition]
) -> RuleDefinition:
    """Read the words; what cannot be read is told together with what is wrong with the rest of the rule."""
    reader = RuleReader(tx, words)
    rule = read(reader)
    for warning in reader.warnings:
        context.out.warning(warning)
    warn_of_doubts(context, rules.doubts(tx, rule))
    if reader.faults:
        try:
            rules.refuse_faulty(tx, rule)
        except AttuneError as error:
            told = {fault.path for fault in reader.faults}
            reader.faults += [one for one in error.details if one.path.rpartition(".")[2] not in told]
        reader.refuse_faults()
    return rule


def warn_of_doubts(context: Context, doubts: Sequence[Detail]) -> None:
    for doubt in doubts:
        context.out.warning(f"{doubt.path}: {doubt.message}")


def _print_document(context: Context, rule: RuleDefinition) -> None:
    """Print the rule as a file that a pack or `attune apply` takes."""
    document = rule_document(rule)
    if context.out.format == "text":
        context.out.text(yaml_text(document))
    else:
        context.out.record(document)
    context.out.note("nothing was changed")


def _write_file(context: Context, rule: RuleDefinition, path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise ConflictError(f"{path} exists already", code="exists", hint="--replace writes over it")
    try:
        path.write_text(yaml_text(rule_document(rule)), encoding="utf-8")
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error
    context.out.outcome({"kind": "files", "ref": rule.ref, "files": [str(path)]}, [path])
    context.out.hint(f"attune validate {path}")


def _tell(context: Context, kept: Kept) -> None:
    ring_daemon(context)
    record = kept.record
    context.out.outcome(record, [record["ref"]])
    context.out.note(f"rule {record['ref']} {kept.change}{'' if record['enabled'] else ', disabled'}")
    if record["timer_state"] == "expired":
        context.out.warning(f"its time has passed: {record['ref']} never fires")
    context.out.hint(f"attune rule test {record['ref']}")


def ring_daemon(context: Context) -> None:
    """Have the daemon look at once; without one nothing happens."""
    daemon = read_lease(context.home.path)
    if daemon is not None:
        ring_host(context.home.hosts, daemon.host)


# --- in an editor


def edit_rule(context: Context, ref: str) -> None:
    """Open a rule in an editor; a faulty one is opened again with what is wrong above it."""
    if not context.interactive:
        raise UsageError("an editor needs a terminal", hint=f"attune rule update {ref} …")
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        before = yaml_text(rule_document(rules.definition_of(rules.find(tx, ref))))
    text = before
    complaints: list[str] = []
    while True:
        after = edited(text, complaints)
        if after == text:
            raise CancelledError("nothing changed", code="declined")
        text = after
        try:
            kept = _keep_edited(store, ref, text)
            warn_of_doubts(context, kept.doubts)
            _tell(context, kept)
        except AttuneError as error:
            complaints = [error.message, *(f"  {one.path}: {one.message}" for one in error.details)]
        else:
            return


def _keep_edited(store: Store, ref: str, text: str) -> Kept:
    with store.write(SystemClock().now()) as tx:
        rule, _ = read_rule(text.encode(), "rule", ref.partition(".")[0], installation.installed(tx))
        if rule.ref != ref:
            raise UsageError(f"the ref stays '{ref}'", hint="attune rule create makes another rule")
        return rules.update(tx, rule)


# --- deleting and switching


def delete_rules(context: Context, words: Sequence[str], *, if_exists: bool) -> None:
    refs = read_words(words)
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        meant = [ref for ref in refs if not if_exists or ref in _refs(tx)]
        for ref in meant:
            rules.find(tx, ref)
    if context.dry_run:
        context.out.note(f"would delete {', '.join(meant) or 'nothing'}")
        return
    if meant:
        confirm(context, f"Delete {', '.join(meant)}?")
    with store.write(SystemClock().now()) as tx:
        gone = rules.delete(tx, refs, if_exists=if_exists)
    ring_daemon(context)
    context.out.outcome({"deleted": gone}, gone)


def _refs(tx: Transaction) -> set[str]:
    return set(definitions.refs(tx, "rule"))


def switch_rules(
    context: Context, words: Sequence[str], *, pack: str | None, everything: bool, enabled: bool
) -> None:
    """Enable or disable the rules named, those of a pack, or all; prints the refs that changed."""
    if not words and pack is None and not everything:
        raise UsageError("no rule named", hint=f"attune {context.command} REF, --pack P or --all")
    store = open_store(context.home, context.settings)
    with store.write(SystemClock().now()) as tx:
        refs = read_words(words)
        if pack is not None:
            wanted = rules.RuleFilter(pack_ref=packs.find(tx, pack).ref)
            refs += [record["ref"] for record in rules.list_rules(tx, wanted)]
        if everything:
            refs += sorted(_refs(tx))
        if context.dry_run:
            meant = [rules.find(tx, ref).ref for ref in dict.fromkeys(refs)]
            context.out.note(f"would {context.command.rpartition(' ')[2]} {', '.join(meant)}")
            return
        outcome = rules.set_enabled(tx, refs, enabled=enabled)
    ring_daemon(context)
    context.out.outcome({"kind": "outcome", **outcome}, outcome["changed"])
