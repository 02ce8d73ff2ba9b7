"""From a job to a container: what the engine is asked to create. Everything that isolates an action stands here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.containers import PACK_FOLDER, TEMPORARY_FOLDER, ContainerPolicy
from attune_cli.runtime.runners.containers.dependencies import ENVIRONMENT
from attune_cli.runtime.runners.documents import context_variables

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.model.actions import ActionDefinition
    from attune_cli.runtime.model.containers import ContainerOptions
    from attune_cli.runtime.runners.api import Job
    from attune_cli.runtime.runners.containers.dependencies import Dependencies
    from attune_cli.runtime.runners.containers.engine import Image
    from attune_cli.runtime.runners.containers.programs import Program

NOBODY = "65534:65534"
"""Whoever runs an action whose image would run it as root."""

TERM_FOR_ALL = {"TINI_KILL_PROCESS_GROUP": "1"}
"""Lets the engine's init pass a signal on to the action's whole process group, as processes get it."""

PARAMETER_FILE = "/attune/parameters"

NO_NETWORK = "none"

HOSTS = b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
"""What an engine would write into the /etc/hosts of a container without a network."""

_HOSTS_FILE = "/etc/hosts"

_NANO = 1_000_000_000


def environment_of(
    action: ActionDefinition, folder: Path | None, needed: Dependencies | None, *, by_file: bool
) -> dict[str, str]:
    """Return the variables of domain.md 2.4 that are the same for each run of an action; none is the machine's."""
    environment = {
        "HOME": TEMPORARY_FOLDER,
        "ATTUNE_ACTION": action.ref,
        "ATTUNE_PACK_REF": action.pack_ref,
        "ATTUNE_PARAMETER_DELIVERY": action.parameter_delivery,
        "ATTUNE_PARAMETER_FORMAT": action.parameter_format,
    }
    if folder is not None:
        environment["PYTHONPATH"] = f"{PACK_FOLDER}/lib"
    if needed is not None:
        environment |= needed.variables
    if by_file:
        environment["ATTUNE_PARAMETER_FILE"] = PARAMETER_FILE
    return environment


def variables_of(job: Job, api: dict[str, str]) -> dict[str, str]:
    """Return the variables that are a run's own."""
    return {
        "ATTUNE_EXEC_ID": str(job.execution),
        **context_variables(job.parameters),
        **api,
        **job.environment,
    }


def by_file(job: Job) -> bool:
    return job.definition.action.parameter_delivery == "file" and not job.definition.command


def user_of(options: ContainerOptions, image: Image) -> str:
    """Return who runs the action: whom it names, else the image's user (one who is root is left out), else nobody."""
    return options.user or image.user or NOBODY


def specification(
    options: ContainerOptions,
    policy: ContainerPolicy,
    *,
    image: Image,
    program: Program,
    environment: dict[str, str],
    folder: Path | None,
    hosts_file: Path,
    parameter_file: Path | None,
    needed: Dependencies | None = None,
    labels: dict[str, str],
) -> dict[str, Any]:
    """Return the arguments for `ContainerEngine.create`; `hosts_file` has the content `HOSTS`."""
    no_network = options.network == NO_NETWORK
    # What was checked is what is mounted: a link that is changed meanwhile leads nowhere else.
    mounts = [
        _mount(os.path.realpath(mount.source), mount.target, read_only=not mount.writable)
        for mount in options.mounts
    ]
    if folder is not None:
        mounts.append(_mount(str(folder), PACK_FOLDER))
    if parameter_file is not None:
        mounts.append(_mount(str(parameter_file), PARAMETER_FILE))
    if needed is not None:
        mounts.append({"Type": "volume", "Source": needed.volume, "Target": ENVIRONMENT, "ReadOnly": True})
    if no_network and _HOSTS_FILE not in {*options.tmpfs, *(mount.target for mount in options.mounts)}:
        mounts.append(_mount(str(hosts_file), _HOSTS_FILE))
    return {
        "image": image.id,
        "entrypoint": None if program.entrypoint is None else list(program.entrypoint),
        "command": list(program.command) or None,
        "environment": environment | TERM_FOR_ALL,
        "user": user_of(options, image),
        "working_dir": None if folder is None else PACK_FOLDER,
        "stdin_open": True,
        # Its network namespace has `lo` all the same; without this the engine first makes one of its own for it.
        "network_disabled": no_network,
        "labels": labels,
        "host": _host(options, policy, mounts),
    }


def _host(options: ContainerOptions, policy: ContainerPolicy, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    memory_bytes = options.memory_bytes or policy.memory_bytes
    sizes = {TEMPORARY_FOLDER: policy.tmpfs_bytes} | {
        path: size or policy.tmpfs_bytes for path, size in options.tmpfs.items()
    }
    return {
        "network_mode": options.network,
        "read_only": options.read_only,
        "tmpfs": {path: f"rw,noexec,nosuid,nodev,mode=1777,size={size}" for path, size in sizes.items()},
        "mounts": mounts,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": memory_bytes,
        "memswap_limit": memory_bytes,
        "nano_cpus": int((options.cpus or policy.cpus) * _NANO),
        "pids_limit": options.pids or policy.pids,
        # The first process of a container ignores TERM unless it says otherwise, and reaps nobody.
        "init": True,
        # The supervisor keeps the output: the engine's own copy would grow without a sound cap.
        "log_config": {"type": "none"},
    }


def _mount(source: str, target: str, *, read_only: bool = True) -> dict[str, Any]:
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}
