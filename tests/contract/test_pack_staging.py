from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from attune_cli.config import Home
from attune_cli.errors import AttuneError, NotFoundError, RunFailedError, UsageError
from attune_cli.runtime.packs import archives
from attune_cli.runtime.packs.repositories import without_password
from attune_cli.runtime.packs.staging import content_digest, forget_content, place, scratch_copy, staged
from tests.pack_files import write_files, write_pack

if TYPE_CHECKING:
    from pathlib import Path

MODE = 0o777


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def install(source: Path | str, home: Home, ref: str | None = None) -> Path:
    with staged(str(source), home, ref=ref) as pack:
        return place(pack, home, "demo")


def content(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode & MODE, path.read_text())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_folder_is_copied_with_modes_that_others_can_read(tmp_path: Path, home: Home) -> None:
    folder = write_pack(tmp_path)
    (folder / "actions/hello.yaml").chmod(0o600)
    write_files(folder, {".git/x": "", "__pycache__/x": "", ".venv/x": "", "node_modules/x": ""})
    placed = install(folder, home)
    assert {name: mode for name, (mode, _) in content(placed).items()} == {
        "actions/hello.sh": 0o755,
        "actions/hello.yaml": 0o644,
        "pack.yaml": 0o644,
    }
    assert placed.stat().st_mode & MODE == (placed / "actions").stat().st_mode & MODE == 0o755
    assert placed == home.packs / "demo" / content_digest(folder)


def test_the_digest_is_of_paths_modes_links_and_bytes(tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    digests = {content_digest(folder)}
    (folder / "actions/hello.yaml").chmod(0o755)
    digests.add(content_digest(folder))
    (folder / "link").symlink_to("pack.yaml")
    digests.add(content_digest(folder))
    (folder / "pack.yaml").write_text("ref: demo\nversion: 1.0.1\n")
    digests.add(content_digest(folder))
    (folder / "pack.yaml").rename(folder / "pack.yml")
    digests.add(content_digest(folder))
    assert len(digests) == 5
    write_files(folder, {".git/HEAD": "x"})
    assert content_digest(folder) in digests


def test_every_form_of_the_same_content_lands_in_the_same_place(tmp_path: Path, home: Home) -> None:
    folder = write_pack(tmp_path)
    subprocess.run(["tar", "czf", tmp_path / "a.tar.gz", "-C", tmp_path, "demo"], check=True)
    subprocess.run(["tar", "cf", tmp_path / "b.tar", "-C", folder, "."], check=True)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as file:
        for path in folder.rglob("*"):
            file.write(path, path.relative_to(folder))
    sources = [folder, tmp_path / "a.tar.gz", tmp_path / "b.tar", tmp_path / "c.zip"]
    assert len({install(source, home) for source in sources}) == 1
    assert sorted(path.name for path in home.packs.iterdir()) == ["demo"]


def test_links_within_a_pack_still_hold_in_the_copy(tmp_path: Path, home: Home) -> None:
    folder = write_pack(tmp_path)
    (folder / "lib").symlink_to(folder / "actions")
    (folder / "actions/again.sh").symlink_to("hello.sh")
    placed = install(folder, home)
    assert (placed / "lib").resolve() == (placed / "actions").resolve()
    assert str((placed / "actions/again.sh").readlink()) == "hello.sh"


def test_what_leaves_the_folder_is_not_copied(tmp_path: Path, home: Home) -> None:
    folder = write_pack(tmp_path)
    (folder / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    with pytest.raises(UsageError) as caught:
        install(folder, home)
    assert [detail.path for detail in caught.value.details] == ["passwd", "pipe"]
    assert list(home.packs.iterdir()) == []


def test_a_linked_pack_is_used_where_it_is(tmp_path: Path, home: Home) -> None:
    folder = write_pack(tmp_path)
    with staged(str(folder), home, link=True) as pack:
        assert place(pack, home, "demo") == folder
    assert not home.packs.exists()


def test_what_a_killed_command_left_is_removed_by_the_next(tmp_path: Path, home: Home) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    write_files(
        home.packs, {f".staging-{dead.pid}-x/content/a": "", f".staging-{os.getpid()}-y/content/a": ""}
    )
    install(write_pack(tmp_path), home)
    assert sorted(path.name for path in home.packs.iterdir()) == [f".staging-{os.getpid()}-y", "demo"]


def test_content_that_somebody_changed_is_brought_back(tmp_path: Path, home: Home) -> None:
    folder = write_pack(tmp_path)
    placed = install(folder, home)
    (placed / "actions/hello.sh").unlink()
    write_files(placed, {"output.txt": "left by an action"})
    assert install(folder, home) == placed
    assert content(placed).keys() == {"actions/hello.sh", "actions/hello.yaml", "pack.yaml"}


def test_content_that_something_still_names_is_kept(tmp_path: Path, home: Home) -> None:
    folder = write_pack(tmp_path)
    first = install(folder, home)
    (folder / "pack.yaml").write_text("ref: demo\nversion: 2.0.0\n")
    second = install(folder, home)
    forget_content(home, "demo", keep=frozenset({second.name}))
    assert (first.exists(), second.exists()) == (False, True)
    forget_content(home, "demo")
    assert not (home.packs / "demo").exists()


def test_a_scratch_copy_is_no_part_of_the_pack(tmp_path: Path, home: Home) -> None:
    folder = write_pack(tmp_path)
    with scratch_copy(folder, home) as copy:
        (copy / "new").write_text("x")
    assert not copy.exists()
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("gone", NotFoundError),
        ("empty", UsageError),
        ("two", UsageError),
        ("file.txt", UsageError),
    ],
)
def test_what_is_no_pack_is_told(tmp_path: Path, home: Home, source: str, error: type[AttuneError]) -> None:
    (tmp_path / "empty").mkdir()
    write_files(tmp_path, {"file.txt": "x"})
    write_pack(tmp_path / "two")
    write_pack(tmp_path / "two", ref="other")
    with pytest.raises(error):
        install(tmp_path / source, home)


