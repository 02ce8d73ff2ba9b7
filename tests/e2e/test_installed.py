"""A wheel of this checkout, installed where no checkout is, runs an action of the core pack at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PYTHONS = ("python3.11", "python3.12", "python3.13")


def _works(python: str) -> bool:
    """A shim may stand on PATH for a version that is not installed."""
    path = shutil.which(python)
    return (
        path is not None
        and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(REPOSITORY)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.mark.parametrize("python", PYTHONS)
def test_an_installed_wheel_runs_core_echo_in_an_empty_home(python: str, wheel: Path, tmp_path: Path) -> None:
    if not _works(python):
        pytest.skip(f"{python} is not installed")
    environment = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    installer = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*installer, "--disable-pip-version-check", str(wheel)], check=True, capture_output=True)
    result = subprocess.run(
        [str(environment / "bin" / "attune"), "run", "action", "core.echo", "message=hi", "-r"],
        env={"PATH": os.environ["PATH"], "ATTUNE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "hi\n"), result.stderr
