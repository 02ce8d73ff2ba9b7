"""`attune`, and `python -m attune_cli`: what can be answered before the rest is imported is answered here."""

from __future__ import annotations

import os
import sys


def main() -> None:
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    if first in ("--version", "-V"):
        _print_version()
    if first == "__complete":
        from attune_cli._complete import main as complete

        sys.exit(complete(sys.argv[2:]))
    from attune_cli.main import main as run

    try:
        run()
    except SystemExit as end:
        _leave(end)
        raise


def _leave(end: SystemExit) -> None:
    """End at once: all is closed and told, and taking the imported modules apart takes a fifth of a command's time."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    if isinstance(end.code, int):
        os._exit(end.code)


def _print_version() -> None:
    from attune_cli import __version__

    try:
        os.write(1, f"attune {__version__}\n".encode())
    except BrokenPipeError:
        sys.exit(141)
    sys.exit(0)


if __name__ == "__main__":
    main()
