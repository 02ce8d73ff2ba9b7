"""Containers that wait at a gate for the next run of a busy action: which runs they serve, and what becomes of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.runner_bench import DockerBench, WarmBench
from tests.contract.supervisor_world import until
from tests.docker_engine import bare_image, containers_of, docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOW = """\
env | grep -v -e HOSTNAME= -e ATTUNE_EXEC_ID= | sort
grep Sig[BI] /proc/self/status
ls -A /tmp /proc/self/fd
touch /tmp/left
echo "<$GIVEN>"
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[WarmBench]:
    with WarmBench(tmp_path, grace_seconds=0.3) as bench:
        yield bench


def running(bench: DockerBench) -> list[str]:
    return docker("ps", "-q", "--no-trunc", "--filter", f"label=attune.home={bench.home_id}").split()


def served_by(bench: DockerBench, script: str = "echo begun; sleep 60", **details: Any) -> dict[str, Any]:
    """Run an action, and return what the engine knows of its container."""
    execution = bench.begin(script, **details)
    bench.await_output(execution, b"begun")
    found = json.loads(docker("inspect", bench.container_of(execution)))[0]
    bench.stop(execution)
    bench.end(execution)
    return found


def waited(container: dict[str, Any]) -> bool:
    """Tell whether a container was made for no run in particular."""
    return "attune.execution" not in container["Config"]["Labels"]


def test_a_run_of_a_busy_action_finds_a_container_of_its_own_that_waited(bench: WarmBench) -> None:
    given = {"environment": {"GIVEN": "it's\n\ntwo $(lines)\\n\n"}, "parameters": {"context": {"who": "Ada"}}}
    first, second = (bench.run(SHOW, name="it.sh", **given) for _ in range(2))
    assert first.stdout == second.stdout
    assert "left" not in first.lines
    assert "<it's\n\ntwo $(lines)\\n\n>" in first.stdout.decode()
    assert waited(served_by(bench))


def test_it_is_given_what_a_container_that_did_not_wait_is_given(tmp_path: Path, bench: WarmBench) -> None:
    with DockerBench(tmp_path / "cold") as cold:
        seen = [one.run(SHOW, name="it.sh", environment={"A": "1"}).stdout for one in (bench, cold)]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "details",
    [
        {"parameter_delivery": "file"},
        {"environment": {"not-a-name": "1"}},
        {"environment": {"PATH": "/bin:/usr/bin"}},
        {"parameters": {"text": "x" * 200_000}},
    ],
    ids=["file", "odd name", "name of the shell", "long input"],
)
def test_what_a_gate_cannot_be_told_runs_in_a_container_that_did_not_wait(
    bench: WarmBench, details: dict[str, Any]
) -> None:
    assert not waited(served_by(bench, **details))


def test_an_image_without_a_shell_runs_all_the_same(bench: WarmBench) -> None:
    container = {"image": bare_image(), "command": ["/bin/cat"]}
    assert bench.run(container=container, parameters={"a": 1}).stdout == b'{"a":1}\n'
    refused = bench.run(container=container, parameters={"text": "x" * 200_000})
    assert refused.error.type == "no_shell"
    assert "parameter_delivery: file" in refused.error.message
    container["command"] = ["/bin/cat", "/attune/parameters"]
    end = bench.run(container=container, parameters={"text": "x" * 200_000}, parameter_delivery="file")
    assert len(end.stdout) > 200_000


def test_another_definition_gets_rid_of_those_that_wait_for_the_old_one(bench: WarmBench) -> None:
    bench.run("true", container={"memory": "64MiB"})
    bench.settle()
    (old,) = running(bench)
    bench.run("true", container={"memory": "65MiB"})
    bench.settle()
    (new,) = running(bench)
    assert new != old


def test_there_are_never_more_than_the_setting_says_and_none_when_it_is_zero(tmp_path: Path) -> None:
    for most in (2, 0):
        with WarmBench(tmp_path / str(most), container_warm=most) as bench:
            for name in ("one", "two", "three"):
                for _ in range(2):
                    bench.run("true", ref=f"demo.{name}", name=f"{name}.sh")
            bench.settle()
            assert len(running(bench)) == len(containers_of(bench.home_id)) == most


def test_one_that_is_gone_serves_nobody(bench: WarmBench) -> None:
    bench.run("echo fine", name="it.sh")
    bench.settle()
    docker("kill", *running(bench))
    assert bench.run("echo fine", name="it.sh").stdout == b"fine\n"


def test_a_run_whose_container_is_gone_before_its_gate_opens_fails_and_says_that_nothing_happened(
    bench: WarmBench,
) -> None:
    job = bench.job("echo fine")
    assert bench.prepare(job)
    docker("kill", bench.container_of(job.execution))
    bench.open(job)
    end = bench.end(job.execution)
    assert (end.error.type, end.stdout) == ("gate_lost", b"")
    assert "nothing of it was executed" in end.error.message


def test_one_that_nobody_wants_for_long_is_removed(tmp_path: Path) -> None:
    with WarmBench(tmp_path, container_warm_seconds=2.0) as bench:
        bench.run("true")
        bench.settle()
        assert len(running(bench)) == 1
        until(lambda: containers_of(bench.home_id) == [], "its removal")


def test_a_run_that_is_not_wanted_twice_starts_nothing_ahead(tmp_path: Path) -> None:
    with DockerBench(tmp_path, keeps_warm=True) as bench:
        bench.run("true")
        bench.settle()
        assert containers_of(bench.home_id) == []
