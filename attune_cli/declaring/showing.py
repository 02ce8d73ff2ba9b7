"""Behind `attune apply` and `attune diff`: asking, and telling what was done or would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.declaring.applying import Outcome, Pruning, apply
from attune_cli.declaring.sources import find_sources
from attune_cli.errors import UsageError
from attune_cli.invocation import confirm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context
    from attune_cli.declaring.applying import Step
    from attune_cli.declaring.sources import Sources

_WOULD = {"created": "would create", "updated": "would update", "pruned": "would prune"}

_SCOPE = "pack:"


def read_pruning(*, prune: bool, scope: str | None) -> Pruning:
    """Read `--prune` and `--scope pack:REF`; raises UsageError."""
    if scope is None:
        return Pruning(is_asked=prune)
    if not prune:
        raise UsageError("--scope says what --prune may take away", hint="add --prune")
    if not scope.startswith(_SCOPE) or scope == _SCOPE:
        raise UsageError(f"--scope {scope!r}: expected pack:REF")
    return Pruning(is_asked=True, pack=scope.removeprefix(_SCOPE))


def apply_files(
    context: Context, paths: Sequence[str], pruning: Pruning, *, recursive: bool, strict: bool
) -> None:
    """Do what files declare, and print what changed; what is to be pruned is asked about first."""
    sources = _find(context, paths, recursive=recursive)
    look = context.dry_run
    if pruning.is_asked and not look and not context.yes:
        planned = apply(context.home, context.settings, sources, pruning, strict=strict, look=True)
        gone = [f"{step.kind} {step.ref}" for step in planned.steps if step.change == "pruned"]
        if gone:
            confirm(context, f"Remove {', '.join(gone)}?")
    outcome = apply(context.home, context.settings, sources, pruning, strict=strict, look=look)
    _warn(context, outcome)
    changed = _changed(outcome)
    items = [_item(step) for step in outcome.steps]
    record = {"kind": "outcome", "dry_run": look, "changed": len(changed), "items": items}
    words = _WOULD if look else {}
    lines = [f"{words.get(step.change, step.change)} {step.kind} {step.ref}" for step in outcome.steps]
    context.out.outcome(record, [step.ref for step in changed] if context.quiet else lines)
    if not outcome.steps:
        context.out.note("nothing is declared there")
    elif look:
        context.out.note(f"{len(changed)} would change; nothing was changed")


def apply_project(context: Context) -> None:
    """Do what the files of the project declare, and say on stderr what changed."""
    sources = _find(context, (), recursive=False)
    outcome = apply(context.home, context.settings, sources, Pruning(), strict=False, look=False)
    _warn(context, outcome)
    for step in _changed(outcome):
        context.out.note(f"{step.change} {step.kind} {step.ref}")


def show_differences(
    context: Context, paths: Sequence[str], pruning: Pruning, *, recursive: bool, strict: bool
) -> int:
    """Print how what is kept differs from what files declare; returns 1 when it does."""
    sources = _find(context, paths, recursive=recursive)
    outcome = apply(context.home, context.settings, sources, pruning, strict=strict, look=True)
    _warn(context, outcome)
    changed = _changed(outcome)
    if context.out.is_text:
        for step in changed:
            context.out.text(step.difference())
    else:
        items = [{**_item(step), "diff": step.difference()} for step in changed]
        context.out.outcome(
            {"kind": "outcome", "changed": len(changed), "items": items}, [step.ref for step in changed]
        )
    return 1 if changed else 0


def _find(context: Context, paths: Sequence[str], *, recursive: bool) -> Sources:
    """Read what paths mean, and warn of what looks as if it were meant as well."""
    sources = find_sources(context, paths, recursive=recursive)
    for sentence in sources.overlooked:
        context.out.warning(sentence)
    return sources


def _warn(context: Context, outcome: Outcome) -> None:
    for finding in outcome.warnings:
        context.out.warning(str(finding))


def _changed(outcome: Outcome) -> list[Step]:
    return [step for step in outcome.steps if step.change != "unchanged"]


def _item(step: Step) -> dict[str, Any]:
    return {"kind": step.kind, "ref": step.ref, "change": step.change, "path": step.path}
