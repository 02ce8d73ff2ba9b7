"""Fetching the archive of a pack over HTTP: bounded in size and time, no password in a message (domain.md 1.3)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from attune_cli.errors import NotFoundError, RunFailedError, UnavailableError
from attune_cli.runtime.clock import monotonic_seconds
from attune_cli.runtime.packs.archives import ARCHIVE_SUFFIXES, MAX_TOTAL_BYTES, MEBIBYTE
from attune_cli.runtime.packs.repositories import FETCH_SECONDS, without_password

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

_SILENCE_SECONDS = 30.0
_MISSING = frozenset({404, 410})


def is_archive_url(source: str) -> bool:
    """Tell the URL of an archive from one of a repository, by the name at the end of its path."""
    return source.startswith(("http://", "https://")) and _name(source).lower().endswith(ARCHIVE_SUFFIXES)


def _name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name


def shown(url: str) -> str:
    """Return the URL of an archive as it may be shown and stored: what follows its path may be a token."""
    return urlunsplit((*urlsplit(without_password(url))[:3], "", ""))


def download(url: str, folder: Path) -> Path:
    """Fetch an archive into a folder and return its file; follows redirects.

    Raises NotFoundError where there is none, UnavailableError for a server that does not answer in time,
    RunFailedError for any other answer, and for more than an archive may hold.
    """
    import httpx

    file = folder / _name(url)
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=_SILENCE_SECONDS) as answer:
            _check(url, answer)
            _keep(url, answer, file)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = without_password(str(error)).replace(url, shown(url)) or "no answer in time"
        raise UnavailableError(
            f"{shown(url)} cannot be fetched: {reason}", code="fetch_failed", hint=_hint(url)
        ) from error
    return file


def _check(url: str, answer: httpx.Response) -> None:
    if answer.is_success:
        return
    said = f"{shown(url)}: the server answered {answer.status_code} {answer.reason_phrase}"
    if answer.status_code in _MISSING:
        raise NotFoundError(said, code="unknown_archive", hint=_hint(url))
    raise RunFailedError(said, code="fetch_failed", hint=_hint(url))


def _hint(url: str) -> str:
    """Return the command that shows what the server says."""
    return f"curl -fLI {shown(url)}"


def _keep(url: str, answer: httpx.Response, file: Path) -> None:
    """Write what comes; a server that sends without end, or a byte now and then, is given up."""
    deadline = monotonic_seconds() + FETCH_SECONDS
    with file.open("xb") as kept:
        for chunk in answer.iter_bytes():
            kept.write(chunk)
            if kept.tell() > MAX_TOTAL_BYTES:
                limit = MAX_TOTAL_BYTES // MEBIBYTE
                raise RunFailedError(f"{shown(url)} is larger than {limit} MiB", code="archive_refused")
            if monotonic_seconds() > deadline:
                raise UnavailableError(
                    f"{shown(url)} was not there in {FETCH_SECONDS:.0f} s",
                    code="fetch_failed",
                    hint=_hint(url),
                )
