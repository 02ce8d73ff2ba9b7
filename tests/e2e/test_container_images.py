"""Stories of the images that actions run in: pulled, built, and with what a pack depends on."""

from __future__ import annotations

import base64
import fcntl
import io
import json
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docker_engine import REPOSITORY, docker, image, node_image
from tests.e2e.container_story import install
from tests.image_registry import serving_images
from tests.pack_files import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def _no_image_is_left() -> Iterator[None]:
    """Remove what a story has made, while no other story makes any."""
    image()
    with (Path(tempfile.gettempdir()) / "attune-test-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = _images()
        yield
        for name in _images() - before:
            if not name.startswith(f"{REPOSITORY}:"):
                docker("rmi", "-f", name)


def _images() -> set[str]:
    listed = docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    named = [line.split() for line in listed]
    return {identifier if "<none>" in name else name for name, identifier in named}


# --- pulled


def test_a_missing_image_is_pulled_once_and_its_digest_is_recorded(run: Run, tmp_path: Path) -> None:
    with serving_images() as registry:
        name = f"{registry.name}/tools:1"
        install(run, tmp_path, "cat", image=name)
        first = run("run", "action", "box.it")
        assert (first.exit_code, first.stdout) == (0, "{}\n"), first.stderr
        pulled = registry.pulled
        assert run("run", "action", "box.it").exit_code == 0
        assert registry.pulled == pulled > 0
        record = json.loads(run("execution", "show", "1", "-j").stdout)
        assert record["result"]["image_id"] == f"{registry.name}/tools@{registry.digest}"
        install(run, tmp_path, "cat", image=name, pull="always")
        assert run("run", "action", "box.it").exit_code == 0
        assert registry.pulled > pulled


def test_the_digest_in_the_record_is_that_of_the_registry_that_was_named(run: Run, tmp_path: Path) -> None:
    with serving_images() as first, serving_images() as second:
        for number, registry in enumerate((first, second), 1):
            install(run, tmp_path, "cat", image=f"{registry.name}/tools:1")
            assert run("run", "action", "box.it").exit_code == 0
            record = json.loads(run("execution", "show", str(number), "-j").stdout)
            assert record["result"]["image_id"] == f"{registry.name}/tools@{registry.digest}"


def test_credentials_of_a_registry_come_from_a_key(run: Run, tmp_path: Path) -> None:
    with serving_images(login="ada:open sesame") as registry:
        install(run, tmp_path, "cat", image=f"{registry.name}/tools:1")
        assert run("run", "action", "box.it").exit_code == 1
        error = json.loads(run("execution", "show", "1", "-j").stdout)["error"]
        assert error["type"] == "image_denied"
        key = f"registry.{registry.name.replace(':', '_')}"
        assert f"attune key set {key} -" in error["message"]
        assert run("key", "set", key, "-", input="open sesame").exit_code == 0
        assert f"key {key} holds no NAME:PASSWORD" in run("run", "action", "box.it").stderr
        assert run("key", "set", key, "-", input="ada:open sesame").exit_code == 0
        done = run("run", "action", "box.it")
        assert (done.exit_code, done.stdout) == (0, "{}\n"), done.stderr


def test_credentials_of_a_registry_come_from_dockers_own_store(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with serving_images(login="ada:open sesame") as registry:
        install(run, tmp_path, "cat", image=f"{registry.name}/tools:1")
        assert run("run", "action", "box.it").exit_code == 1
        login = {"auths": {registry.name: {"auth": base64.b64encode(b"ada:open sesame").decode()}}}
        write_files(tmp_path / "docker", {"config.json": json.dumps(login)})
        done = run("run", "action", "box.it")
        assert (done.exit_code, done.stdout) == (0, "{}\n"), done.stderr


@pytest.mark.parametrize(
    ("tag", "error"), [("nosuch", "image_not_found"), ("1", "image_pull_failed")], ids=["tag", "registry"]
)
def test_what_cannot_be_pulled_is_said(run: Run, tmp_path: Path, tag: str, error: str) -> None:
    with serving_images() as registry:
        name = registry.name if error == "image_not_found" else "127.0.0.1:1"
        install(run, tmp_path, "cat", image=f"{name}/tools:{tag}")
        assert run("run", "action", "box.it").exit_code == 1
        told = json.loads(run("execution", "show", "1", "-j").stdout)["error"]
        assert (told["type"], f"{name}/tools:{tag}" in told["message"]) == (error, True)


def test_an_image_for_another_kind_of_machine_says_so(run: Run, tmp_path: Path) -> None:
    program = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + b"\x02\0\xff\xfe\x01\0\0\0".ljust(200, b"\0")
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        for name in ("program", "bin/sh"):  # the init gives a program without a format to the shell
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(program), 0o755
            archive.addfile(entry, io.BytesIO(program))
    docker("import", "-", "foreign:1", given=memory.getvalue())
    install(run, tmp_path, image="foreign:1", command=["/program"])
    assert run("run", "action", "box.it").exit_code == 1
    error = json.loads(run("execution", "show", "1", "-j").stdout)["error"]
    assert error["type"] == "not_started"
    assert "made for another kind of machine" in error["message"]


# --- built


def test_an_image_is_built_from_the_packs_dockerfile_once_for_each_content(run: Run, tmp_path: Path) -> None:
    dockerfile = f"FROM {image()}\nCOPY word /word\n"
    write_files(tmp_path / "box", {"image/Dockerfile": dockerfile, "image/word": "first\n"})
    install(run, tmp_path, "cat /word", image=None, build="image")
    listed = json.loads(run("pack", "env", "box", "-j").stdout)[0]
    assert (listed["runtime_ref"], listed["state"]) == ("core.container", "missing")
    assert run("run", "action", "box.it").stdout == "first\n"
    listed = json.loads(run("pack", "env", "box", "-j").stdout)[0]
    assert (listed["state"], listed["form"]) == ("ready", "image")
    assert listed["interpreter"].startswith("attune-build:")
    made = docker("inspect", "--format", "{{.Created}}", listed["interpreter"])
    assert run("run", "action", "box.it").stdout == "first\n"
    assert docker("inspect", "--format", "{{.Created}}", listed["interpreter"]) == made
    write_files(tmp_path / "box", {"image/word": "second\n"})
    install(run, tmp_path, "cat /word", image=None, build="image")
    assert run("run", "action", "box.it").stdout == "second\n"


def test_images_that_were_built_for_a_pack_are_deleted_with_its_environments_unless_they_are_in_use(
    run: Run, tmp_path: Path
) -> None:
    for word in ("one", "two"):
        write_files(tmp_path / "built", {"image/Dockerfile": f"FROM {image()}\nENV WORD={word}\n"})
        install(run, tmp_path, "echo $WORD", pack="built", image=None, build="image")
        assert run("run", "action", "built.it").stdout == f"{word}\n"
    images = {name for name in _images() if name.startswith("attune-build:")}
    in_use = json.loads(run("pack", "env", "built", "-j").stdout)[0]["interpreter"]
    user = docker("create", in_use, "true")
    deleted = run("pack", "env", "built", "delete", "-j")
    assert f"{in_use} is in use by a container, and stays" in deleted.stderr
    docker("rm", user)
    gone = (
        json.loads(deleted.stdout)["deleted"]
        + json.loads(run("pack", "env", "built", "delete", "-j").stdout)["deleted"]
    )
    assert len(gone) == 2
    assert set(gone) <= images
    assert set(gone) & _images() == set()
    assert image() in _images()


def test_a_dockerfile_that_fails_is_told_with_its_last_words(run: Run, tmp_path: Path) -> None:
    write_files(
        tmp_path / "box", {"image/Dockerfile": f"FROM {image()}\nRUN echo well; echo bad >&2; exit 3\n"}
    )
    install(run, tmp_path, "true", image=None, build="image")
    built = run("pack", "env", "box", "build")
    assert built.exit_code == 1
    assert "cannot be built" in built.stderr
    assert "well" in built.stderr
    assert run("run", "action", "box.it").exit_code == 1
    error = json.loads(run("execution", "show", "1", "-j").stdout)["error"]
    assert error["type"] == "image_build_failed"
    assert "bad" in error["message"]
    assert "\x1b" not in error["message"]


# --- dependencies


def wheel(folder: Path) -> None:
    """Write a wheel `words` whose module says hello (the wheel format, PEP 427)."""
    folder.mkdir(parents=True)
    about = "words-1.0.dist-info"
    with zipfile.ZipFile(folder / "words-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("words.py", "HELLO = 'hello'\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: words\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{about}/RECORD", f"words.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n"
        )


def test_what_a_pack_requires_is_installed_once_for_its_image(run: Run, tmp_path: Path) -> None:
    requirements = "--no-index\n--find-links /pack/wheels\nwords==1.0\n"
    wheel(tmp_path / "box" / "wheels")
    write_files(
        tmp_path / "box",
        {"requirements.txt": requirements, "actions/it.py": "import words; print(words.HELLO)\n"},
    )
    install(run, tmp_path, entry_point="it.py")
    done = run("run", "action", "box.it")
    assert (done.exit_code, done.stdout) == (0, "hello\n"), done.stderr
    records = [json.loads(line) for line in run("pack", "env", "box", "-o", "jsonl").stdout.splitlines()]
    volume = records[1]["folder"]
    try:
        assert [one["state"] for one in records] == ["ready", "ready"]
        made = docker("volume", "inspect", "--format", "{{.CreatedAt}}", volume)
        assert run("run", "action", "box.it").stdout == "hello\n"
        assert docker("volume", "inspect", "--format", "{{.CreatedAt}}", volume) == made
    finally:
        docker("volume", "rm", "-f", volume)
    assert run("run", "action", "box.it").stdout == "hello\n"  # it is made again when somebody removed it
    deleted = run("pack", "env", "box", "delete", "-j")
    assert (deleted.exit_code, volume in deleted.stdout) == (0, True), deleted.stderr
    assert docker("volume", "ls", "-q", "--filter", f"name={volume}") == ""


def npm_package(path: Path) -> None:
    """Write a package `words` that exports a word."""
    files = {
        "package/package.json": '{"name": "words", "version": "1.0.0"}',
        "package/index.js": "exports.hello = 'hello'\n",
    }
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


def test_what_a_node_action_needs_is_installed_once_for_its_image(run: Run, tmp_path: Path) -> None:
    npm_package(tmp_path / "knotty" / "packages" / "words.tgz")
    needs = {"name": "knotty", "dependencies": {"words": "file:/pack/packages/words.tgz"}}
    script = "let given = ''; process.stdin.on('data', d => given += d).on('end', () =>\n"
    script += "  console.log(require('words').hello, JSON.parse(given).name))\n"
    write_files(tmp_path / "knotty", {"package.json": json.dumps(needs), "actions/it.js": script})
    parameters = {"name": {"type": "string"}}
    install(run, tmp_path, pack="knotty", entry_point="it.js", image=node_image(), parameters=parameters)
    for _ in range(2):
        done = run("run", "action", "knotty.it", "name=Ada")
        assert done.stdout == "hello Ada\n", done.stderr
    volumes = docker("volume", "ls", "-q", "--filter", "label=attune.pack=knotty").split()
    assert len(volumes) == 1
    states = [one["state"] for one in json.loads(run("pack", "env", "knotty", "-j").stdout)]
    assert states == ["ready", "ready"]
    assert json.loads(run("pack", "env", "knotty", "delete", "-j").stdout)["deleted"] == volumes


def test_environments_without_an_engine_say_how_to_get_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(run, tmp_path, "true")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    built = run("pack", "env", "box", "build")
    assert (built.exit_code, "apt-get install docker.io" in built.stderr) == (1, True)
    shown = run("pack", "env", "box")
    assert "no Docker engine answers" in shown.stderr


def test_a_requirement_that_cannot_be_had_is_told_with_the_installers_words(run: Run, tmp_path: Path) -> None:
    files = {"requirements.txt": "--no-index\nnosuch==1.0\n", "actions/it.py": "print('no')\n"}
    write_files(tmp_path / "lacking", files)
    install(run, tmp_path, pack="lacking", entry_point="it.py")
    assert run("run", "action", "lacking.it").exit_code == 1
    error = json.loads(run("execution", "show", "1", "-j").stdout)["error"]
    assert (error["type"], "nosuch==1.0" in error["message"]) == ("environment_failed", True)
    assert docker("volume", "ls", "-q", "--filter", "label=attune.pack=lacking") == ""