# --- archives


def tar_of(path: Path, *members: tuple[str, bytes | str]) -> Path:
    """Write a tar; text instead of bytes makes a symbolic link."""
    with tarfile.open(path, "w:gz") as tar:
        for name, value in members:
            member = tarfile.TarInfo(name)
            if isinstance(value, str):
                member.type, member.linkname = tarfile.SYMTYPE, value
                tar.addfile(member)
            else:
                member.size = len(value)
                tar.addfile(member, io.BytesIO(value))
    return path


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("a", "/etc/passwd")], "'a' is a link or a device"),
        ([("a", b""), ("b", "a")], "'b' is a link or a device"),
        ([("../a", b"")], "'../a' leaves the folder"),
        ([("x/../../a", b"")], "leaves the folder"),
        ([("/a", b"")], "'/a' leaves the folder"),
        ([("C:a", b"")], "leaves the folder"),
        ([("a\\..\\b", b"")], "leaves the folder"),
        ([("a", b"x"), ("./a", b"y")], "is in it twice"),
    ],
)
def test_entries_that_could_land_outside_are_refused(
    tmp_path: Path, home: Home, members: list[tuple[str, bytes | str]], reason: str
) -> None:
    archive = tar_of(tmp_path / "bad.tar.gz", ("pack.yaml", b"x"), *members)
    with pytest.raises(UsageError, match="is refused") as caught:
        install(archive, home)
    assert reason in caught.value.message
    assert list(home.packs.iterdir()) == []


def test_links_in_a_zip_are_refused_and_modes_kept(tmp_path: Path, home: Home) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UsageError, match="link or a device"):
        install(tmp_path / "a.zip", home)


def test_bombs_are_refused_before_they_cost_much(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_ENTRIES", 20)
    monkeypatch.setattr(archives, "MAX_ENTRY_BYTES", 50_000)
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 100_000)
    monkeypatch.setattr(archives, "_MAX_STREAM_BYTES", 200_000)
    many = tar_of(tmp_path / "many.tar.gz", *((f"f{number}", b"") for number in range(21)))
    large = tar_of(tmp_path / "large.tar.gz", ("f", b"0" * 50_001))
    total = tar_of(tmp_path / "total.tar.gz", *((f"f{number}", b"0" * 40_000) for number in range(3)))
    for archive, reason in (
        (many, "more than 20 entries"),
        (large, "'f' is larger"),
        (total, "its content is larger"),
    ):
        with pytest.raises(UsageError, match="is refused") as caught:
            install(archive, home)
        assert reason in caught.value.message


