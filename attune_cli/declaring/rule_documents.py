"""Rules as documents: the one form in which they are written, and reading them from files (domain.md 1.7)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import Detail, NotFoundError, UsageError
from attune_cli.runtime.model.quantities import format_duration, parse_duration
from attune_cli.runtime.model.refs import label_of, pack_of
from attune_cli.runtime.packs.documents import DocumentError, parse_document
from attune_cli.runtime.packs.fields import Fields
from attune_cli.runtime.packs.findings import Finding, as_strict, errors_of
from attune_cli.runtime.packs.kinds.rule import decode_rule
from attune_cli.runtime.packs.payload_fields import undeclared_fields
from attune_cli.runtime.packs.reading import Reading, unresolved
from attune_cli.runtime.packs.source import MANIFEST_NAMES

if TYPE_CHECKING:
    from attune_cli.runtime.model.automations import RuleDefinition
    from attune_cli.runtime.packs.reading import Installed

Document = dict[str, Any]

_NOTHING_AFTER = re.compile(r"(?<=[mhd])00[smh]$")
"""`5m00s` is `5m`."""

LOCAL = "local"
"""The pack of what belongs to no pack."""


def rule_document(rule: RuleDefinition) -> Document:
    """Return a rule as its file says it: what is as it would be anyway is left out."""
    permission_sets = rule.permission_set_refs
    written: Document = {
        "ref": rule.ref,
        "label": rule.label if rule.label != label_of(rule.ref) else "",
        "description": rule.description,
        "enabled": None if rule.enabled else False,
        "trigger_ref": rule.trigger_ref,
        "trigger_params": rule.trigger_params,
        "timer": rule.timer,
        "conditions": rule.conditions,
        "action_ref": rule.action_ref,
        "action_params": rule.action_params,
        "mode": "" if rule.mode == "parallel" else rule.mode,
        "group_by": list(rule.group_by),
        "once_within": _span(rule.once_within_seconds),
        "notify": list(rule.notify),
    }
    if rule.after is not None:
        written["after"] = {"count": rule.after.count, "within": _span(rule.after.within_seconds)}
    if rule.unless is not None:
        written["unless"] = {
            "trigger_ref": rule.unless.trigger_ref,
            "within": _span(rule.unless.within_seconds),
            **({} if rule.unless.conditions is None else {"conditions": rule.unless.conditions}),
        }
    kept = {name: value for name, value in written.items() if value not in (None, "", [], {})}
    return kept if permission_sets is None else {**kept, "permission_set_refs": list(permission_sets)}


def _span(seconds: float | None) -> str | float | None:
    """Return a duration in words where they say exactly the same."""
    if seconds is None:
        return None
    words = _NOTHING_AFTER.sub("", format_duration(seconds))
    return words if parse_duration(words) == seconds else seconds


def read_rule_file(
    path: Path, installed: Installed, *, strict: bool = True
) -> tuple[RuleDefinition, list[Finding]]:
    """Read one rule from a file; raises UsageError with every fault, or NotFoundError. Returns what is left to warn of.

    A ref without a pack belongs to the pack whose folder the file lies in, else to `local`.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"no file '{path}'", hint="attune rule list") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return read_rule(content, str(path), _pack_around(path), installed, strict=strict)


def read_rule(
    content: bytes, shown_as: str, pack_ref: str, installed: Installed, *, strict: bool = True
) -> tuple[RuleDefinition, list[Finding]]:
    """Read one rule from text; raises UsageError with every fault. Unknown keys are faults when `strict`."""
    try:
        document = parse_document(content)
    except DocumentError as fault:
        raise _faulty(shown_as, [Finding(shown_as, *fault.position, "error", fault.message)]) from None
    findings: list[Finding] = [
        Finding(shown_as, *position, "error", f"the key '{key}' is already in line {first[0]}")
        for key, position, first in document.repeated
    ]
    if not isinstance(document.value, dict):
        raise _faulty(shown_as, [Finding(shown_as, 1, 1, "error", "expected a mapping of keys")])
    fields = Fields(document, shown_as, findings)
    fields.require("ref")
    ref = fields.text("ref")
    reading = Reading(pack_of(ref) if "." in ref else pack_ref, Path(), dict(installed.runtime_names), True)
    rule = decode_rule(fields, reading)
    findings += unresolved(reading.references, {}, "", installed)
    found = as_strict(findings) if strict else findings
    if errors_of(found):
        raise _faulty(shown_as, found)
    doubtful: list[Finding] = []
    Fields(document, shown_as, doubtful).note(undeclared_fields(rule, installed.outputs), "warning")
    return rule, [*found, *doubtful]


def _faulty(shown_as: str, findings: list[Finding]) -> UsageError:
    return UsageError(
        f"{shown_as} holds no rule that can be kept; nothing was changed",
        code="invalid_rule",
        details=[Detail(one.place, str(one).partition(": ")[2]) for one in sorted(findings)],
        hint="attune schema rule",
    )


def _pack_around(path: Path) -> str:
    """Return the ref of the pack whose folder a file lies in, or `local`."""
    for folder in path.absolute().parents:
        for name in MANIFEST_NAMES:
            if (folder / name).is_file():
                return _ref_in(folder / name)
    return LOCAL


def _ref_in(manifest: Path) -> str:
    try:
        value = parse_document(manifest.read_bytes()).value
    except (OSError, DocumentError):
        return LOCAL
    return str(cast("Document", value).get("ref") or LOCAL) if isinstance(value, dict) else LOCAL
