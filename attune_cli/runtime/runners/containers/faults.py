"""What an engine's errors mean, in the user's words; and when there is none, how to get one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.errors import DeniedError, NotFoundError, UnavailableError, UsageError

if TYPE_CHECKING:
    from attune_cli.errors import AttuneError

HOW_TO_GET_ONE = "apt-get install docker.io (or docs.docker.com/engine/install), then: attune doctor"

_HUB = "docker.io"
_FULL = "no space left on device"
_NOT_A_PROGRAM = (
    "executable file not found",
    "no such file or directory",
    "permission denied",
    "exec format error",
)


def registry_of(image: str) -> str:
    """Return the host of the registry that an image comes from."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else _HUB


def key_of(registry: str) -> str:
    """Return the name of the key that holds NAME:PASSWORD for a registry; what no ref may hold is `_` in it."""
    return f"registry.{registry.replace(':', '_')}"


def refusal(status: int, message: str, image: str = "") -> AttuneError:
    """Say what it means that the engine refused something."""
    text = message.strip()
    lower = text.lower()
    if _FULL in lower:
        return UnavailableError(
            f"the Docker engine's disk is full: {text}", code="engine_disk_full", hint="docker system prune"
        )
    if image:
        return pull_failure(image, text)
    if any(words in lower for words in _NOT_A_PROGRAM):
        return UsageError(f"the container cannot be started: {text}", code="not_started")
    if "unable to setup user" in lower:
        return UsageError(
            f"there is no such user or group in this engine's containers: {text}",
            code="not_started",
            hint="a rootless engine has the numbers of /etc/subuid and /etc/subgid",
        )
    kind = UnavailableError if status >= 500 else UsageError  # noqa: PLR2004 - HTTP: the fault is the engine's
    return kind(f"the Docker engine refuses: {text}", code="engine_refused")


def pull_failure(image: str, message: str) -> AttuneError:
    lower = message.lower()
    if _FULL in lower:
        return refusal(500, message)
    if "no matching manifest" in lower or "platform" in lower:
        return NotFoundError(
            f"image '{image}' is not made for this machine: {message}", code="image_platform"
        )
    if "denied" in lower or "unauthorized" in lower or "auth" in lower:
        return DeniedError(
            f"image '{image}' cannot be pulled, or does not exist: {message}",
            code="image_denied",
            hint=f"docker login, or a key: echo NAME:PASSWORD | attune key set {key_of(registry_of(image))} -",
        )
    if "not found" in lower or "manifest unknown" in lower or "does not exist" in lower:
        return NotFoundError(
            f"there is no image '{image}': {message}", code="image_not_found", hint="docker images"
        )
    return UnavailableError(f"image '{image}' cannot be pulled: {message}", code="image_pull_failed")


def unreachable(address: str, error: Exception) -> UnavailableError:
    text = str(error)
    if "Permission denied" in text or isinstance(error, PermissionError):
        return UnavailableError(
            f"you may not use the Docker engine at {address}: permission denied on its socket",
            code="no_container_engine",
            hint="sudo usermod -aG docker $USER, then log in anew; or use a rootless engine",
        )
    if "timed out" in text.lower():
        return UnavailableError(f"the Docker engine at {address} does not answer", code="engine_silent")
    return UnavailableError(
        f"no Docker engine answers at {address}", code="no_container_engine", hint=HOW_TO_GET_ONE
    )
