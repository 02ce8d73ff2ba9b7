"""What is asked of the Docker engine, on the real one."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from attune_cli.errors import UnavailableError
from attune_cli.runtime.runners.containers.engine import ContainerEngine
from tests.docker_engine import docker, image
from tests.image_registry import serving_images


def test_a_container_is_gone_when_its_removal_returns_also_when_others_remove_it_too() -> None:
    engine = ContainerEngine(os.environ)

    def remove(container: str) -> str:
        engine.remove(container)
        return docker("ps", "-aq", "--no-trunc", "--filter", f"id={container}")

    for _ in range(5):
        container = docker(
            "run", "-d", "--label", "attune.home=test", "--network", "none", image(), "sleep", "60"
        )
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(remove, [container] * 4)) == [""] * 4
    engine.close()


def test_a_pull_of_which_nothing_comes_is_given_up() -> None:
    image()
    engine = ContainerEngine(os.environ, patience_seconds=1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"127.0.0.1:{silent.getsockname()[1]}/tools:1"
        with pytest.raises(UnavailableError, match="nothing came of it for 1 s") as given_up:
            engine.pull(name, credentials=None, progress=print)
    assert given_up.value.code == "image_pull_failed"
    engine.close()


def test_a_pull_that_stops_in_the_middle_of_a_layer_is_given_up() -> None:
    image()
    engine = ContainerEngine(os.environ, patience_seconds=1)
    seen: list[str] = []
    with serving_images(stalls=True) as registry:
        with pytest.raises(UnavailableError, match="nothing came of it for 1 s"):
            engine.pull(f"{registry.name}/tools:1", credentials=None, progress=seen.append)
        assert any("Downloading" in line for line in seen)
    engine.close()
