"""How a run from the gate ends: the gate says so when it ended well; what is in doubt the engine says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.runner_bench import WarmBench
from tests.contract.supervisor_world import until
from tests.docker_engine import docker, shell_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.runner_bench import Observed


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[WarmBench]:
    with WarmBench(tmp_path, grace_seconds=0.3, container_mounts=(str(tmp_path),)) as bench:
        yield bench


def is_told_by_the_gate(bench: WarmBench, end: Observed) -> bool:
    report = json.loads((bench.home.runs / str(end.execution) / "container.json").read_bytes())
    return report.get("by_gate", False)


def is_gone(bench: WarmBench, end: Observed) -> bool:
    return not docker("ps", "-aq", "--filter", f"id={bench.container_of(end.execution)}")


@pytest.mark.parametrize("shell", ["busybox", "dash", "bash"])
@pytest.mark.parametrize(
    ("script", "stdout", "stderr"),
    [
        ("echo out; echo err >&2", b"out\n", b"err\n"),
        ("printf 'a\\036'; printf '\\036b' >&2", b"a\x1e", b"\x1eb"),
        ("echo out; exec >&- 2>&-", b"out\n", b""),
        ("cat; cat", b'{"a":1}\n', b""),
        ("true", b"", b""),
    ],
    ids=["text", "half a mark", "closed", "input", "silence"],
)
def test_one_that_ended_well_is_told_by_the_gate_and_is_gone_soon_after(
    bench: WarmBench, shell: str, script: str, stdout: bytes, stderr: bytes
) -> None:
    end = bench.run(script, parameters={"a": 1}, container={"image": shell_image(shell)})
    assert (end.outcome.exit_code, end.stdout, end.stderr) == (0, stdout, stderr)
    assert is_told_by_the_gate(bench, end)
    assert end.result["image"] == shell_image(shell)
    until(lambda: is_gone(bench, end), "its removal")


@pytest.mark.parametrize("shell", ["busybox", "dash", "bash"])
@pytest.mark.parametrize(
    ("script", "exit_code", "details"),
    [
        ("printf 'a\\036'; exit 3", 3, {}),
        ("printf 'a\\036'; kill -TERM $$", 143, {}),
        ("printf 'a\\036'; kill -KILL $$", 137, {}),
        ("printf 'a\\036'; sleep 60", -1, {"timeout_seconds": 0.3}),
    ],
    ids=["code", "term", "kill", "time"],
)
def test_one_that_did_not_end_well_is_told_by_the_engine(
    bench: WarmBench, shell: str, script: str, exit_code: int, details: dict[str, Any]
) -> None:
    end = bench.run(script, container={"image": shell_image(shell)}, **details)
    assert (end.outcome.exit_code, end.stdout, end.stderr) == (exit_code, b"a\x1e", b"")
    assert not is_told_by_the_gate(bench, end)
    assert is_gone(bench, end)


def test_one_that_runs_out_of_memory_is_told_by_the_engine(bench: WarmBench) -> None:
    end = bench.run("exec python3 -c 'x = bytearray(1 << 28)'", container={"memory": "64MiB"})
    assert end.error.type == "out_of_memory"


LEAVES_MUCH = """\
for _ in 1 2 3; do (trap '' TERM HUP; while :; do echo tick >>/out/ticks; done) & done
until [ -s /out/ticks ]; do sleep 0.01; done
"""


def test_what_an_action_leaves_behind_does_nothing_more_when_its_end_is_told(
    bench: WarmBench, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir(mode=0o777)
    (tmp_path / "out").chmod(0o777)
    end = bench.run(LEAVES_MUCH, container={"mounts": [f"{tmp_path}/out:/out:rw"]})
    written = (tmp_path / "out" / "ticks").read_bytes()
    assert is_told_by_the_gate(bench, end)
    until(lambda: is_gone(bench, end), "its removal")
    assert (tmp_path / "out" / "ticks").read_bytes() == written


def test_a_gate_takes_none_of_the_processes_that_an_action_may_have(bench: WarmBench) -> None:
    execution = bench.begin("echo begun; sleep 60", container={"pids": 20})
    bench.await_output(execution, b"begun")
    limit = docker("inspect", "-f", "{{.HostConfig.PidsLimit}}", bench.container_of(execution))
    bench.stop(execution)
    bench.end(execution)
    assert limit == "21"


FORGES = """\
exec python3 - <<'END'
import os, re, time
ours = open(f"/proc/{os.getppid()}/mem", "rb", 0)
for line in open(f"/proc/{os.getppid()}/maps"):
    where, rights = line.split()[:2]
    if rights.startswith("rw"):
        begin, end = (int(one, 16) for one in where.split("-"))
        ours.seek(begin)
        if found := re.search(rb"\\x1e[0-9a-f]{32}", ours.read(end - begin)):
            os.write(1, b"forged" + found[0])
            os.write(2, found[0])
            time.sleep(600)
END
"""


def test_one_that_forges_its_end_is_ended_by_it(bench: WarmBench) -> None:
    end = bench.run(FORGES)
    if b"PermissionError" in end.stderr:
        pytest.skip("this machine does not let a process read the memory of its parent")
    assert (end.outcome.exit_code, end.stdout, end.stderr) == (0, b"forged", b"")
    until(lambda: is_gone(bench, end), "its removal")
