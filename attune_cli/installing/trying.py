"""`attune pack test`: a pack's own tests, of a folder or of an installed pack."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.context import progress
from attune_cli.errors import NotFoundError, UnavailableError
from attune_cli.installing.pack_programs import pack_programs
from attune_cli.output import Column
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store_for_reading
from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.packs.source import read_pack
from attune_cli.runtime.packs.staging import scratch_copy
from attune_cli.runtime.packs.testing import PackTestReport, has_tests, run_tests
from attune_cli.runtime.services import installation, packs
from attune_cli.runtime.services.environments import content_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context

COLUMNS = (
    Column("PACK", "packRef"),
    Column("STATUS", "status", kind="status"),
    Column("TESTS", "totalTests", kind="number"),
    Column("PASSED", "passed", kind="number"),
    Column("FAILED", "failed", kind="number"),
    Column("SKIPPED", "skipped", kind="number"),
    Column("DURATION", "durationMs", kind="duration"),
)
SHOWN_LINES = 40


def try_packs(context: Context, words: Sequence[str], *, only: str, junit: Path | None) -> int:
    """Test packs by ref or by folder; returns 1 when a test fails."""
    reports = [_test(context, word, only) for word in words]
    for report in reports:
        _tell_failures(context, report)
    if junit is not None:
        _write_junit(junit, reports)
    context.out.records([{"kind": "pack_test", **report.to_json()} for report in reports], COLUMNS)
    return 1 if any(suite.failed for report in reports for suite in report.suites) else 0


def _test(context: Context, word: str, only: str) -> PackTestReport:
    with ExitStack() as stack:
        folder, manifest = _pack_to_test(context, word, stack)
        if not has_tests(manifest):
            context.out.note(f"pack {manifest.ref} has no tests: no enabled 'testing' section in pack.yaml")
        report = stack.enter_context(progress(context, f"testing {manifest.ref}"))
        programs = pack_programs(context.home, read_pack(folder), report) if has_tests(manifest) else []
        now = SystemClock().now()
        return run_tests(folder, manifest, now=now, only=only, programs=programs, report=report)


def _pack_to_test(context: Context, word: str, stack: ExitStack) -> tuple[Path, PackManifest]:
    """Return folder and manifest; an installed pack is tested on a copy, so that its content stays as it is."""
    if Path(word).is_dir():
        found = read_pack(Path(word), shown_as=f"{word}/")
        installation.refuse_faults(found)
        return Path(word).resolve(), found.manifest
    if "/" in word:
        raise NotFoundError(f"no pack folder '{word}'", hint="attune pack new REF")
    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        pack = packs.find(tx, word)
    folder = content_folder(pack, context.home)
    if not folder.is_dir():
        raise UnavailableError(
            f"the files of pack '{word}' are gone: {folder}", hint=f"attune pack upgrade {word}"
        )
    if pack.link is None:
        folder = stack.enter_context(scratch_copy(folder, context.home))
    return folder, PackManifest.from_json(pack.manifest)


def _tell_failures(context: Context, report: PackTestReport) -> None:
    for suite in report.suites:
        if suite.failed:
            context.out.warning(f"{report.pack_ref}: {suite.name}: {suite.error_message or 'tests failed'}")
            for line in (suite.stdout + suite.stderr).splitlines()[-SHOWN_LINES:]:
                context.out.note(f"  {line}")


def _write_junit(path: Path, reports: list[PackTestReport]) -> None:
    from attune_cli.runtime.packs.junit import junit_xml

    try:
        path.write_text(junit_xml(reports), encoding="utf-8")
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error
