"""Environments the process runner prepares: built once, from what lies on this machine, or a failure that says why."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attune_cli.runtime.model.actions import RuntimeDefinition
from tests.contract.runner_bench import PYTHON_FOLDER, ProcessBench

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY = {
    "tiny/__init__.py": "SIZE = 3\n",
    "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "tiny-1.0.dist-info/WHEEL": (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ),
    "tiny-1.0.dist-info/RECORD": (
        "tiny/__init__.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n"
    ),
}
IMPORT = "import sys, tiny\nprint(tiny.SIZE, sys.prefix)\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ProcessBench]:
    environment = {**os.environ, "PATH": f"{PYTHON_FOLDER}:{os.environ['PATH']}"}
    with ProcessBench(tmp_path, environment=environment) as bench:
        yield bench


def write_wheel(folder: Path) -> Path:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in TINY.items():
            archive.writestr(name, text)
    path = folder / "tiny-1.0-py3-none-any.whl"
    path.write_bytes(content.getvalue())
    return path


def test_an_environment_is_built_once_and_used_by_every_run(bench: ProcessBench, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path)
    files = {"requirements.txt": f"{wheel}\n"}
    job = bench.job(IMPORT, name="use.py", runner_type="core.python", files=files)
    assert bench.runner.needs_preparation(job)
    end = bench.run_job(job)
    assert end.outcome.succeeded, end.stderr
    size, prefix = end.lines[0].split()
    assert size == "3"
    assert prefix.startswith(str(bench.home.environments))
    again = bench.job(IMPORT, name="use.py", runner_type="core.python")
    assert not bench.runner.needs_preparation(again)
    assert bench.run_job(again).lines == end.lines


def test_a_pack_without_requirements_needs_no_preparation(bench: ProcessBench) -> None:
    job = bench.job("import sys; print(sys.executable)", name="plain.py", runner_type="core.python")
    assert not bench.runner.needs_preparation(job)
    real = bench.run_job(job).lines[0]
    assert Path(real).samefile(sys.executable)


def test_an_environment_that_cannot_be_built_fails_the_run_with_the_installers_words(
    bench: ProcessBench,
) -> None:
    files = {"requirements.txt": "./no-such-folder-of-ours\n"}
    end = bench.run("print('never')\n", name="never.py", runner_type="core.python", files=files)
    assert (end.outcome.succeeded, end.error.type) == (False, "environment")
    assert "the environment of demo could not be built" in end.error.message
    assert "no-such-folder-of-ours" in end.error.message
    assert end.result["error"] == end.error.message
    assert (end.stdout, bench.stdout(end.execution)) == (b"", b"")
    assert not [path for path in bench.home.environments.iterdir() if path.is_dir()]


def test_after_a_failed_build_the_next_run_builds_anew(bench: ProcessBench, tmp_path: Path) -> None:
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    files = {"requirements.txt": f"{wheel}\n"}
    assert not bench.run(IMPORT, name="use.py", runner_type="core.python", files=files).outcome.succeeded
    write_wheel(tmp_path)
    assert bench.run(IMPORT, name="use.py", runner_type="core.python").outcome.succeeded


def test_the_installer_does_not_see_the_callers_secrets(
    bench: ProcessBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the caller")
    spying = RuntimeDefinition(
        ref="demo.spying",
        pack_ref="demo",
        execution_config={
            "interpreter": {"binary": "sh", "args": []},
            "environment": {"env_type": "folder", "create_command": ["sh", "-c", "env; exit 3"]},
            "dependencies": {"manifest_file": "needs.txt"},
        },
    )
    end = bench.run("", entry_point="x", runner_type="core.shell", runtime=spying, files={"needs.txt": "all"})
    assert "sh ended with exit code 3" in end.error.message
    assert "PATH=" in end.error.message
    assert "of the caller" not in end.error.message
