"""From a job to a command line: interpreter, script, folder, environment and parameter document (domain.md 2.3, 2.4).

What depends on the definition alone is worked out once and kept; a run adds its id and its parameters.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import UsageError
from attune_cli.runtime.model.definitions import HTTP_RUNNER
from attune_cli.runtime.model.templates import render
from attune_cli.runtime.runners.documents import inline_shell_script, parameter_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attune_cli.config import Home
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.runners.api import Job

SHELL = "core.shell"
PYTHON = "core.python"

_ALLOWED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_FILE_NAME = re.compile(r"[\w./-]+")
_INLINE_SHELL = 'eval "$(</dev/stdin)"'


@dataclass(frozen=True)
class Launch:
    """All that is needed to start one process."""

    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    stdin: bytes


@dataclass(frozen=True)
class _Plan:
    """What all runs of one definition share."""

    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    inline_shell: str | None = None
    is_http: bool = False


class Launcher:
    """Works out launches for one home; `environment` is that of this process, of which little is let through."""

    def __init__(self, home: Home, *, environment: Mapping[str, str], allow: tuple[str, ...] = ()) -> None:
        self._home = home
        self._environment = dict(environment)
        self._allow = (*_ALLOWED, *allow)
        self._plans: dict[int, tuple[JobDefinition, _Plan]] = {}

    def launch(self, job: Job) -> Launch:
        """Return the launch of a job; raises AttuneError or OSError when it can never start."""
        plan = self._plan(job.definition)
        environment = {**plan.environment, "ATTUNE_EXEC_ID": str(job.execution), **_context(job)}
        environment.update(job.environment)
        return Launch(plan.argv, plan.cwd, environment, self._stdin(plan, job, environment))

    def _stdin(self, plan: _Plan, job: Job, environment: dict[str, str]) -> bytes:
        if job.definition.command:
            return b""
        if plan.inline_shell is not None:
            return inline_shell_script(plan.inline_shell, job.parameters, environment)
        if plan.is_http:
            request = render(job.definition.action.http, {"parameters": job.parameters, **job.parameters})
            return parameter_document({"parameters": job.parameters, "request": request}, "json")
        return parameter_document(job.parameters, job.definition.action.parameter_format)
