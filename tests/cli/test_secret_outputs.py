"""A value declared secret in an action's output is nowhere in the clear, and can be asked for by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

ACTION = """\
ref: vault.issue
runner_type: shell
entry_point: |
  echo '{"user": "ada", "token": "tok-\\u00e9-123''456", "nested": {"pin": 987''654}}'
output_format: json
output:
  user: {type: string}
  token: {type: string, secret: true}
  nested: {type: object, properties: {pin: {type: integer, secret: true}}}
"""


def _installed(folder: Path, run: Run) -> None:
    (folder / "actions").mkdir(parents=True)
    (folder / "pack.yaml").write_text("ref: vault\nlabel: Vault\nversion: 1.0.0\n")
    (folder / "actions" / "issue.yaml").write_text(ACTION)
    assert run("pack", "install", str(folder)).exit_code == 0


def test_a_secret_output_is_sealed_and_cleaned_from_the_log(tmp_path: Path, home: Home, run: Run) -> None:
    _installed(tmp_path / "vault", run)
    result = run("run", "vault.issue", "-j")
    marker = {"$attune_secret": True, "redacted": True}
    data = json.loads(result.stdout)["result"]["data"]
    assert data == {"user": "ada", "token": marker, "nested": {"pin": marker}}
    revealed = run("execution", "result", "@last", "--reveal", "-j")
    assert json.loads(revealed.stdout) == {
        "user": "ada",
        "token": "tok-é-123456",
        "nested": {"pin": 987654},
    }
    kept = [
        path.read_bytes() for path in home.path.rglob("*") if path.is_file() and "packs" not in path.parts
    ]
    assert kept
    assert not any(word in content for content in kept for word in (b"123456", b"987654"))
