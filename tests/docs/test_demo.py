from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import REPOSITORY


def test_the_demo_goes_as_it_announces() -> None:
    demo = subprocess.run(
        [sys.executable, REPOSITORY / "demo" / "demo.py"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout
    assert demo.stdout.endswith("\nEverything went as announced.\n")
