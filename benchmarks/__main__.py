"""`make bench [ONLY=name]`: runs every benchmark and prints one table."""

from __future__ import annotations

import sys

from benchmarks import (
    ceiling,
    containers,
    idle,
    output,
    reactions,
    scale,
    startup,
    throughput,
    webhooks,
    workflows,
)
from benchmarks.result import Result, table

BENCHMARKS = {
    "throughput": throughput.measure,
    "startup": startup.measure,
    "output": output.measure,
    "ceiling": ceiling.measure,
    "scale": scale.measure,
    "idle": idle.measure,
    "webhooks": webhooks.measure,
    "reactions": reactions.measure,
    "containers": containers.measure,
    "workflows": workflows.measure,
}


def main(names: list[str]) -> int:
    results: list[Result] = []
    for name in names or list(BENCHMARKS):
        sys.stderr.write(f"measuring {name} …\n")
        results += BENCHMARKS[name]()
    sys.stdout.write(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
