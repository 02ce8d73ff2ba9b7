"""Putting packs in and taking them out, from a command line (cli.md 3.9)."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attune_cli.context import confirm, progress
from attune_cli.errors import CancelledError, Detail, RunFailedError, UsageError
from attune_cli.installing.pack_programs import pack_programs
from attune_cli.output import Column
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store
from attune_cli.runtime.packs.environments import delete_environments
from attune_cli.runtime.packs.findings import as_strict
from attune_cli.runtime.packs.interpreters import Interpreters
from attune_cli.runtime.packs.source import read_pack, without_faulty
from attune_cli.runtime.packs.staging import scratch_copy, staged
from attune_cli.runtime.packs.testing import has_tests, run_tests
from attune_cli.runtime.services import installation, pack_config, packs
from attune_cli.runtime.services.environments import refuse_missing_runtimes
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.packs.source import PackSource
    from attune_cli.runtime.packs.staging import StagedPack
    from attune_cli.runtime.packs.testing import PackTestReport
    from attune_cli.runtime.store.database import Store

COLUMNS = (
    Column("REF", "ref"),
    Column("VERSION", "version"),
    Column("BEFORE", "before"),
    Column("STATE", "state"),
)


@immutable(kw_only=True)
class InstallOptions:
    """What was asked of an installation."""

    ref: str | None = None
    """Branch, tag or commit of a git source."""
    upgrade: bool = False
    dependencies: bool = True
    tests: bool = True
    link: bool = False
    lenient: bool = False
    strict: bool = False


def install_packs(context: Context, sources: Sequence[str], options: InstallOptions) -> None:
    """Install packs one after the other, each whole or not at all, and print those that are in."""
    store = open_store(context.home, context.settings)
    records: list[dict[str, Any]] = []
    try:
        for source in sources:
            records += _install(context, store, source, options)
    finally:
        if records:
            context.out.records(records, COLUMNS)


def _install(context: Context, store: Store, source: str, options: InstallOptions) -> list[dict[str, Any]]:
    with (
        progress(context, f"installing {source}") as report,
        staged(source, context.home, ref=options.ref, link=options.link, report=report) as pack,
    ):
        found = _read(context, store, pack, options)
        _refuse_what_cannot_fit(context, store, pack, found, options)
        if options.tests and has_tests(found.manifest):
            _refuse_failing(_test(context, pack, found, report))
        if context.dry_run:
            context.out.note(f"would install {_described(found)}")
            return []
        return [_put_in(context, store, pack, found, options)]


def _read(context: Context, store: Store, pack: StagedPack, options: InstallOptions) -> PackSource:
    """Read the staged pack, and say what is not quite right with it."""
    with store.read(SystemClock().now()) as tx:
        installed = installation.installed(tx)
    shown_as = os.path.join(pack.source, "") if Path(pack.source).is_dir() else ""  # noqa: PTH118 - a prefix
    found = read_pack(pack.folder, shown_as=shown_as, installed=installed)
    if options.strict:
        found = replace(found, findings=tuple(as_strict(found.findings)))
    if options.lenient and found.errors:
        errors = found.errors
        found, skipped = without_faulty(found)
        for fault in errors:
            context.out.warning(f"skipped: {fault}")
        context.out.note(
            f"left out of {found.manifest.ref}: {', '.join(skipped) or 'nothing that has a ref'}"
        )
    installation.refuse_faults(found)
    for finding in found.findings:
        context.out.warning(str(finding))
    return found


def _refuse_what_cannot_fit(
    context: Context, store: Store, pack: StagedPack, found: PackSource, options: InstallOptions
) -> None:
    """Refuse early what the transaction would refuse, and what needs programs to be asked."""
    interpreters = Interpreters(context.home.environments / "interpreters.json")
    with store.read(SystemClock().now()) as tx:
        installation.refuse_conflict(tx, found.manifest, pack, upgrade=options.upgrade)
        if options.dependencies:
            installation.refuse_dependencies(tx, found.manifest)
            refuse_missing_runtimes(tx, found.manifest, interpreters)


def _test(
    context: Context, pack: StagedPack, found: PackSource, report: Callable[[str], None]
) -> PackTestReport:
    """Run the pack's tests on a copy, so that what they write does not become part of the pack."""
    now = SystemClock().now()
    programs = pack_programs(context.home, found, report)
    if pack.link is not None:
        return run_tests(pack.folder, found.manifest, now=now, programs=programs, report=report)
    with scratch_copy(pack.folder, context.home) as folder:
        return run_tests(folder, found.manifest, now=now, programs=programs, report=report)


