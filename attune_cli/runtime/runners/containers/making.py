"""From a job to the container of its run: created, or one that waits for it already."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from attune_cli.errors import DeniedError, UsageError
from attune_cli.runtime.model.containers import policy_of, read_options, refusals
from attune_cli.runtime.model.quantities import format_size
from attune_cli.runtime.runners.containers import gate, specification
from attune_cli.runtime.runners.containers.dependencies import Installer, dependencies_of
from attune_cli.runtime.runners.containers.engine import HOME_LABEL
from attune_cli.runtime.runners.containers.images import Images
from attune_cli.runtime.runners.containers.limits import explained, maps_users, unheld_limits
from attune_cli.runtime.runners.containers.programs import program_of, runtime_of
from attune_cli.runtime.runners.containers.warm import Shape
from attune_cli.runtime.runners.supervised import secrets_of, write_private
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.model.containers import ContainerOptions
    from attune_cli.runtime.model.jobs import JobDefinition
    from attune_cli.runtime.runners.api import Job, ServerVariables
    from attune_cli.runtime.runners.containers.dependencies import Dependencies
    from attune_cli.runtime.runners.containers.engine import ContainerEngine, Image
    from attune_cli.runtime.runners.containers.programs import Program
    from attune_cli.runtime.runners.containers.warm import WarmContainers

ACTION_LABEL = "attune.action"
EXECUTION_LABEL = "attune.execution"


@immutable
class Made:
    """A container that is there for one run. It waits at its gate if there is a nonce, which it answers."""

    container: str
    stdin: bytes
    nonce: str = ""
    shape: Shape | None = None
    """What those have in common that can wait for the next run; None where none can."""
    file: Path | None = None
    """Holds its parameters."""
    secrets: tuple[bytes, ...] = ()
    """What must not be read in its log."""
    about: dict[str, str] = field(default_factory=dict[str, str])
    """What the record tells of it: `image`, `image_id`, and `warning` if there is one."""

    def forget_parameters(self) -> None:
        if self.file is not None:
            self.file.unlink(missing_ok=True)


@immutable(kw_only=True)
class _Plan:
    """What one run's container comes to."""

    job: Job
    options: ContainerOptions
    image: Image
    program: Program
    by_file: bool
    shared: dict[str, str]
    """The variables of all runs of its definition."""
    own: dict[str, str]
    """The run's own variables."""
    warning: str
    """What is not as the action may expect it; empty when all is."""
    specified: Callable[..., dict[str, Any]]
    """`specification` for it, but for what a container that waits has otherwise."""


