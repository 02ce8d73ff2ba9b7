"""Stories of several homes on one engine: what one makes there is its own, and what a killed one leaves is no trap."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.docker_engine import docker, image
from tests.e2e.container_story import home_id, install
from tests.e2e.story import Attune, until
from tests.e2e.test_container_images import wheel
from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("no_container_is_left")


def volumes(pack: str) -> set[str]:
    return set(docker("volume", "ls", "-q", "--filter", f"label=attune.pack={pack}").split())


def images() -> set[str]:
    return set(docker("images", "--format", "{{.Repository}}:{{.Tag}}", "attune-build").split())


def test_environments_of_another_homes_pack_of_the_same_name_stay(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path / "twin" / "wheels")
    files = {
        "image/Dockerfile": f"FROM {image()}\nENV WORD=twin\n",
        "requirements.txt": "--no-index\n--find-links /pack/wheels\nwords==1.0\n",
        "actions/it.py": "import words; print(words.HELLO)\n",
    }
    write_files(tmp_path / "twin", files)
    made: list[tuple[set[str], set[str]]] = []
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        monkeypatch.setenv("ATTUNE_HOME", str(home))
        before = volumes("twin"), images()
        install(run, tmp_path, pack="twin", entry_point="it.py", image=None, build="image")
        assert run("run", "action", "twin.it").stdout == "hello\n"
        made.append((volumes("twin") - before[0], images() - before[1]))
    assert [(len(one), len(other)) for one, other in made] == [(1, 1), (1, 1)]
    monkeypatch.setenv("ATTUNE_HOME", str(homes[0]))
    deleted = json.loads(run("pack", "env", "twin", "delete", "-j").stdout)["deleted"]
    assert set(deleted) == made[0][0] | made[0][1]
    assert made[1][0] <= volumes("twin")
    assert made[1][1] <= images()
    monkeypatch.setenv("ATTUNE_HOME", str(homes[1]))
    states = [one["state"] for one in json.loads(run("pack", "env", "twin", "-j").stdout)]
    assert states == ["ready", "ready"]
    deleted = json.loads(run("pack", "env", "twin", "delete", "-j").stdout)["deleted"]
    assert set(deleted) == made[1][0] | made[1][1]


def test_what_a_killed_installer_leaves_is_removed_by_the_next(run: Run, home: Home, tmp_path: Path) -> None:
    """Python itself waits in this image, so the installer is killed half-way."""
    waits = "mkdir /slow && echo 'import time; time.sleep(600)' > /slow/sitecustomize.py"
    files = {
        "image/Dockerfile": f"FROM {image()}\nRUN {waits}\nENV PYTHONPATH=/slow\n",
        "requirements.txt": "--no-index\n",
        "actions/it.py": "print('well')\n",
    }
    write_files(tmp_path / "half", files)
    install(run, tmp_path, pack="half", entry_point="it.py", image=None, build="image")
    try:
        with Attune("pack", "env", "half", "build") as command:
            until(lambda: _fillers(home), "an installer at work")
            command.signal(signal.SIGKILL)
            command.end()
        left = _fillers(home)
        assert len(left) == 1
        with Attune("pack", "env", "half", "build") as command:
            until(lambda: _fillers(home) and _fillers(home) != left, "the next installer")
            command.signal(signal.SIGKILL)
            command.end()
    finally:
        for container in _fillers(home):
            docker("rm", "-f", container)
    assert run("pack", "env", "half", "delete").exit_code == 0
    assert volumes("half") == set()


def _fillers(home: Home) -> list[str]:
    names = docker("volume", "ls", "-q", "--filter", f"label=attune.home={home_id(home)}").split()
    return [
        one for name in names for one in docker("ps", "-aq", "--filter", f"label=attune.fills={name}").split()
    ]
