"""docs/reference/pack-format.md against the pack reader: its examples are valid, and its keys are the reader's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.model.containers import CONTAINER_KEYS
from attune_cli.runtime.packs.documents import parse_document
from attune_cli.runtime.packs.fields import Fields
from attune_cli.runtime.packs.kinds.manifest import decode_manifest
from attune_cli.runtime.packs.kinds.workflow import decode_workflow
from attune_cli.runtime.packs.reading import Reading
from attune_cli.runtime.packs.source import DECODERS, read_pack
from tests.docs.pages import DOCS, File, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from attune_cli.runtime.packs.findings import Finding

PAGE = (DOCS / "reference" / "pack-format.md").read_text(encoding="utf-8")
READING = Reading("example", Path("/nowhere"), {}, has_all_runtimes=True)
SECTIONS: dict[str, tuple[str, Callable[[Fields], object]]] = {
    "manifest": ("pack.yaml", lambda fields: decode_manifest(fields, "example")),
    "workflow": (
        "Workflows",
        lambda fields: decode_workflow(fields, READING, "workflows/example.yaml", None, "example"),
    ),
    **{
        kind: (
            "Policies" if kind == "policy" else f"{kind.replace('_', ' ').capitalize()}s",
            lambda fields, decode=decode: decode(fields, READING),
        )
        for kind, (_, decode) in DECODERS.items()
    },
}
"""Kind → the section that has its table, and its decoder."""


def test_every_example_of_a_pack_is_valid(tmp_path: Path) -> None:
    examples = [step for step in steps(PAGE) if isinstance(step, File)]
    for example in examples:
        path = tmp_path / example.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(example.text, encoding="utf-8")
    pack = read_pack(tmp_path / "greenhouse")
    assert pack.findings == ()
    kinds = {kind for kind, definitions in pack.definitions.items() if definitions}
    assert kinds == {*DECODERS, "workflow"}


@pytest.mark.parametrize("kind", SECTIONS)
def test_the_documented_keys_are_those_of_the_reader(kind: str) -> None:
    title, decode = SECTIONS[kind]
    documented = _keys(title)
    asked = Fields(parse_document(b"ref: example.one"), "", [])
    decode(asked)
    assert asked._asked <= documented
    for key in documented - {"ref"}:
        around = "runner_type: container\n" if kind == "action" and key in CONTAINER_KEYS else ""
        findings: list[Finding] = []
        decode(Fields(parse_document(f"ref: example.one\n{around}{key}: 1\n".encode()), "", findings))
        assert not [finding for finding in findings if "unknown key" in finding.message]


def _keys(title: str) -> set[str]:
    """Return the keys in the first table of a section."""
    section = re.split(rf"^##+ {re.escape(title)}$", PAGE, flags=re.MULTILINE)[1]
    table = re.search(r"^\| key \|.*?\n(?:\n|\Z)", section, re.MULTILINE | re.DOTALL)
    assert table is not None
    first_cells = [row.split("|")[1] for row in table[0].strip().splitlines()[2:]]
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
