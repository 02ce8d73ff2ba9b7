"""Becomes a sensor's program, tied to the daemon: when that dies, however it dies, the kernel kills this process.

Run as `python -I -S tether.py PARENT PROGRAM ARGUMENT…`; a program of its own that imports nothing of ours. (The tie
is a property of the process that a parent cannot set from outside, and setting it between fork and exec would run
Python in a copy of a process that has threads.) prctl(2), PR_SET_PDEATHSIG; it outlives exec(3).
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, argv: list[str]) -> None:
    """Take the program's place; on failure say why and exit as a shell would."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores these, which the program would inherit
    if os.getppid() != parent:
        sys.exit(0)  # it died before it could be tied to
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - this is what it is for
    except OSError as error:
        sys.stderr.write(f"cannot start {argv[0]}: {error.strerror}\n")
        sys.exit(126)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
