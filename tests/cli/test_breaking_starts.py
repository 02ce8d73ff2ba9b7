"""Runs that cannot even begin: they end, and say why."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.config import Home
    from tests.cli.conftest import Run

FILES = {
    "pack.yaml": "ref: demo\nversion: 1.0.0\n",
    "requirements.txt": "six\n",
    "actions/needy.yaml": "ref: demo.needy\nrunner_type: python\nentry_point: needy.py\n",
    "actions/needy.py": "import six\n",
}


def test_a_folder_in_which_no_environment_can_be_made_ends_the_run(
    tmp_path: Path, home: Home, run: Run, process: Run
) -> None:
    assert run("pack", "install", str(write_files(tmp_path / "demo", FILES))).exit_code == 0
    shutil.rmtree(home.environments)
    home.environments.write_text("in the way")
    done = process("run", "demo.needy", "-j")
    assert done.exit_code == 1
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "environment"
    assert str(home.environments) in error["message"]
    assert "Traceback" not in done.stderr
