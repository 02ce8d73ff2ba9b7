"""Secret outputs when the engine dies between the cleaning of the logs and the commit of what they said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.model.actions import ActionDefinition
from attune_cli.runtime.runners.results import outcome_of
from attune_cli.runtime.runners.secret_outputs import hide_secret_outputs
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.runtime.supervisor import RunExit, StreamSummary

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.model.actions import OutputFormat
    from attune_cli.runtime.model.entities import Outcome

ACTION = {
    "token": {"type": "string", "secret": True},
    "pin": {"type": "integer", "secret": True},
    "user": {"type": "string"},
}
DOCUMENTS: list[tuple[OutputFormat, str]] = [
    ("json", '{"token": "tok-12345", "user": "ada"}\n'),
    ("json", '{"pin": 271828, "user": "ada"}\n'),
    ("yaml", "token: tok-12345\npin: 271828\n"),
    ("jsonl", '{"token": "tok-12345"}\n{"pin": 271828, "user": "ada"}\n'),
]
SECRETS = (b"tok-12345", b"271828")


class Ended:
    """A run that has ended in a folder, and whoever settles it."""

    def __init__(self, folder: Path, output_format: OutputFormat, stdout: str, *, exit_code: int = 0) -> None:
        self.folder = folder / "7"
        self.folder.mkdir()
        self.sealer = Sealer(folder / "secret.key")
        self.action = ActionDefinition(
            ref="vault.open", pack_ref="vault", output_format=output_format, output=ACTION
        )
        (self.folder / "stdout").write_text(stdout)
        self.stderr = f"made {stdout}"
        (self.folder / "stderr").write_text(self.stderr)
        size = len(stdout)
        self.exit = RunExit(
            run="host:7", why="exited", exit_code=exit_code, signal=None, error=None, started=1, finished=2,
            duration_ms=0, stdout=StreamSummary(bytes=size, lines=1, dropped_bytes=0),
            stderr=StreamSummary(bytes=size + 5, lines=1, dropped_bytes=0),
        )  # fmt: skip

    def settle(self) -> Outcome:
        outcome = outcome_of(
            self.exit, self.folder, action=self.action, timeout_seconds=None, max_result_bytes=1_000_000
        )
        return hide_secret_outputs(outcome, self.action, self.folder, self.sealer)

    def leaks(self) -> list[str]:
        return [
            file.name
            for file in self.folder.iterdir()
            if any(secret in file.read_bytes() for secret in SECRETS)
        ]


@pytest.mark.parametrize(("output_format", "stdout"), DOCUMENTS)
def test_a_value_survives_a_death_between_the_cleaning_and_the_commit(
    tmp_path: Path, output_format: OutputFormat, stdout: str
) -> None:
    run = Ended(tmp_path, output_format, stdout)
    first, again = run.settle(), run.settle()
    assert first.result_sealed is not None
    assert again.result_sealed is not None
    assert run.sealer.unseal(again.result_sealed) == run.sealer.unseal(first.result_sealed) != {}
    assert again.result == first.result
    assert run.leaks() == []


@pytest.mark.parametrize("exit_code", [0, 3])
def test_a_cleaning_that_a_death_cut_short_is_finished(tmp_path: Path, exit_code: int) -> None:
    run = Ended(tmp_path, *DOCUMENTS[0], exit_code=exit_code)
    first = run.settle()
    (run.folder / "stderr").write_text(run.stderr)  # as it was when only stdout had been cleaned
    assert run.settle().error == first.error
    assert run.leaks() == []
