"""A wheel of this checkout, installed where no checkout is, runs an action of the core pack at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13")


def _interpreter(version: str) -> Path | None:
    """Return a Python of this version that works: on PATH, or one that pyenv or uv has installed."""
    name = f"python{version}"
    found = shutil.which(name)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", Path.home() / ".local" / "share" / "uv" / "python"))
    candidates = [
        *([] if found is None else [Path(found)]),
        *sorted(pyenv.glob(f"{version}*/bin/{name}")),
        *sorted(uv.glob(f"cpython-{version}*/bin/{name}")),
    ]
    return next(filter(_works, candidates), None)


def _works(python: Path) -> bool:
    """A shim may stand on PATH for a version that is not installed, and a Python may lack what makes environments."""
    command = [str(python), "-c", "import ensurepip, sqlite3, ssl, venv"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(REPOSITORY)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_installed_wheel_runs_core_echo_in_an_empty_home(
    version: str, wheel: Path, tmp_path: Path
) -> None:
    python = _interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on PATH, of pyenv or of uv")
    environment = tmp_path / "venv"
    subprocess.run([str(python), "-m", "venv", str(environment)], check=True)
    asked = [str(environment / "bin" / "python"), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == f"{version}\n"
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