class ContainerMaker:
    """Makes those of one host. May be used from any thread."""

    def __init__(
        self,
        *,
        home: Home,
        settings: Settings,
        environment: Mapping[str, str],
        engine: ContainerEngine,
        labels: dict[str, str],
        pack_folder: Callable[[JobDefinition], Path],
        api: ServerVariables,
        credentials: Callable[[str], dict[str, str] | None],
        warm: WarmContainers | None,
    ) -> None:
        """`labels` tell whose they are; `warm` are those that wait, None where none does."""
        self._home = home
        self._engine = engine
        self._home_id = labels[HOME_LABEL]
        self._images = Images(engine, self._home_id, credentials=credentials)
        self._policy = policy_of(settings)
        self._installer = Installer(home, self._home_id, engine, self._policy, environment)
        self._labels = labels
        self._pack_folder = pack_folder
        self._api = api
        self._warm = warm

    def make(self, job: Job) -> Made:
        """Make the container of a run. Blocks; raises AttuneError or OSError."""
        self._have_folder()
        plan = self._plan(job)
        return replace(self._made(plan), secrets=secrets_of(job, plan.own), about=_about(plan))

    def _made(self, plan: _Plan) -> Made:
        nonce = os.urandom(16).hex()
        stdin = self._opening(plan, nonce)
        if self._warm is None or stdin is None:
            return self._create(plan)
        shape = self._shape(plan)
        container = self._warm.take(shape)
        if container is None:
            return self._create(plan, shape)
        return Made(container, stdin, nonce, shape)

    def _have_folder(self) -> None:
        """Have the home's folder for containers, with what those without a network are given."""
        self._home.containers.mkdir(mode=0o700, exist_ok=True)
        path = self._home.container_hosts
        if not path.exists():
            draft = path.with_name(f"{os.urandom(8).hex()}.new")  # several may do this at once
            write_private(draft, specification.HOSTS, 0o444)
            draft.rename(path)

    def _plan(self, job: Job) -> _Plan:
        options = self._options(job.definition)
        folder = None if job.definition.command else self._pack_folder(job.definition)
        image, needed = self._foundation(job, options, folder)
        image = self._without_root(job, options, image)
        by_file = specification.by_file(job)
        shared = specification.environment_of(job.definition.action, folder, needed, by_file=by_file)
        server, unreached = self._server(job.execution, options.network)
        unheld = unheld_limits(self._engine.about())
        own = specification.variables_of(job, server)
        return _Plan(
            job=job,
            options=options,
            image=image,
            program=program_of(job, options, folder, shared | own),
            by_file=by_file,
            shared=shared,
            own=own,
            warning="; ".join(filter(None, (explained(unheld) if unheld else "", unreached))),
            specified=partial(
                specification.specification,
                options,
                self._policy,
                image=image,
                folder=folder,
                hosts_file=self._home.container_hosts,
                needed=needed,
            ),
        )

    def _options(self, definition: JobDefinition) -> ContainerOptions:
        options, faults = read_options(definition.action.container)
        refused = faults or refusals(options, self._policy)
        if refused:  # the settings are others than when it was asked for
            raise DeniedError(
                f"this machine refuses the container of {definition.action.ref}",
                code="container_refused",
                details=refused,
            )
        return options

    def _without_root(self, job: Job, options: ContainerOptions, image: Image) -> Image:
        """Return the image without a user of its own who is root there; refuses one who is, and was asked for."""
        if not options.user:
            is_root = bool(image.user) and self._images.is_root(image, image.user, self._labels)
            return replace(image, user="") if is_root else image
        if not self._policy.root and self._images.is_root(image, options.user, self._labels):
            reason = f"user '{options.user}' is root in image '{image.name}'; setting container_root"
            raise DeniedError(
                f"this machine refuses the container of {job.action_ref}: {reason}", code="container_refused"
            )
        return image

    def _server(self, execution: int, network: str) -> tuple[dict[str, str], str]:
        """Return the variables by which the run reaches the server, and a warning when it could, and does not."""
        here = {} if network == specification.NO_NETWORK else self._api(execution)
        if not here or network == "host":
            return here, ""
        gateway = self._engine.gateway(network)
        there = {} if gateway is None else self._api(execution, gateway)
        return there, "" if there else _unreachable(here["ATTUNE_API_URL"], network, gateway)

    def _foundation(
        self, job: Job, options: ContainerOptions, folder: Path | None
    ) -> tuple[Image, Dependencies | None]:
        """Return image and volume, which are there when this returns."""
        with self._telling(job.execution) as tell:
            image = self._images.of(
                options,
                options.pull or self._policy.pull,
                folder,
                pack_ref=job.definition.action.pack_ref,
                progress=tell,
            )
            needed = self._dependencies(job, options, folder, image)
            if needed is not None:
                self._installer.install(needed, self._labels_of(job), progress=tell)
        return image, needed

    def _dependencies(
        self, job: Job, options: ContainerOptions, folder: Path | None, image: Image
    ) -> Dependencies | None:
        action = job.definition.action
        if folder is None or (options.command and not options.runtime):
            return None
        runtime = runtime_of(options, action.entry_point)
        return dependencies_of(self._home_id, action.pack_ref, runtime, folder, image)

    @contextmanager
    def _telling(self, execution: int) -> Generator[Callable[[str], None]]:
        """Let those who follow an execution see what is being made for it."""
        path = self._home.progress(execution)

        def tell(line: str) -> None:
            with suppress(OSError):
                path.write_text(line, encoding="utf-8")

        try:
            yield tell
        finally:
            path.unlink(missing_ok=True)

    # --- one that waits

    def _opening(self, plan: _Plan, nonce: str) -> bytes | None:
        """Return what opens a gate and what the run then reads; None when a gate cannot be told of this run."""
        line = gate.opening(plan.own, nonce)
        if line is None or plan.by_file or not gate.keeps_variables(plan.image):
            return None
        stdin = line + plan.program.stdin
        return stdin if len(stdin) <= gate.FED_BYTES and gate.words_of(plan.program, plan.image) else None

    def _shape(self, plan: _Plan) -> Shape:
        given = plan.specified(
            program=gate.gated(gate.words_of(plan.program, plan.image)),
            environment=plan.shared,
            parameter_file=None,
            labels=self._labels | {ACTION_LABEL: plan.job.action_ref},
        )
        given["host"]["pids_limit"] += 1  # the gate itself
        return Shape(
            owner=f"{plan.job.action_ref} {plan.options.image or plan.options.build}",
            key=hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest(),
            start=lambda: self._start(plan.image, given),
        )

    def _start(self, image: Image, given: dict[str, Any]) -> str | None:
        if not self._images.has_shell(image, self._labels):
            return None
        container = self._engine.create(**given)
        try:
            self._engine.start(container)
        except BaseException:
            self._engine.remove(container)
            raise
        return container

    # --- one that is created

    def _create(self, plan: _Plan, shape: Shape | None = None) -> Made:
        program, document = plan.program, plan.program.stdin
        is_long = len(document) > gate.FED_BYTES
        if is_long and not plan.by_file:
            program = self._reading_a_file(plan)
        file = self._deliver(plan, document) if is_long or plan.by_file else None
        given = plan.specified(
            program=program,
            environment=plan.shared | plan.own,
            parameter_file=file,
            labels=self._labels_of(plan.job),
        )
        try:
            container = self._engine.create(**given)
        except BaseException:
            if file is not None:
                file.unlink(missing_ok=True)
            raise
        return Made(container, b"" if file else document, shape=shape, file=file)

    def _reading_a_file(self, plan: _Plan) -> Program:
        """Return the program with the file of the parameters as its input: a connection could be cut half-way."""
        words = gate.words_of(plan.program, plan.image)
        if not words or not self._images.has_shell(plan.image, self._labels):
            raise UsageError(
                f"{format_size(len(plan.program.stdin))} of parameters cannot reach {plan.job.action_ref} on stdin:"
                f" there is no {gate.SHELL} in image '{plan.image.name}'",
                code="no_shell",
                hint="parameter_delivery: file",
            )
        return gate.fed_from(specification.PARAMETER_FILE, words)

    def _deliver(self, plan: _Plan, document: bytes) -> Path:
        """Write the parameters into a file that the container's user can read, and nobody else of this machine."""
        path = self._home.parameter_file(plan.job.execution)
        user = specification.user_of(plan.options, plan.image).partition(":")[0]
        owned = os.geteuid() == 0 and user.isdecimal() and not maps_users(self._engine.about())
        # Who cannot give it away lets everybody read it: the home, in which it lies, is closed to everybody.
        write_private(path, document, 0o400 if owned else 0o444)
        if owned:
            os.chown(path, int(user), -1)
        return path

    def _labels_of(self, job: Job) -> dict[str, str]:
        return self._labels | {ACTION_LABEL: job.action_ref, EXECUTION_LABEL: str(job.execution)}


def _about(plan: _Plan) -> dict[str, str]:
    about = {"image": plan.image.name, "image_id": plan.image.digest or plan.image.id}
    return about | ({"warning": plan.warning} if plan.warning else {})


def _unreachable(url: str, network: str, gateway: str | None) -> str:
    way = f"attune serve --host {gateway}, or " if gateway else ""
    return (
        f"ATTUNE_API_URL is not set: from network '{network}' nothing reaches the server at {url}"
        f" ({way}setting public_url)"
    )
