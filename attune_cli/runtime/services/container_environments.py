"""What the container actions of installed packs need: their images, and what is installed for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attune_cli.errors import AttuneError
from attune_cli.runtime.model.actions import CONTAINER_RUNNER, ActionDefinition
from attune_cli.runtime.model.containers import ContainerOptions, policy_of, read_options
from attune_cli.runtime.runners.containers.dependencies import Installer, dependencies_of
from attune_cli.runtime.runners.containers.engine import PACK_LABEL, ContainerEngine
from attune_cli.runtime.runners.containers.images import Images, tag_of, tag_prefix
from attune_cli.runtime.runners.containers.programs import runtime_of
from attune_cli.runtime.services.environments import content_folder
from attune_cli.runtime.services.packs import find
from attune_cli.runtime.store import definitions
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from attune_cli.config import Home, Settings
    from attune_cli.runtime.runners.containers.dependencies import Dependencies
    from attune_cli.runtime.runners.containers.engine import Image
    from attune_cli.runtime.store.database import Transaction

Record = dict[str, Any]


@immutable
class ContainerNeed:
    """An image that actions of a pack run in, and what runs their files there."""

    pack_ref: str
    folder: Path
    options: ContainerOptions
    runtime: str


def container_needs(tx: Transaction, ref: str, home: Home) -> list[ContainerNeed]:
    """Return the images that a pack's container actions run in, each once for each runtime."""
    pack = find(tx, ref)
    folder = content_folder(pack, home)
    found: dict[tuple[str, str, str], ContainerNeed] = {}
    for row in definitions.all_of(tx, "action", pack_ref=ref):
        action = ActionDefinition.from_json(row.definition)
        if action.runner_type != CONTAINER_RUNNER:
            continue
        options, faults = read_options(action.container)
        if not faults:
            runtime = (
                "" if options.command and not options.runtime else runtime_of(options, action.entry_point)
            )
            need = ContainerNeed(ref, folder, options, runtime)
            found[options.image, options.build, runtime] = need
    return [found[key] for key in sorted(found)]


class ContainerEnvironments:
    """Looks at and makes what such needs come to on this machine's engine. Leave it with `close`."""

    def __init__(
        self,
        home: Home,
        home_id: str,
        settings: Settings,
        environment: Mapping[str, str],
        credentials: Callable[[str], dict[str, str] | None],
    ) -> None:
        self._home_id = home_id
        self._policy = policy_of(settings)
        self._engine = ContainerEngine(environment)
        self._images = Images(self._engine, home_id, credentials=credentials)
        self._installer = Installer(home, home_id, self._engine, self._policy, environment)

    def close(self) -> None:
        self._engine.close()

    def records(self, need: ContainerNeed) -> list[Record]:
        """Return a record of the image, and one of what has to be installed for it; a fault is in the record."""
        try:
            name = self._image_name(need)
            image = self._engine.image(name)
        except AttuneError as error:
            return [_record(need, need.options.image or need.options.build, "failed", fault=error.message)]
        dockerfile = str(need.folder / need.options.build / "Dockerfile") if need.options.build else None
        found = [_record(need, name, "missing" if image is None else "ready", manifest=dockerfile)]
        wanted = None if image is None else self._dependencies(need, image)
        if wanted is not None:
            state = "ready" if self._installer.is_ready(wanted) else "missing"
            found.append(_record(need, name, state, manifest=str(wanted.manifest), folder=wanted.volume))
        return found

    def build(self, need: ContainerNeed, *, report: Callable[[str], None]) -> None:
        """Pull or build the image, and install what is needed into it. Raises AttuneError."""
        image = self._images.of(
            need.options,
            need.options.pull or self._policy.pull,
            need.folder,
            pack_ref=need.pack_ref,
            progress=report,
        )
        wanted = self._dependencies(need, image)
        if wanted is not None:
            self._installer.install(wanted, {PACK_LABEL: need.pack_ref}, progress=report)

    def delete(self, pack_ref: str) -> tuple[list[str], list[str]]:
        """Delete the volumes and images that this home has made for a pack; returns their names, and those in use."""
        gone: list[str] = []
        kept: list[str] = []
        for volume in self._engine.volumes_of(pack_ref, self._home_id):
            (gone if self._engine.remove_volume(volume) else kept).append(volume)
        for image in self._engine.built_for(pack_ref, tag_prefix(self._home_id)):
            (gone if self._engine.remove_image(image) else kept).append(image)
        return gone, kept

    def _image_name(self, need: ContainerNeed) -> str:
        options = need.options
        return tag_of(need.folder / options.build, self._home_id) if options.build else options.image

    def _dependencies(self, need: ContainerNeed, image: Image) -> Dependencies | None:
        return dependencies_of(self._home_id, need.pack_ref, need.runtime, need.folder, image)


def _record(
    need: ContainerNeed,
    image: str,
    state: str,
    *,
    manifest: str | None = None,
    folder: str | None = None,
    fault: str | None = None,
) -> Record:
    return {
        "kind": "environment",
        "ref": need.pack_ref,
        "runtime_ref": CONTAINER_RUNNER,
        "form": "image" if folder is None else "volume",
        "state": state,
        "interpreter": image,
        "manifest": manifest,
        "folder": folder,
        "fault": fault,
    }
