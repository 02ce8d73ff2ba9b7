"""The Docker engine as this program uses it: every call to the `docker` SDK, and every error of it in words.

The SDK takes 200 ms to import, so it is imported with the first call; all values in and out are plain.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attune_cli.errors import Detail, RunFailedError, UnavailableError
from attune_cli.runtime.clock import monotonic_seconds, pause
from attune_cli.runtime.runners.containers.address import engine_address, gateway_of, is_of_this_machine
from attune_cli.runtime.runners.containers.faults import pull_failure, refusal, unreachable
from attune_cli.runtime.runners.containers.wire import EngineError, Wire
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

HOME_LABEL = "attune.home"
HOST_LABEL = "attune.host"
MARK_LABEL = "attune.mark"
PACK_LABEL = "attune.pack"
FILLS_LABEL = "attune.fills"
"""The volume that a container fills."""

BUILT = "attune-build"
"""The repository of the images that are built here."""

_PATIENCE_SECONDS = 60
"""How long the engine may think, and how long a pull may say nothing."""

_CONNECTIONS = 32
_REMOVAL_SECONDS = 20.0
_LOOK_SECONDS = 0.05
_INSTALL_SECONDS = 1800
_TAIL_LINES = 40
_LONGEST_TEXT_BYTES = 1024 * 1024

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Engines colour what a build says on stderr."""


@immutable(kw_only=True)
class Image:
    """An image that is there. `id` is its content's hash; `digest` is its registry's name for it, if it has one."""

    name: str
    id: str
    digest: str | None
    user: str
    platform: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    """The names in its environment."""


@immutable(kw_only=True)
class Found:
    """A container of ours."""

    id: str
    host: str


