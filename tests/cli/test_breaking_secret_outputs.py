"""Secret outputs where no ordinary document was printed: a failure, a cut, a size, lines, a key that is gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

SECRET = "tok-987" + "654"  # written in two parts, so that it stands in no definition

ACTIONS = {
    "fails": 'echo "{\\"token\\": \\"$t\\"}"; echo "no use for $t" >&2; exit 3',
    "breaks_off": 'printf "{\\"token\\": \\"$t"',
    "breaks_off_and_fails": 'printf "{\\"token\\": \\"$t"; exit 3',
    "nested": 'echo "{\\"inner\\": {\\"pin\\": \\"$t\\"}}"',
    "is_large": 'echo "{\\"token\\": \\"$t\\", \\"rest\\": \\"$(head -c 1500000 /dev/zero | tr "\\0" x)\\"}"',
    "is_cut": 'echo "{\\"token\\": \\"$t\\", \\"rest\\": \\"$(head -c 9000 /dev/zero | tr "\\0" x)\\"}"',
    "tells_stderr": 'echo "{\\"token\\": \\"$t\\"}"; echo "made $t" >&2',
}


def _files() -> dict[str, str]:
    head = """\
output:
  token: {type: string, secret: true}
  inner: {type: object, properties: {pin: {type: string, secret: true}}}
entry_point: |
  t=tok-987; t="${t}654"
"""
    files = {
        f"actions/{name}.yaml": f"ref: vault.{name}\noutput_format: json\n{head}  {code}\n"
        for name, code in ACTIONS.items()
    }
    files["actions/is_cut.yaml"] += "log_limits: {max_stdout_bytes: 4096}\n"
    files["actions/lines.yaml"] = (
        f"ref: vault.lines\noutput_format: jsonl\n{head}"
        '  echo "{\\"token\\": \\"$t\\"}"; echo "{\\"user\\": \\"ada\\", \\"token\\": \\"$t\\"}"\n'
    )
    return {"pack.yaml": "ref: vault\nversion: 1.0.0\n", **files}


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    """Call attune in this process, in a home with a pack of actions that print a secret."""
    installed = run("pack", "install", str(write_files(tmp_path / "vault", _files())))
    assert installed.exit_code == 0, installed.stderr
    return run


def _kept_in(home: Home) -> list[str]:
    return [
        path.name
        for path in home.path.rglob("*")
        if path.is_file() and "packs" not in path.parts and SECRET.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("name", [*ACTIONS, "lines"])
def test_a_secret_output_is_kept_nowhere_whatever_was_printed(run: Run, home: Home, name: str) -> None:
    assert run("run", f"vault.{name}", "-qq").exit_code == (1 if "fails" in name else 0)
    assert _kept_in(home) == []
    assert SECRET not in run("execution", "show", "@last", "-j").stdout


def test_the_secrets_of_lines_are_sealed_line_by_line(run: Run) -> None:
    run("run", "vault.lines", "-qq")
    marker = {"$attune_secret": True, "redacted": True}
    shown = json.loads(run("execution", "result", "@last", "-j").stdout)
    assert shown == [{"token": marker}, {"user": "ada", "token": marker}]
    revealed = json.loads(run("execution", "result", "@last", "--reveal", "-j").stdout)
    assert revealed == [{"token": SECRET}, {"user": "ada", "token": SECRET}]


@pytest.mark.usefixtures("run")
def test_a_run_whose_secrets_cannot_be_sealed_fails_and_says_why(process: Run, home: Home) -> None:
    home.secret_key.write_bytes(b"short")
    done = process("run", "vault.nested", "-j")
    assert done.exit_code == 1
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "no_key"
    assert "it has 5 bytes, not 32" in error["message"]
    assert _kept_in(home) == []


def test_a_run_whose_end_is_committed_leaves_only_its_logs(run: Run, home: Home) -> None:
    assert run("run", "vault.nested", "-qq").exit_code == 0
    assert sorted(file.name for file in (home.runs / "1").iterdir()) == ["index", "stdout"]
