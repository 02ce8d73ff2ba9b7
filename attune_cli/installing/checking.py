"""Checking pack files without a database, and printing what was found (cli.md 3.9, `validate`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attune_cli.config import PROJECT_FILE
from attune_cli.errors import NotFoundError
from attune_cli.output import Column
from attune_cli.runtime.model.containers import policy_of
from attune_cli.runtime.packs.findings import as_strict, errors_of
from attune_cli.runtime.packs.source import MANIFEST_NAMES, as_installed, core_pack_folder, read_pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.context import Context
    from attune_cli.runtime.model.containers import ContainerPolicy
    from attune_cli.runtime.packs.findings import Finding
    from attune_cli.runtime.packs.reading import Installed

COLUMNS = (
    Column("PATH", "path"),
    Column("LINE", "line", kind="number"),
    Column("COLUMN", "column", kind="number"),
    Column("SEVERITY", "severity", kind="status"),
    Column("MESSAGE", "message", kind="text"),
    Column("SUGGESTION", "suggestion", kind="text"),
)


Meant = tuple[Path, str | None]
"""The folder of a pack, and the one file in it that is meant; None: all of it."""


def validate(context: Context, paths: Sequence[Path], *, strict: bool) -> int:
    """Check packs, folders of packs and single files of packs; returns 1 when there is an error."""
    meant = paths or [project_folder(context.directory or Path())]
    return report(context, [pair for path in meant for pair in packs_at(path)], (), strict=strict)


def report(
    context: Context, packs: Iterable[Meant], others: Iterable[Finding], *, documents: int = 0, strict: bool
) -> int:
    """Check packs and print what is wrong with them and with `others`; returns 1 when there is an error."""
    folders: dict[Path, set[str] | None] = {}
    for folder, file in packs:
        only = folders.setdefault(folder, set() if file else None)
        if file is None:
            folders[folder] = None
        elif only is not None:
            only.add(file)
    policy, known = policy_of(context.settings), _known(folders)
    findings = [finding for folder, only in folders.items() for finding in _read(folder, only, policy, known)]
    findings += others
    if strict:
        findings = as_strict(findings)
    _print(context, findings)
    errors = len(errors_of(findings))
    counted = [_counted(len(folders), "pack"), *([_counted(documents, "document")] if documents else ())]
    counted += [_counted(errors, "error"), _counted(len(findings) - errors, "warning")]
    context.out.note(", ".join(counted))
    return 1 if errors else 0


def _known(folders: Iterable[Path]) -> Installed | None:
    """Return what packs that are checked together and the core pack offer to each other; None where there is one."""
    several = list(folders)
    if len(several) < 2:  # noqa: PLR2004 - each other
        return None
    return as_installed([read_pack(folder) for folder in (core_pack_folder(), *several)])


def _read(
    folder: Path, only: set[str] | None, policy: ContainerPolicy, known: Installed | None
) -> list[Finding]:
    prefix = os.path.join(os.path.relpath(folder), "")  # noqa: PTH118 - a text that goes before paths
    prefix = "" if prefix == os.path.join(".", "") else prefix  # noqa: PTH118 - as above
    found = read_pack(folder, shown_as=prefix, policy=policy, installed=known).findings
    return [finding for finding in found if only is None or finding.path.removeprefix(prefix) in only]


def packs_at(path: Path, *, alone: bool = True) -> list[Meant]:
    """Return the packs a path means; raises NotFoundError when there is none, unless it means something else too."""
    if not path.exists():
        raise NotFoundError(f"no file or folder '{path}'", hint="attune validate --help")
    if _is_pack(path):
        return [(path, None)]
    if path.is_dir():
        below = [inner for place in (path, path / "packs") for inner in _folders_in(place) if _is_pack(inner)]
        if below:
            return [(inner, None) for inner in dict.fromkeys(below)]
    for parent in path.absolute().parents:
        if _is_pack(parent):
            return [(parent, None if path.is_dir() else str(path.absolute().relative_to(parent)))]
    if not alone:
        return []
    raise NotFoundError(
        f"'{path}' is no pack and lies in none: no pack.yaml in it, below it or above it",
        hint="attune pack new REF",
    )


def _is_pack(folder: Path) -> bool:
    return any((folder / name).is_file() for name in MANIFEST_NAMES)


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def project_folder(start: Path) -> Path:
    """Return the nearest folder upwards with an attune.toml, else where we are."""
    here = start.absolute()
    return next((folder for folder in (here, *here.parents) if (folder / PROJECT_FILE).is_file()), start)


def _print(context: Context, findings: Iterable[Finding]) -> None:
    if context.out.is_text:
        for finding in findings:
            context.out.text(f"{_line(finding)}\n")
    else:
        context.out.records([_record(finding) for finding in findings], COLUMNS)


def _line(finding: Finding) -> str:
    if finding.severity == "error":
        return str(finding)
    return str(finding).replace(f"{finding.place}: ", f"{finding.place}: warning: ", 1)


def _record(finding: Finding) -> dict[str, Any]:
    return {"kind": "finding", **vars(finding)}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
