"""The gate of a container that is started before its run is there: what waits, and the line that opens it.

Within the container a shell waits for one line, which tells the run's variables. It answers with a nonce, so that who
holds its streams knows that the run has begun, and executes the action, whose input is what follows the line. When the
action has ended well it says so at the end of both streams, long before the engine does (docs/adr/0060).
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from attune_cli.runtime.runners.containers.marks import MARK
from attune_cli.runtime.runners.containers.programs import Program
from attune_cli.runtime.runners.documents import SHELL_OWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.runtime.runners.containers.engine import Image

FED_BYTES = 128 * 1024
"""The longest input that a socket to the engine takes at once (Linux gives it 208 KiB): it cannot be cut."""

SHELL = "/bin/sh"

_WAIT = """\
IFS= read -r _attune || exit 125
unset PWD OLDPWD SHLVL
_line='
'
eval "$_attune"
unset _attune _line
command -v "$1" >/dev/null || { echo "[FATAL attune] exec $1 failed: No such file or directory" >&2; exit 127; }
exec 3>&2 2>/dev/null
read -r _init </proc/1/comm
[ "$_init" = docker-init ] || exec "$@" 2>&3 3>&-
trap : HUP INT QUIT USR1 USR2 TERM
(exec "$@" 2>&3 3>&-)
_code=$?
[ "$_code" = 0 ] || exit "$_code"
kill -s KILL -- -1
echo "$_end"
echo "$_end" >&3
"""
"""`read` takes no byte beyond the line. A shell sets three variables that a container does not have without one.

What the engine's init is told it tells the action too (`specification.TERM_FOR_ALL`), which a shell that waits for it
could not; under another init the shell becomes the action, and the engine tells of its end. The other way to wait, with
`&`, would let the action ignore INT. Behind the mark nothing is left that could still do something.
"""

_READ_FILE = 'exec "$@" <"$0"'

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_GATES_OWN = {"_attune", "_line", "_init", "_code", "_end"}
_SHELLS_OWN = SHELL_OWN | {"PWD", "OLDPWD", "SHLVL", "PS4", "LINENO", "_"} | _GATES_OWN


def gated(words: tuple[str, ...]) -> Program:
    """Return what waits, and then executes `words`."""
    return Program((SHELL, "-c", _WAIT, "attune", *words), (), b"")


def fed_from(file: str, words: tuple[str, ...]) -> Program:
    """Return what becomes `words` with that file as its input."""
    return Program((SHELL, "-c", _READ_FILE, file, *words), (), b"")


def words_of(program: Program, image: Image) -> tuple[str, ...]:
    """Return the whole command line that a container of the image executes."""
    if program.entrypoint is not None:
        return (*program.entrypoint, *program.command)
    return (*image.entrypoint, *(program.command or image.command))


def opening(variables: Mapping[str, str], nonce: str) -> bytes | None:
    """Return the line that opens a gate for a run with these variables; None when a shell would change one."""
    if not all(_NAME.fullmatch(name) and name not in _SHELLS_OWN for name in variables):
        return None
    exports = "".join(f"export {name}={_quoted(value)}; " for name, value in variables.items())
    return f"{exports}_end='{MARK}{nonce}'; echo {nonce}\n".encode("utf-8", "surrogateescape")


def keeps_variables(image: Image) -> bool:
    """Tell whether all variables of an image pass through a gate: some shells forget those with odd names."""
    return all(_NAME.fullmatch(name) and name not in _GATES_OWN for name in image.variables)


def _quoted(value: str) -> str:
    return '"$_line"'.join(shlex.quote(line) for line in value.split("\n"))
