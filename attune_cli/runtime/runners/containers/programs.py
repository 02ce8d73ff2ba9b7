"""What is executed in the container of an action: the interpreter by `runtime` or the file's ending, and the input."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from attune_cli.errors import UsageError
from attune_cli.runtime.model.containers import PACK_FOLDER
from attune_cli.runtime.model.refs import looks_like_file
from attune_cli.runtime.runners.documents import inline_shell_script, parameter_document
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.runtime.model.containers import ContainerOptions
    from attune_cli.runtime.runners.api import Job

_BASH_IF_THERE = 'if command -v bash >/dev/null 2>&1; then exec bash "$@"; else exec sh "$@"; fi'
"""Not every image has bash, but scripts are written for it."""

_SHELL = ("/bin/sh", "-c", _BASH_IF_THERE, "attune")
_INLINE_SHELL = ("-c", 'eval "$(cat)"')

_BY_ENDING = {
    ".sh": "shell",
    ".bash": "shell",
    ".py": "python",
    ".js": "node",
    ".mjs": "node",
    ".cjs": "node",
}
_WORDS = {
    **dict.fromkeys(("shell", "bash", "sh", "core.shell"), "shell"),
    **dict.fromkeys(("python", "python3", "core.python"), "python"),
    **dict.fromkeys(("node", "nodejs", "node.js", "core.nodejs"), "node"),
    **dict.fromkeys(("native", "builtin", "standalone", "core.native"), "native"),
}
_INTERPRETERS: dict[str, tuple[str, ...]] = {
    "shell": _SHELL,
    "python": ("python3", "-u"),
    "node": ("node",),
    "native": (),
}


@immutable
class Program:
    """A command line and its standard input; without an `entrypoint` the image's own stays."""

    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...]
    stdin: bytes


def program_of(
    job: Job, options: ContainerOptions, folder: Path | None, environment: dict[str, str]
) -> Program:
    """Return what is executed; raises UsageError when it can never be."""
    action = job.definition.action
    if job.definition.command and not job.parameters:
        return Program(None, job.definition.command, b"")
    document = parameter_document(job.parameters, action.parameter_format)
    if options.command:
        return Program(None, options.command, document)
    entry_point = action.entry_point
    if not entry_point or folder is None:
        return Program(None, (), document)
    runtime = runtime_of(options, entry_point)
    interpreter = _INTERPRETERS.get(runtime, tuple(runtime.split()))
    if (folder / "actions" / entry_point).is_file():
        return Program((*interpreter, f"{PACK_FOLDER}/actions/{entry_point}"), (), document)
    if looks_like_file(entry_point):
        raise UsageError(f"the entry point of {action.ref} is missing: {folder / 'actions' / entry_point}")
    if runtime == "shell":
        script = inline_shell_script(entry_point, job.parameters, environment)
        return Program((*interpreter, *_INLINE_SHELL, action.ref), (), script)
    if runtime == "python":
        return Program((*interpreter, "-c", entry_point), (), document)
    raise UsageError(
        f"the entry point of {action.ref} is no file in {folder / 'actions'}, and {runtime} takes no code"
    )


def runtime_of(options: ContainerOptions, entry_point: str) -> str:
    """Return the interpreter's name: as the action says, else by the ending of a file; inline code is shell."""
    if options.runtime:
        return _WORDS.get(options.runtime.lower(), options.runtime)
    if not looks_like_file(entry_point):
        return "shell"
    return _BY_ENDING.get(PurePosixPath(entry_point).suffix, "native")
