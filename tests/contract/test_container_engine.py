"""What is asked of the Docker engine, on the real one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from attune_cli.runtime.runners.containers.engine import ContainerEngine
from tests.docker_engine import docker, image


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