def test_a_header_that_claims_a_gigabyte_is_not_read_whole(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MAX_STREAM_BYTES", 1_000_000)
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    with gzip.open(tmp_path / "long.tar.gz", "wb") as file:
        file.write(header.tobuf())
        file.write(b"a" * 5_000_000)
    with pytest.raises(UsageError, match="its content is larger"):
        install(tmp_path / "long.tar.gz", home)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.tar", "a.tar.xz", "a.tar.bz2", "a.tgz"])
@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8bbroken", b"\xfd7zXZ", b"BZh9", b"PK\x03\x04", b"x" * 1024]
)
def test_a_broken_archive_is_an_error_and_no_crash(
    tmp_path: Path, home: Home, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError):
        install(tmp_path / name, home)


# --- git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits; the first is tagged v1."""
    folder = write_pack(tmp_path)

    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip

    git("init", "--quiet", "--initial-branch=main")
    git("add", "--all")
    git("commit", "--quiet", "-m", "one")
    git("tag", "v1")
    write_files(folder, {"pack.yaml": "ref: demo\nversion: 2.0.0\n"})
    git("commit", "--quiet", "--all", "-m", "two")
    return folder


def version_of(folder: Path) -> str:
    return (folder / "pack.yaml").read_text().split()[-1]


def test_a_repository_gives_its_head_or_the_ref_asked_for(home: Home, repository: Path) -> None:
    url = f"file://{repository}"
    assert version_of(install(url, home)) == "2.0.0"
    assert version_of(install(url, home, ref="v1")) == "1.0.0"
    assert version_of(install(f"{url}#v1", home)) == "1.0.0"
    assert version_of(install(repository, home, ref="v1")) == "1.0.0"
    commit = subprocess.run(
        ["git", "rev-parse", "v1"], cwd=repository, check=True, capture_output=True, text=True
    )
    assert version_of(install(url, home, ref=commit.stdout.strip())) == "1.0.0"


def test_where_it_came_from_can_be_installed_again(home: Home, repository: Path) -> None:
    for source, ref in ((f"file://{repository}", "v1"), (str(repository), "v1"), (str(repository), None)):
        with staged(source, home, ref=ref) as pack:
            first = pack
        with staged(first.source, home) as again:
            assert (again.digest, again.source) == (first.digest, first.source)


def test_hooks_of_the_users_template_do_not_run(
    tmp_path: Path, home: Home, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = f"#!/bin/sh\ntouch {tmp_path}/ran\n"
    write_files(tmp_path / "template/hooks", {"post-checkout": hook})
    write_files(tmp_path, {"gitconfig": f"[core]\nhooksPath = {tmp_path}/template/hooks\n"})
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    install(f"file://{repository}", home)
    assert not (tmp_path / "ran").exists()


def test_git_says_what_is_wrong_and_never_a_password(home: Home, repository: Path) -> None:
    with pytest.raises(NotFoundError, match="remote ref nope"):
        install(f"file://{repository}", home, ref="nope")
    with pytest.raises(UsageError):
        install(f"file://{repository}", home, ref="--upload-pack=touch x")
    with pytest.raises(RunFailedError) as caught:
        install("http://user:s3cret@127.0.0.1:1/demo.git", home)
    assert "s3cret" not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:s3cret@host/x.git", "https://host/x.git"),
        ("https://t0ken@host/x.git", "https://host/x.git"),
        ("ssh://git:s3cret@host/x.git", "ssh://git@host/x.git"),
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("git@host:team/x.git", "git@host:team/x.git"),
    ],
)
def test_a_password_in_a_url_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_password_in_a_url_is_not_kept(home: Home, repository: Path) -> None:
    with staged(f"file://user:s3cret@localhost{repository}", home) as pack:
        assert pack.source == f"file://user@localhost{repository}"
