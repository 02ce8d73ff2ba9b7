"""`python -I -S …/containers/__main__.py …`: the shim as a process, wherever this package lies (see `shim.main`)."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # pathlib would cost more than all the rest.
    here = os.path.abspath(__file__)  # noqa: PTH100
    sys.path.append(here[: here.rindex("/attune_cli/")])
    from attune_cli.runtime.runners.containers.shim import main

    main(sys.argv[1:])
    os._exit(0)  # nothing is left to do, and an interpreter takes its time to see that