def _refuse_failing(tests: PackTestReport) -> None:
    bad = [suite for suite in tests.suites if suite.failed or suite.status == "error"]
    if bad:
        raise RunFailedError(
            f"the tests of pack '{tests.pack_ref}' fail; nothing was installed",
            code="pack_tests_failed",
            details=[Detail(suite.name, suite.error_message or f"{suite.failed} failed") for suite in bad],
            hint="attune pack test PATH shows their output; --no-test installs without them",
        )


def _put_in(
    context: Context, store: Store, pack: StagedPack, found: PackSource, options: InstallOptions
) -> dict[str, Any]:
    clock, ref = SystemClock(), found.manifest.ref
    with store.write(clock.now()) as tx:
        done = installation.install(
            tx,
            pack,
            found,
            home=context.home,
            sealer=Sealer(context.home.secret_key),
            upgrade=options.upgrade,
            dependencies=options.dependencies,
            lenient=options.lenient,
        )
    for fault in done.left_out:
        context.out.warning(f"skipped: {fault.path}: {fault.message}")
    with store.write(clock.now()) as tx:
        installation.sweep(tx, ref, home=context.home)
        record = {**packs.pack_record(tx, packs.find(tx, ref)), "before": done.before, "folder": done.folder}
        missing = pack_config.config_record(packs.find(tx, ref))["missing"]
    was = f", was {done.before}" if done.before else ""
    context.out.note(f"{_described(found)} {'linked' if pack.link else 'installed'}{was}")
    if missing:
        context.out.warning(f"{ref} needs configuration: {', '.join(missing)}")
        context.out.hint(f"attune pack config {ref} set {missing[0]}=…")
    else:
        context.out.hint(f"attune action list --pack {ref}")
    return record


def _described(found: PackSource) -> str:
    return f"pack {found.manifest.ref} {found.manifest.version}".rstrip()


# --- upgrade


def upgrade_packs(
    context: Context, refs: Sequence[str], *, everything: bool, options: InstallOptions
) -> None:
    """Install packs again from where they came from."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        if everything:
            refs = [record["ref"] for record in packs.list_packs(tx) if record["ref"] != installation.CORE]
        origins = [packs.find(tx, ref) for ref in refs]
    if not refs and not everything:
        raise UsageError("no pack to upgrade", hint="attune pack upgrade REF, or --all")
    records: list[dict[str, Any]] = []
    try:
        for pack in origins:
            if pack.ref == installation.CORE:
                records += _upgrade_core(context, store)
            else:
                again = replace(options, upgrade=True, link=pack.link is not None)
                records += _install(context, store, pack.source, again)
    finally:
        if records:
            context.out.records(records, COLUMNS)


def _upgrade_core(context: Context, store: Store) -> list[dict[str, Any]]:
    with store.write(SystemClock().now()) as tx:
        before = packs.find(tx, installation.CORE).version
        installation.install_core_pack(tx, home=context.home)
        return [{**packs.pack_record(tx, packs.find(tx, installation.CORE)), "before": before}]


# --- uninstall


def uninstall_packs(context: Context, refs: Sequence[str], *, keep_data: bool, name: str | None) -> None:
    """Take packs out after their name was typed; their environments and keys go too, unless they are kept."""
    store = open_store(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        found = [packs.find(tx, ref).ref for ref in refs]
    if context.dry_run:
        context.out.note(f"would remove {', '.join(found)}")
        return
    for ref in found:
        confirm_name(context, ref, name)
    with store.write(SystemClock().now()) as tx:
        for ref in found:
            installation.uninstall(tx, ref, keep_keys=keep_data, together_with=frozenset(found))
    for ref in found:
        with store.write(SystemClock().now()) as tx:
            installation.sweep(tx, ref, home=context.home)
        if not keep_data:
            delete_environments(context.home, ref)
        context.out.note(f"pack {ref} removed")
    context.out.outcome({"deleted": found}, found)


def confirm_name(context: Context, ref: str, given: str | None) -> None:
    """Have the name of what will be lost typed; `--confirm NAME` and `--yes` answer for scripts."""
    if given == ref:
        return
    if given is not None:
        raise UsageError(f"--confirm {given!r} is not '{ref}'", code="confirmation_needed")
    if context.yes or not context.interactive:
        confirm(context, f"Remove pack {ref} and all it defines?")
        return
    sys.stderr.write(f"This removes pack {ref} and all it defines. Type its name to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != ref:
        raise CancelledError("nothing changed", code="declined")
