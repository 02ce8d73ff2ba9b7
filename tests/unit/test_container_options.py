"""What an action asks of its container, what a machine refuses, and where the engine is looked for."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.config import Settings
from attune_cli.errors import UnavailableError
from attune_cli.runtime.model.containers import Mount, policy_of, read_options, refusals
from attune_cli.runtime.runners.containers.address import USUAL, engine_address
from attune_cli.runtime.runners.containers.faults import pull_failure, refusal
from attune_cli.runtime.runners.containers.limits import maps_users, unheld_limits
from attune_cli.runtime.runners.containers.wire import EngineError, Frames, answer_of

if TYPE_CHECKING:
    from pathlib import Path

POLICY = policy_of(Settings())


def test_everything_an_action_may_say_is_read() -> None:
    options, faults = read_options(
        {
            "image": "registry:5000/tools/box:1.2@sha256:" + "a" * 64,
            "command": "run 'two words'",
            "user": 1000,
            "memory": "64MiB",
            "cpus": 0.5,
            "tmpfs": {"/cache": "1MiB", "/var/../run": None},
            "mounts": ["/data/x:/x", "/data/y:/y:rw"],
            "read_only": False,
        }
    )
    assert faults == []
    assert (options.command, options.user, options.memory_bytes) == (("run", "two words"), "1000", 64 << 20)
    assert options.tmpfs == {"/cache": 1 << 20, "/run": None}
    assert options.mounts == (Mount("/data/x", "/x"), Mount("/data/y", "/y", writable=True))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image", "Upper/Case"), ("image", "a b"), ("image", ""), ("image", "-x"), ("build", "../elsewhere"),
        ("build", "/abs"), ("command", []), ("command", "'open"), ("memory", "1KiB"), ("memory", True),
        ("cpus", 0), ("pids", 0), ("pids", "many"), ("read_only", "yes"), ("tmpfs", "relative"),
        ("mounts", "/only"), ("mounts", "/a:b"), ("mounts", "/a:/b:z"), ("mounts", "/a:/"), ("pull", "often"),
        ("mounts", ["/a:/x", "/b:/x/"]), ("mounts", "/a:/pack"), ("user", -1), ("user", "+0"), ("user", ":5"),
        ("user", "5:"), ("user", "a b"), ("user", "\u0660"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_a_fault_of_that_key(key: str, value: Any) -> None:
    _, faults = read_options({"image": "box", key: value})
    assert [fault.path for fault in faults] == [key]


def test_a_default_container_is_refused_nowhere_and_every_refusal_names_its_setting() -> None:
    assert refusals(read_options({"image": "box"})[0], POLICY) == []
    greedy = {
        "image": "box", "network": "host", "user": "00:1", "memory": "1TiB", "cpus": 64, "pids": 10**6,
        "tmpfs": {"/x": "1TiB"}, "mounts": ["/etc:/x"],
    }  # fmt: skip
    found = refusals(read_options(greedy)[0], POLICY)
    assert [one.path for one in found] == ["network", "user", "memory", "cpus", "pids", "tmpfs", "mounts"]
    assert all("setting container_" in one.message for one in found)


def test_folders_in_memory_without_a_size_count_with_the_one_that_they_are_given() -> None:
    folders = [f"/{n}" for n in range(POLICY.max_tmpfs_bytes // POLICY.tmpfs_bytes)]
    assert refusals(read_options({"image": "box", "tmpfs": folders})[0], POLICY) == []
    found = refusals(read_options({"image": "box", "tmpfs": [*folders, "/more"]})[0], POLICY)
    assert [one.path for one in found] == ["tmpfs"]


def test_a_link_is_no_way_out_of_a_declared_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "out").symlink_to("/etc")
    policy = policy_of(Settings(container_mounts=(str(tmp_path / "root"),)))

    def refused(source: str) -> bool:
        return bool(refusals(read_options({"image": "box", "mounts": f"{source}:/x"})[0], policy))

    assert not refused(f"{tmp_path}/root/in")
    assert refused(f"{tmp_path}/root/out")
    assert refused(f"{tmp_path}/root/../other")
    assert refused(f"{tmp_path}/root-beside")


# --- the engine


def test_the_engine_is_looked_for_where_docker_does(tmp_path: Path) -> None:
    assert engine_address({"DOCKER_HOST": "tcp://127.0.0.1:2375"}) == "tcp://127.0.0.1:2375"
    digest = hashlib.sha256(b"mine").hexdigest()
    meta = tmp_path / ".docker" / "contexts" / "meta" / digest
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": "unix:///mine.sock"}}}))
    home = {"HOME": str(tmp_path)}
    assert engine_address({**home, "DOCKER_CONTEXT": "mine"}) == "unix:///mine.sock"
    (tmp_path / ".docker" / "config.json").write_text('{"currentContext": "mine"}')
    assert engine_address(home) == "unix:///mine.sock"
    assert engine_address({**home, "DOCKER_CONTEXT": "default"}) == USUAL
    far = ("ssh://far", "tcp://192.0.2.1:2375", "tcp://nosuch.invalid", "tcp://[::1")
    for wrong in (*({"DOCKER_HOST": one} for one in far), {**home, "DOCKER_CONTEXT": "nosuch"}):
        with pytest.raises(UnavailableError):
            engine_address(wrong)


def test_a_rootless_engine_is_found_where_the_usual_one_is_not_for_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker.sock").touch()
    here = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    usual = tmp_path / "usual.sock"
    monkeypatch.setattr("attune_cli.runtime.runners.containers.address.USUAL", f"unix://{usual}")
    assert engine_address(here) == f"unix://{tmp_path}/docker.sock"
    usual.touch()
    assert engine_address(here) == f"unix://{usual}"


def test_limits_that_an_engine_does_not_hold_are_known_by_what_it_says_of_itself() -> None:
    whole = {"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": True, "CgroupVersion": "1"}
    assert unheld_limits(whole) == ()
    assert unheld_limits(dict.fromkeys(whole, False)) == ("memory", "cpus", "pids")
    assert unheld_limits(whole | {"CpuCfsQuota": False}) == ("cpus",)
    podman = {**whole, "CgroupVersion": "v1", "Rootless": True}
    assert unheld_limits(podman) == ("memory", "cpus", "pids")
    assert unheld_limits({**podman, "CgroupVersion": "v2"}) == ()


def test_an_engine_whose_users_have_other_numbers_here_is_known() -> None:
    for options in (["name=seccomp,profile=default", "name=rootless"], ["name=userns"]):
        assert maps_users({"SecurityOptions": options})
    assert maps_users({"SecurityOptions": [], "Rootless": True})
    assert not maps_users({"SecurityOptions": ["name=seccomp,profile=default"]})
    assert not maps_users({"SecurityOptions": None})


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "image_platform"),
        (
            "pull access denied for box, repository does not exist or may require 'docker login'",
            "image_denied",
        ),
        ("manifest for box:9 not found: manifest unknown", "image_not_found"),
        ("write /var/lib/docker/tmp/x: no space left on device", "engine_disk_full"),
        ("dial tcp: connection refused", "image_pull_failed"),
    ],
)
def test_what_keeps_an_image_from_being_pulled_is_told_apart(words: str, code: str) -> None:
    assert pull_failure("box", words).code == code


def test_a_denied_image_names_the_key_that_would_help() -> None:
    for image, key in (("box", "registry.docker.io"), ("my.host:5000/box", "registry.my.host_5000")):
        assert f"attune key set {key} -" in (pull_failure(image, "unauthorized").hint or "")


def test_an_engine_without_room_is_told_apart() -> None:
    assert (
        refusal(500, "mkdir /var/lib/docker/overlay2/x: no space left on device").code == "engine_disk_full"
    )
    assert refusal(400, "invalid mount config").code == "engine_refused"


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_streams_are_told_apart_however_the_bytes_arrive(size: int) -> None:
    frames, seen = Frames(), {1: b"", 2: b""}
    sent = [(1, b"out"), (2, b"error"), (1, b""), (1, b"\x01\x00\x00\x00")]
    wire = b"".join(bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text for stream, text in sent)
    for start in range(0, len(wire), size):
        for stream, piece in frames.feed(wire[start : start + size]):
            seen[stream] += piece
    assert seen == {1: b"out\x01\x00\x00\x00", 2: b"error"}


def test_answers_are_read_whole_or_in_chunks() -> None:
    assert answer_of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") == {}
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n3\r\n,2]\r\n0\r\n\r\n"
    assert answer_of(chunked) == [1, 2]
    assert answer_of(b"HTTP/1.1 204 No Content\r\n\r\n") is None
    with pytest.raises(EngineError, match="no such container"):
        answer_of(b'HTTP/1.1 404 Not Found\r\n\r\n{"message": "no such container"}')
