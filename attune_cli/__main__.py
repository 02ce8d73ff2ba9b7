"""`attune`, and `python -m attune_cli`: what can be answered before the rest is imported is answered here."""

from __future__ import annotations

import sys


def main() -> None:
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    if first in ("--version", "-V"):
        from attune_cli import __version__

        print(f"attune {__version__}")  # noqa: T201 - before anything that could print otherwise
        sys.exit(0)
    if first == "__complete":
        from attune_cli._complete import main as complete

        sys.exit(complete(sys.argv[2:]))
    from attune_cli.main import main as run

    run()


if __name__ == "__main__":
    main()
