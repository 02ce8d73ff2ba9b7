"""What the stories of containers share: a pack with one action in a container, and what is left of it."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from tests.docker_engine import LABEL, containers_of, docker, image
from tests.e2e.daemon_story import supervisors
from tests.e2e.story import until
from tests.pack_files import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run


_ID_AND_EXECUTION = '{{.ID}} {{.Label "attune.execution"}}'


def home_id(home: Home) -> str:
    return _column(home, "SELECT value FROM meta WHERE name = 'home_id'")[0]


def containers_in_use(home: Home) -> list[str]:
    """Return the containers that executions which are not over name as theirs."""
    refs = _column(home, "SELECT runner_ref FROM execution WHERE finished IS NULL")
    return [ref.rpartition(":")[2] for ref in refs]


def _column(home: Home, query: str) -> list[str]:
    connection = sqlite3.connect(home.database)
    try:
        return [str(value) for (value,) in connection.execute(query)]
    finally:
        connection.close()


@pytest.fixture
def no_container_is_left(home: Home, run: Run) -> Iterator[None]:
    """Fail when a story leaves a container of its home behind; skip it where there is no engine.

    Those that were started ahead by a daemon that was killed are left to the next host that makes a container.
    """
    image()
    yield
    if home.database.exists():
        until(lambda: not supervisors(home), "the supervisor's end")
        if _started_ahead(home, "--all"):
            assert run("run", "exec", "--image", image(), "--", "true").exit_code == 0
        left = containers_of(home_id(home))
        for container in left:
            docker("rm", "-f", container)
        assert left == []


def waiting_containers(home: Home) -> list[str]:
    """Return the containers of a home that run and were made for no run in particular."""
    return _started_ahead(home)


def _started_ahead(home: Home, *options: str) -> list[str]:
    ours = f"label={LABEL}={home_id(home)}"
    lines = docker("ps", *options, "--no-trunc", "--filter", ours, "--format", _ID_AND_EXECUTION).splitlines()
    return [words[0] for words in map(str.split, lines) if len(words) == 1]


def install(run: Run, folder: Path, script: str = "", *, pack: str = "box", **keys: Any) -> None:
    """Install a pack `box` with one action, `box.it`: a script for its shell, or what `keys` say."""
    action = {"ref": f"{pack}.it", "runner_type": "container", "image": image()}
    action |= {"entry_point": "it.sh"} if script else {}
    files = {"pack.yaml": f"ref: {pack}\nversion: 1.0.0\n", "actions/it.yaml": json.dumps(action | keys)}
    write_files(folder / pack, files | ({"actions/it.sh": script} if script else {}))
    done = run("pack", "install", "--upgrade", str(folder / pack))
    assert done.exit_code == 0, done.stderr


def said(home: Home, execution: int) -> str:
    path = home.runs / str(execution) / "stdout"
    return path.read_text() if path.exists() else ""


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that containers may mount at /gate: what waits there goes on when `open` is in it."""
    folder = tmp_path / "gate"
    folder.mkdir()
    monkeypatch.setenv("ATTUNE_CONTAINER_MOUNTS", str(folder))
    return folder
