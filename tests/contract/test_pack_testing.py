from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.packs import testing
from attune_cli.runtime.packs.junit import junit_xml
from attune_cli.runtime.packs.testing import KEPT_BYTES, run_tests
from tests.pack_files import write_files

if TYPE_CHECKING:
    import pytest

    from attune_cli.runtime.packs.testing import PackTestReport

DEADLINE_SECONDS = 10.0


def run(folder: Path, *scripts: str, only: str = "", **runner: Any) -> PackTestReport:
    """Run scripts as suites called s0, s1 and so on."""
    runners = {
        f"s{number}": {"entry_point": f"tests/s{number}.sh", **runner} for number in range(len(scripts))
    }
    write_files(folder, {f"tests/s{number}.sh": script for number, script in enumerate(scripts)})
    manifest = PackManifest(ref="demo", version="1.0.0", testing={"enabled": True, "runners": runners})
    return run_tests(folder, manifest, now=0, only=only)


def test_the_exit_code_decides_and_a_suite_is_one_test(tmp_path: Path) -> None:
    report = run(tmp_path, "exit 0", "echo no >&2; exit 3")
    assert [(suite.status, suite.total, suite.failed) for suite in report.suites] == [
        ("passed", 1, 0),
        ("failed", 1, 1),
    ]
    assert report.suites[1].error_message == "ended with exit code 3"
    assert report.suites[1].stderr == "no\n"
    assert report.status == "partial"


def test_counts_in_the_output_are_taken_wherever_they_stand(tmp_path: Path) -> None:
    script = "echo 'Total Tests: 7'; seq 1 40000; printf 'Passed: 4\\nFailed: 2\\nSkipped: 1'; exit 1"
    (suite,) = run(tmp_path, script).suites
    assert (suite.total, suite.passed, suite.failed, suite.skipped) == (7, 4, 2, 1)
    assert len(suite.stdout) == KEPT_BYTES


def test_a_suite_that_says_all_is_well_and_ends_badly_is_not_believed(tmp_path: Path) -> None:
    report = run(tmp_path, "echo 'Total Tests: 2'; echo 'Passed: 2'; exit 1")
    assert (report.suites[0].status, report.failed) == ("failed", 1)


def test_the_result_is_spelt_as_the_existing_platform_does(tmp_path: Path) -> None:
    result = run(tmp_path, "exit 0").to_json()
    assert {key: result[key] for key in ("packRef", "packVersion", "status", "totalTests", "passRate")} == {
        "packRef": "demo",
        "packVersion": "1.0.0",
        "status": "passed",
        "totalTests": 1,
        "passRate": 1.0,
    }
    assert result["executionTime"] == "1970-01-01T00:00:00.000000Z"
    (suite,) = result["testSuites"]
    assert set(suite) == {
        *("name", "runnerType", "total", "passed", "failed", "skipped", "durationMs", "testCases"),
    }
    assert set(suite["testCases"][0]) == {"name", "status", "durationMs", "errorMessage", "stdout", "stderr"}


def test_more_output_than_a_pipe_holds_on_both_streams_does_not_hang(tmp_path: Path) -> None:
    (suite,) = run(tmp_path, "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2", timeout=30).suites
    assert suite.status == "passed"
    assert len(suite.stderr) == KEPT_BYTES


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if "Z" in _state(pid):
            return True
    return False


def _state(pid: int) -> str:
    """Return the process's state; a zombie (Z) waits only for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split()[2]
    except OSError:
        return "Z"


def test_a_suite_that_takes_too_long_ends_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testing, "GRACE_SECONDS", 0.1)
    script = "trap '' TERM; sleep 60 & echo $! > child; wait"
    (suite,) = run(tmp_path, script, timeout=0.3).suites
    assert (suite.status, suite.error_message) == ("failed", "timed out after 0.3 s")
    assert suite.duration_ms < 5_000
    assert is_gone(int((tmp_path / "child").read_text()))


def test_who_keeps_the_pipes_open_does_not_keep_the_suite_from_ending(tmp_path: Path) -> None:
    (suite,) = run(tmp_path, "sleep 60 & echo $! > child; echo done", timeout=30).suites
    assert (suite.status, suite.stdout) == ("passed", "done\n")
    assert suite.duration_ms < 10_000
    assert is_gone(int((tmp_path / "child").read_text()))


def test_what_cannot_be_started_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    manifest = PackManifest(ref="demo", testing={"runners": {"u": {"type": "pytest", "entry_point": "x.py"}}})
    (suite,) = run_tests(tmp_path, manifest, now=0).suites
    assert (suite.status, suite.failed) == ("error", 1)
    assert str(suite.error_message).startswith("pytest cannot be started")


def test_unittest_suites_find_the_packs_library(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "lib/valves.py": "COUNT = 3\n",
            "tests/test_valves.py": (
                "import unittest\nimport valves\n\n\nclass T(unittest.TestCase):\n"
                "    def test_count(self):\n        self.assertEqual(valves.COUNT, 3)\n"
            ),
        },
    )
    runners = {"units": {"type": "unittest", "entry_point": "tests/test_valves.py"}}
    (suite,) = run_tests(tmp_path, PackManifest(ref="demo", testing={"runners": runners}), now=0).suites
    assert (suite.status, suite.runner_type) == ("passed", "unittest")


def test_a_test_sees_none_of_the_callers_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    (suite,) = run(tmp_path, "env").suites
    assert "s3cret" not in suite.stdout
    assert "ATTUNE_PACK_REF=demo" in suite.stdout


def test_suites_are_chosen_by_name_and_none_is_run_when_switched_off(tmp_path: Path) -> None:
    assert [suite.name for suite in run(tmp_path, "exit 0", "exit 1", only="1").suites] == ["s1"]
    manifest = PackManifest(ref="demo", testing={"enabled": False, "runners": {"s": {"entry_point": "x"}}})
    report = run_tests(tmp_path, manifest, now=0)
    assert (report.suites, report.status) == ((), "skipped")


def test_junit_xml_holds_every_suite_and_only_characters_xml_knows(tmp_path: Path) -> None:
    report = run(tmp_path, "exit 0", r"printf 'a\000b\033[31m<&>\377'; exit 1")
    report = replace(report, suites=(*report.suites, replace(report.suites[0], name="off", status="skipped")))
    root = ET.fromstring(junit_xml([report]))
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [
        ("demo.s0", "1", "0"),
        ("demo.s1", "1", "1"),
        ("demo.off", "1", "0"),
    ]
    case = root[1][0]
    assert case.findtext("system-out") == "a�b�[31m<&>�"
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "ended with exit code 1"
    assert root[2][0].find("skipped") is not None
