"""Stories of who runs an action in its container: root only where the machine allows it, whatever root is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.docker_engine import image
from tests.e2e.container_story import install
from tests.e2e.story import show
from tests.pack_files import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("no_container_is_left")

PASSWD = """\
root:x:0:0::/:
boss:x:0:0::/:
vague:x:zero:0::/:
ada:x:1000:1000::/:
"""


def build(run: Run, folder: Path, users: str, **keys: Any) -> None:
    """Install `box.it`, which tells who runs it, with an image that knows more users."""
    write_files(
        folder / "box",
        {"image/Dockerfile": f"FROM {image()}\nCOPY passwd /etc/passwd\n{users}", "image/passwd": PASSWD},
    )
    install(run, folder, "id -u", image=None, build="image", **keys)


@pytest.fixture(autouse=True)
def _no_image_is_left(run: Run) -> Iterator[None]:
    yield
    run("pack", "env", "box", "delete")


@pytest.mark.parametrize("user", ["boss", "vague:5"])
def test_a_user_whom_the_image_makes_root_is_refused_as_root_is(run: Run, tmp_path: Path, user: str) -> None:
    build(run, tmp_path, "", user=user)
    done = run("run", "action", "box.it")
    assert (done.exit_code, done.stdout) == (1, ""), done.stderr
    error = show(run, "1")["error"]
    assert error["type"] == "container_refused"
    assert user.partition(":")[0] in error["message"]
    assert "setting container_root" in error["message"]
    run("config", "set", "container_root", "true")
    assert run("run", "action", "box.it").stdout == "0\n"


@pytest.mark.parametrize(
    ("users", "number"), [("USER boss\n", "65534"), ("USER +0\n", "65534"), ("USER ada\n", "1000")]
)
def test_an_images_own_user_is_kept_unless_that_is_root(
    run: Run, tmp_path: Path, users: str, number: str
) -> None:
    build(run, tmp_path, users)
    done = run("run", "action", "box.it")
    assert done.stdout == f"{number}\n", done.stderr


def test_a_user_is_kept_by_name(run: Run, tmp_path: Path) -> None:
    build(run, tmp_path, "", user="ada")
    assert run("run", "action", "box.it").stdout == "1000\n"
