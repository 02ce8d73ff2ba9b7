"""Fetching a pack from a git repository: one commit, without questions, hooks or passwords in messages."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from attune_cli.errors import NotFoundError, RunFailedError, UnavailableError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

FETCH_SECONDS = 600.0

_SCHEMES = ("git+", "git://", "ssh://", "http://", "https://", "file://")
_SCP_FORM = re.compile(r"[\w.-]+@[\w.-]+:(?!//).+")
_WEB_USER = re.compile(r"(https?://)[^/@\s]+@")
"""The whole of it: a token often stands where the user's name would."""
_PASSWORD = re.compile(r"(://[^/@:\s]*):[^/@\s]*@")
_SAFE = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "protocol.ext.allow=never"),
    *("-c", "advice.detachedHead=false"),
)


def is_repository(source: str) -> bool:
    """Tell a git URL from a path; `user@host:path` is one too, and a path that ends in `.git`."""
    return source.startswith(_SCHEMES) or _SCP_FORM.fullmatch(source) is not None or source.endswith(".git")


def without_password(source: str) -> str:
    """Return a URL as it may be shown and stored."""
    return _PASSWORD.sub(r"\1@", _WEB_USER.sub(r"\1", source))


def fetch(url: str, ref: str | None, target: Path) -> Path:
    """Fetch one branch, tag or commit (the remote's HEAD without `ref`) and return the work tree.

    Raises NotFoundError for an unknown ref, RunFailedError when git fails, UnavailableError without git.
    """
    if ref is not None and ref.startswith("-"):
        raise UsageError(f"'{ref}' is not a branch, tag or commit")
    target.mkdir()
    address = url.removeprefix("git+")
    _git(target, url, "init", "--quiet", "--template=")
    _git(
        target, url, "fetch", "--quiet", "--depth=1", "--no-tags", "--end-of-options", address, ref or "HEAD"
    )
    _git(target, url, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    return target


def _git(folder: Path, url: str, *arguments: str) -> None:
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "SSH_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    }
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environment.pop(name, None)  # set when we are called from somebody's git hook
    try:
        done = subprocess.run(
            ["git", *_SAFE, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise UnavailableError("git is not installed", hint="attune pack install FOLDER") from error
    except subprocess.TimeoutExpired as error:
        message = f"{without_password(url)} did not answer in {FETCH_SECONDS:.0f} s"
        raise UnavailableError(message, code="fetch_failed") from error
    if done.returncode != 0:
        raise _failure(url, done.stderr.decode(errors="replace"))


def _failure(url: str, said: str) -> NotFoundError | RunFailedError:
    lines = [without_password(line) for line in said.splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith("fatal:")), lines[-1] if lines else "git failed")
    reason = reason.removeprefix("fatal: ")
    shown = without_password(url)
    if "couldn't find remote ref" in reason or "not our ref" in reason:
        return NotFoundError(f"{shown}: {reason}", code="unknown_ref", hint=f"git ls-remote {shown}")
    return RunFailedError(
        f"{shown} cannot be fetched: {reason}", code="fetch_failed", hint=f"git ls-remote {shown}"
    )