class ContainerEngine:
    """Connects when it is first asked for something. May be used from any thread. Raises AttuneError."""

    def __init__(self, environment: Mapping[str, str], *, patience_seconds: int = _PATIENCE_SECONDS) -> None:
        self._environment = environment
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._client: Any = None
        self._about: dict[str, Any] | None = None

    @property
    def address(self) -> str:
        return engine_address(self._environment)

    # --- containers

    def create(self, **given: Any) -> str:  # noqa: ANN401 - passed on
        """Create a container and return its id. `host` are the arguments of the SDK's HostConfig."""
        host = given.pop("host")
        with self._explained() as client:
            config = client.create_host_config(**host)
            made = client.create_container(host_config=config, use_config_proxy=False, **given)
        return str(made["Id"])

    def start(self, container: str) -> None:
        with self._explained() as client:
            client.start(container)

    def is_running(self, container: str) -> bool:
        with self._explained(missing_is_well=True) as client:
            return bool(client.inspect_container(container)["State"]["Running"])
        return False

    def has_file(self, container: str, path: str) -> bool:
        """Tell whether there is such a file in a container, which need not run."""
        try:
            with self._explained():
                Wire(self.address).ask("HEAD", f"/containers/{container}/archive?path={path}")
        except EngineError as error:
            if error.status == 404:  # noqa: PLR2004 - HTTP's "not found"
                return False
            raise refusal(error.status, error.message) from error
        return True

    def read_file(self, container: str, path: str) -> str | None:
        """Return a text of a container, which need not run; None when there is none, or what is there is no text."""
        import io
        import tarfile

        with self._explained(missing_is_well=True) as client:
            pieces, about = client.get_archive(container, path)
            if about["size"] > _LONGEST_TEXT_BYTES:
                return None
            with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
                entry = archive.next()
                file = archive.extractfile(entry) if entry is not None and entry.isreg() else None
                return None if file is None else file.read().decode("utf-8", "replace")
        return None

    def remove(self, container: str) -> None:
        """End a container, however it goes, and remove it; one that is gone is well.

        An engine refuses while another removes it, and when it ends by itself just now: then it is asked again.
        """
        give_up = monotonic_seconds() + _REMOVAL_SECONDS
        while not self._try_to_remove(container):
            if monotonic_seconds() > give_up:
                raise UnavailableError(
                    f"the Docker engine does not remove container {container[:12]}",
                    code="engine_refused",
                    hint=f"docker rm -f {container[:12]}",
                )
            pause(_LOOK_SECONDS)

    def _try_to_remove(self, container: str) -> bool:
        with self._explained(missing_is_well=True) as client:
            client.remove_container(container, force=True, v=True)
            return True
        with self._explained(missing_is_well=True) as client:
            client.inspect_container(container)
            return False
        return True

    def ours(self, home_id: str) -> list[Found]:
        """Return the containers that a home has made."""
        with self._explained() as client:
            found = client.containers(all=True, filters={"label": f"{HOME_LABEL}={home_id}"})
        return [Found(id=one["Id"], host=one["Labels"].get(HOST_LABEL, "")) for one in found]

    def fillers_of(self, volume: str) -> list[str]:
        """Return the containers that were made to fill a volume, and are not removed."""
        with self._explained() as client:
            found = client.containers(all=True, filters={"label": f"{FILLS_LABEL}={volume}"})
        return [str(one["Id"]) for one in found]

    def run_to_end(self, **given: Any) -> tuple[int, str]:  # noqa: ANN401 - passed on
        """Run a container of our own to its end, and remove it; return its exit code and the end of what it said."""
        container = self.create(**given)
        try:
            with self._explained() as client:
                client.start(container)
                code = client.wait(container, timeout=_INSTALL_SECONDS)["StatusCode"]
                words = client.logs(container, tail=_TAIL_LINES)
        finally:
            self.remove(container)
        return int(code), bytes(words).decode("utf-8", "replace")

    # --- networks

    def gateway(self, network: str) -> str | None:
        """Return the address at which containers of a network find this machine; None when they do not."""
        with self._explained(missing_is_well=True) as client:
            pools: list[dict[str, str]] = client.inspect_network(network)["IPAM"]["Config"] or []
            return next((one for one in map(gateway_of, pools) if is_of_this_machine(one)), None)
        return None

    # --- volumes

    def volume_mark(self, name: str) -> str | None:
        """Return the mark that a volume was made with, or None when there is no such volume of ours."""
        with self._explained(missing_is_well=True) as client:
            labels: dict[str, str] = client.inspect_volume(name)["Labels"] or {}
            return labels.get(MARK_LABEL)
        return None

    def make_volume(self, name: str, labels: dict[str, str]) -> str:
        """Make a volume, and return the mark that tells it from another of its name."""
        mark = os.urandom(16).hex()
        with self._explained() as client:
            client.create_volume(name, labels={**labels, MARK_LABEL: mark})
        return mark

    def volumes_of(self, pack_ref: str, home_id: str) -> list[str]:
        """Return the volumes that a home has made for a pack."""
        with self._explained() as client:
            labels = [f"{PACK_LABEL}={pack_ref}", f"{HOME_LABEL}={home_id}"]
            found = client.volumes(filters={"label": labels})
        return [str(one["Name"]) for one in found["Volumes"] or ()]

    def remove_volume(self, name: str) -> bool:
        """Remove a volume if there is one; tells whether it is gone, which one in use is not."""
        with self._explained(missing_is_well=True) as client:
            client.remove_volume(name, force=True)
            return True
        return self.volume_mark(name) is None

    # --- images

    def build(self, folder: Path, tag: str, *, pack_ref: str, progress: Callable[[str], None]) -> None:
        """Build the image of a folder with a Dockerfile, for a pack."""
        said: list[str] = []
        with self._explained() as client:
            labels = {PACK_LABEL: pack_ref}
            lines = client.build(path=str(folder), tag=tag, labels=labels, rm=True, forcerm=True, decode=True)
            for line in lines:
                said += _COLOUR.sub("", str(line.get("stream") or "")).splitlines()
                if "error" in line:
                    raise RunFailedError(
                        f"the image of {folder} cannot be built: {_COLOUR.sub('', str(line['error'])).strip()}",
                        code="image_build_failed",
                        details=[Detail("", text) for text in said[-_TAIL_LINES:] if text.strip()],
                    )
                if said and said[-1].strip():
                    progress(said[-1])

    def built_for(self, pack_ref: str, prefix: str) -> list[str]:
        """Return the names of the images that were built for a pack, of those whose names begin so."""
        with self._explained() as client:
            found = client.images(BUILT, filters={"label": f"{PACK_LABEL}={pack_ref}"})
        names = [name for one in found for name in one["RepoTags"] or ()]
        return sorted(name for name in names if name.startswith(prefix))

    def remove_image(self, name: str) -> bool:
        """Remove an image if there is one; tells whether it is gone, which one in use is not."""
        with self._explained(missing_is_well=True) as client:
            client.remove_image(name)
            return True
        return self.image(name) is None

    def image(self, name: str) -> Image | None:
        """Return an image that is there, or None."""
        with self._explained(missing_is_well=True) as client:
            about: dict[str, Any] = client.inspect_image(name)
            config: dict[str, Any] = about.get("Config") or {}
            return Image(
                name=name,
                id=about["Id"],
                digest=_digest_of(name, about.get("RepoDigests") or ()),
                user=config.get("User") or "",
                platform=f"{about.get('Os', '')}/{about.get('Architecture', '')}",
                entrypoint=tuple(config.get("Entrypoint") or ()),
                command=tuple(config.get("Cmd") or ()),
                variables=tuple(one.partition("=")[0] for one in config.get("Env") or ()),
            )
        return None

    def pull(self, name: str, *, credentials: dict[str, str] | None, progress: Callable[[str], None]) -> None:
        """Pull an image, telling how far it is. One that goes silent for a minute fails."""
        repository, tag = _split(name)
        try:
            with self._explained(name) as client:
                for line in client.pull(
                    repository, tag=tag, stream=True, decode=True, auth_config=credentials
                ):
                    if "error" in line:
                        raise pull_failure(name, str(line["error"]))
                    progress(_progress(line))
        except UnavailableError as error:
            if error.code == "engine_silent":
                raise pull_failure(name, f"nothing came of it for {self._patience_seconds} s") from error
            raise

    def about(self) -> dict[str, Any]:
        """Return what the engine says of itself; it is asked once."""
        if self._about is None:
            with self._explained() as client:
                self._about = client.info()
        return self._about or {}

    def close(self) -> None:
        """Hang up; whoever asks again connects again."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    # --- connection and errors

    def _connected(self) -> Any:  # noqa: ANN401 - an APIClient, which has no types
        with self._lock:
            if self._client is None:
                # Tried before, because the SDK leaves a socket open that cannot be connected.
                Wire(self.address).connect().close()
                self._client = _new_client(self.address, self._patience_seconds)
            return self._client

    @contextmanager
    def _explained(self, image: str = "", *, missing_is_well: bool = False) -> Generator[Any]:
        """Give the client, and say in words what goes wrong with it."""
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        try:
            yield self._connected()
        except APIError as error:
            status = error.response.status_code if error.response is not None else 500
            if missing_is_well and status in {404, 409}:
                return
            raise refusal(status, str(error.explanation or error), image) from error
        except (DockerException, RequestException, HTTPError, OSError) as error:
            raise unreachable(self.address, error) from error


def _new_client(address: str, patience_seconds: int) -> Any:  # noqa: ANN401 - as above
    from docker import APIClient

    class Client(APIClient):
        """Waits no longer for a pull to say something than for any other answer; the SDK would wait for ever."""

        def request(self, method: str, url: str, **given: Any) -> Any:  # type: ignore[override]  # noqa: ANN401 - passed on
            if url.endswith("/images/create"):
                given["timeout"] = patience_seconds
            return super().request(method, url, **given)

    return Client(base_url=address, version="auto", timeout=patience_seconds, num_pools=_CONNECTIONS)


def _split(name: str) -> tuple[str, str | None]:
    """Return repository and tag or digest; a name with neither means `latest`."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest
    head, _, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{head}/{last}" if head else last, tag or "latest"


def _digest_of(name: str, digests: Sequence[str]) -> str | None:
    """Return what the registry that an image is named after calls it: the same image may come from several."""
    repository = _split(name)[0]
    return next((one for one in digests if one.partition("@")[0] == repository), next(iter(digests), None))


def _progress(line: dict[str, Any]) -> str:
    return " ".join(str(line[name]) for name in ("id", "status", "progress") if line.get(name))
