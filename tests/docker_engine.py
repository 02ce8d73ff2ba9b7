"""The real Docker engine of this machine, and an image made of what is on it: nothing is fetched.

The image is called by what is in it, so it is built once for each machine: busybox and bash, and the interpreter that
runs the tests, with the libraries that they are linked to.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

REPOSITORY = "attune-test"
LABEL = "attune.home"
"""Every container of ours has it, whichever home it belongs to."""

_RECIPE = "2"
"""Another one makes another image."""

_ENVIRONMENT = dict(os.environ)
"""As it was before any test changed it."""

_PROGRAMS = ("bash", "busybox")
_LEFT_OUT = {"test", "idlelib", "tkinter", "lib2to3", "turtledemo", "site-packages", "__pycache__", "config"}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}


@functools.cache
def missing() -> str | None:
    """Say why no container can be run here, or None when one can."""
    for program in (*_PROGRAMS, "docker", "ldd"):
        if shutil.which(program) is None:
            return f"there is no {program} on this machine"
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return None if asked.returncode == 0 else "no Docker engine answers"


def docker(*words: str, given: bytes | None = None) -> str:
    """Run Docker's own command; return what it printed."""
    done = subprocess.run(
        ["docker", *words], input=given, capture_output=True, timeout=120, env=_ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def containers_of(home_id: str) -> list[str]:
    """Return the containers of one home, those that are not running too."""
    return docker("ps", "-aq", "--no-trunc", "--filter", f"label={LABEL}={home_id}").split()


def all_containers() -> list[str]:
    """Return every container of ours on this machine."""
    return docker("ps", "-aq", "--no-trunc", "--filter", f"label={LABEL}").split()


@functools.cache
def image() -> str:
    """Return the name of the image, which is there; skips the test where no container can be run."""
    reason = missing()
    if reason is not None:
        pytest.skip(f"containers are not tested: {reason}")
    name = f"{REPOSITORY}:{_checksum()}"
    if not docker("images", "-q", name):
        docker("import", "-c", "ENV PATH=/usr/local/bin:/usr/bin:/bin", "-", name, given=_archive())
    return name


@functools.cache
def bare_image() -> str:
    """Return the name of an image in which there is `cat`, and no shell."""
    name = f"{image()}-bare"
    if not docker("images", "-q", name):
        memory = io.BytesIO()
        with tarfile.open(fileobj=memory, mode="w") as archive:
            busybox = Path(str(shutil.which("busybox"))).resolve()
            archive.add(busybox, "bin/cat")
            _add_libraries(archive, [busybox])
        docker("import", "-", name, given=memory.getvalue())
    return name


@functools.cache
def shell_image(shell: str) -> str:
    """Return the name of an image whose /bin/sh is that shell; skips where this machine has none."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"containers with {shell} are not tested: there is no {shell} on this machine")
    name = f"{image()}-{shell}"
    if not docker("images", "-q", name):
        memory = io.BytesIO()
        with tarfile.open(fileobj=memory, mode="w") as archive:
            _add_programs(archive, shell=path)
        docker("import", "-c", "ENV PATH=/usr/local/bin:/usr/bin:/bin", "-", name, given=memory.getvalue())
    return name


@functools.cache
def node_image() -> str:
    """Return the name of an image that has Node and npm beside what `image` has; skips where this machine has none."""
    node, npm = (shutil.which(program) for program in ("node", "npm"))
    if node is None or npm is None:
        pytest.skip("containers with Node are not tested: there is no node or no npm on this machine")
    name = f"{image()}-node"
    if not docker("images", "-q", name):
        memory = io.BytesIO(_archive())
        with tarfile.open(fileobj=memory, mode="a") as archive:
            _add_node(archive, Path(node).resolve(), Path(npm).resolve())
        docker("import", "-c", "ENV PATH=/usr/local/bin:/usr/bin:/bin", "-", name, given=memory.getvalue())
    return name


def _add_node(archive: tarfile.TarFile, node: Path, npm: Path) -> None:
    """Add Node, and npm as a script beside its folder, wherever this machine has them."""
    archive.add(node, "usr/bin/node")
    archive.add(npm.parents[1], "usr/lib/node_modules/npm")
    _add_link(archive, "usr/bin/npm", f"../lib/node_modules/npm/bin/{npm.name}")
    _add_text(archive, "usr/bin/env", '#!/bin/sh\nexec /bin/busybox env "$@"\n', mode=0o755)
    _add_libraries(archive, [node])


def _python() -> Path:
    return Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def _checksum() -> str:
    files = [Path(str(shutil.which(program))) for program in _PROGRAMS] + [_python()]
    parts = [_RECIPE, sys.version, *(str(hashlib.sha256(file.read_bytes()).hexdigest()) for file in files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _archive() -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        _add_programs(archive)
        _add_python(archive)
        for name, text in _FILES.items():
            _add_text(archive, name, text)
        for folder in ("tmp", "root", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
    return memory.getvalue()


def _add_programs(archive: tarfile.TarFile, shell: str = "") -> None:
    """Add busybox and bash; what is called `sh` is busybox unless another program is named."""
    busybox, bash = (Path(str(shutil.which(program))).resolve() for program in ("busybox", "bash"))
    archive.add(busybox, "bin/busybox")
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for applet in set(listed.stdout.split()) - {"busybox", "bash"} - ({"sh"} if shell else set()):
        _add_link(archive, f"bin/{applet}", "busybox")
    archive.add(bash, "bin/bash")
    _add_libraries(archive, [busybox, bash])
    if shell:
        archive.add(Path(shell).resolve(), "bin/sh")
        _add_libraries(archive, [Path(shell).resolve()])


def _add_python(archive: tarfile.TarFile) -> None:
    library = Path(
        sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix})
    )
    version = library.name
    archive.add(_python().resolve(), f"usr/bin/{version}")
    _add_link(archive, "usr/bin/python3", version)

    def chosen(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        words = set(entry.name.split("/")[3:])
        return None if words & _LEFT_OUT or any(word.startswith("config-") for word in words) else entry

    archive.add(library, f"usr/lib/{version}", filter=chosen)
    for name in ("pip", "setuptools", "pkg_resources"):
        for found in (library / "site-packages").glob(f"{name}*"):
            archive.add(found, f"usr/lib/{version}/site-packages/{found.name}")
    _add_libraries(archive, [_python().resolve(), *(library / "lib-dynload").glob("*.so")])


def _add_libraries(archive: tarfile.TarFile, programs: list[Path]) -> None:
    """Add what the programs are linked to, under the names by which they ask for it."""
    present = set(archive.getnames())
    for program in programs:
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for line in told.splitlines():
            paths = [word for word in line.split() if word.startswith("/")]
            name = paths[0].lstrip("/") if paths else ""
            if name and name not in present:
                present.add(name)
                archive.add(Path(paths[0]).resolve(), name)


def _add_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)


def _add_text(archive: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), mode
    archive.addfile(entry, io.BytesIO(text.encode()))
