from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from attune_cli.config import Home
from attune_cli.errors import AttuneError, NotFoundError, RunFailedError
from attune_cli.runtime.model.actions import RuntimeDefinition, RuntimeVersion
from attune_cli.runtime.model.versions import parse_runtime_constraint
from attune_cli.runtime.packs import toolchain as toolchains
from attune_cli.runtime.packs.environments import (
    MARKER,
    build_environment,
    delete_environments,
    environments_of,
)
from attune_cli.runtime.packs.interpreters import Interpreters, choose
from attune_cli.runtime.packs.source import core_pack_folder, read_pack
from attune_cli.runtime.packs.toolchain import Toolchain, toolchain_for
from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.packs.environments import Environment

CORE = {runtime.ref: runtime for runtime in read_pack(core_pack_folder()).of(RuntimeDefinition)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def interpreters(home: Home) -> Interpreters:
    home.environments.mkdir(parents=True)
    return Interpreters(home.environments / "interpreters.json")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack whose only requirement is a package that lies beside it."""
    wheel = tmp_path / "wheels" / "sprinkler-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("sprinkler.py", "FLOW = 42\n")
        file.writestr(
            "sprinkler-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: sprinkler\nVersion: 1.0\n"
        )
        file.writestr(
            "sprinkler-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("sprinkler-1.0.dist-info/RECORD", "")
    return write_files(tmp_path / "green-house", {"requirements.txt": f"{wheel}\n", "lib/tools.py": ""})


def resolve(home: Home, interpreters: Interpreters, pack: Path, runtime: str = "core.python") -> Toolchain:
    return toolchain_for(home, interpreters, CORE[runtime], pack_ref="green-house", pack_folder=pack)


def environment_of(
    home: Home, interpreters: Interpreters, pack: Path, runtime: str = "core.python"
) -> Environment:
    environment = resolve(home, interpreters, pack, runtime).environment
    assert environment is not None
    return environment


@pytest.mark.parametrize("with_uv", [True, False])
def test_a_packs_requirements_are_importable_in_its_environment_alone(
    home: Home, interpreters: Interpreters, pack: Path, monkeypatch: pytest.MonkeyPatch, *, with_uv: bool
) -> None:
    if not with_uv:
        monkeypatch.setattr(toolchains, "_uv", lambda: None)
    elif toolchains._uv() is None:
        pytest.skip("uv is not here")
    toolchain = resolve(home, interpreters, pack)
    environment = toolchain.environment
    assert environment is not None
    assert not environment.is_ready
    said: list[str] = []
    build_environment(environment, report=said.append)
    assert environment.is_ready
    assert said == ["building the environment of green-house (core.python)"]
    program = "import sprinkler, tools; print(sprinkler.FLOW)"
    done = subprocess.run(
        [*toolchain.interpreter, "-c", program],
        env=toolchain.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "42\n"
    assert environment.folder.name.startswith("green-house-python-")


def test_a_pack_without_a_manifest_needs_no_environment(
    home: Home, interpreters: Interpreters, tmp_path: Path
) -> None:
    toolchain = resolve(home, interpreters, tmp_path)
    assert toolchain.environment is None
    assert toolchain.variables == {"PYTHONPATH": f"{tmp_path}/lib"}
    assert resolve(home, interpreters, tmp_path, "core.nodejs").variables == {}
    native = resolve(home, interpreters, tmp_path, "core.native")
    assert native.command("/x/tool") == ("/x/tool",)


def test_another_manifest_is_another_environment_and_the_same_one_is_not(
    home: Home, interpreters: Interpreters, pack: Path
) -> None:
    first = environment_of(home, interpreters, pack)
    assert environment_of(home, interpreters, pack).folder == first.folder
    (pack / "requirements.txt").write_text("# nothing\n")
    assert environment_of(home, interpreters, pack).folder != first.folder


def test_builders_of_one_environment_wait_for_each_other(
    home: Home, interpreters: Interpreters, tmp_path: Path, pack: Path
) -> None:
    environment = replace(
        environment_of(home, interpreters, pack),
        commands=(("sh", "-c", f"echo built >> {tmp_path}/builds; mkdir -p $0; sleep 0.1", "x"),),
    )
    threads = [threading.Thread(target=build_environment, args=(environment,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "builds").read_text() == "built\n"


def test_a_failed_build_says_what_the_installer_said_and_leaves_nothing_that_looks_ready(
    home: Home, interpreters: Interpreters, pack: Path
) -> None:
    (pack / "requirements.txt").write_text("./gone\n")
    environment = environment_of(home, interpreters, pack)
    with pytest.raises(RunFailedError) as caught:
        build_environment(environment)
    assert "gone" in " ".join(detail.message for detail in caught.value.details)
    assert caught.value.hint == "attune pack env green-house build"
    assert not environment.folder.exists()
    assert environment.log.exists()


def test_an_environment_without_its_marker_is_built_again(
    home: Home, interpreters: Interpreters, pack: Path
) -> None:
    environment = replace(environment_of(home, interpreters, pack), commands=(("true",),))
    write_files(environment.folder, {"half": "built"})
    assert not environment.is_ready
    build_environment(environment)
    assert sorted(path.name for path in environment.folder.iterdir()) == [MARKER]


def test_an_installer_gets_its_settings_and_none_of_the_callers_secrets(
    home: Home, interpreters: Interpreters, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    monkeypatch.setenv("PIP_TIMEOUT", "9")
    environment = environment_of(home, interpreters, pack)
    build_environment(replace(environment, commands=(("sh", "-c", f"env > {tmp_path}/seen"),)))
    seen = (tmp_path / "seen").read_text()
    assert "PIP_TIMEOUT=9" in seen
    assert "s3cret" not in seen


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not here")
def test_a_package_json_is_installed_inside_the_environment(
    home: Home, interpreters: Interpreters, tmp_path: Path
) -> None:
    dependency = write_files(
        tmp_path / "valve",
        {"package.json": '{"name": "valve", "version": "1.0.0"}', "index.js": "module.exports = 7;"},
    )
    manifest = {"name": "x", "version": "1.0.0", "dependencies": {"valve": f"file:{dependency}"}}
    pack = write_files(tmp_path / "pack", {"package.json": json.dumps(manifest)})
    toolchain = resolve(home, interpreters, pack, "core.nodejs")
    assert toolchain.environment is not None
    build_environment(toolchain.environment)
    done = subprocess.run(
        [*toolchain.interpreter, "-e", "console.log(require('valve'))"],
        env=toolchain.variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "7\n"
    assert not (pack / "node_modules").exists()


def test_environments_of_a_pack_are_found_and_deleted_and_those_of_its_namesakes_kept(home: Home) -> None:
    for name in ("a-python-1", "a-b-python-1", "a-nodejs-2"):
        write_files(home.environments, {f"{name}/{MARKER}": "", f"{name}.lock": "", f"{name}.log": ""})
    assert [path.name for path in environments_of(home, "a")] == ["a-nodejs-2", "a-python-1"]
    delete_environments(home, "a")
    assert [path.name for path in environments_of(home, "a-b")] == ["a-b-python-1"]
    assert environments_of(home, "a") == []


# --- interpreters


def shim(folder: Path, name: str, body: str) -> Path:
    write_files(folder, {name: f"#!/bin/sh\necho x >> {folder}.asked\n{body}\n"})
    return folder


def test_a_shim_is_asked_once_and_the_real_interpreter_remembered(tmp_path: Path) -> None:
    folder = shim(tmp_path / "shims", "python3", f'exec {sys.executable} "$@"')
    path = f"{folder}:/usr/bin:/bin"
    found = [Interpreters(tmp_path / "cache.json", search_path=path).resolve("python3") for _ in range(3)]
    assert {interpreter and interpreter.path for interpreter in found} == {sys.executable}
    assert folder.with_name("shims.asked").read_text() == "x\n"


def test_a_shim_without_an_interpreter_is_remembered_too_until_something_changes(tmp_path: Path) -> None:
    folder = shim(tmp_path / "shims", "python3.99", "exit 127")
    for _ in range(3):
        interpreters = Interpreters(tmp_path / "cache.json", search_path=f"{folder}:/usr/bin:/bin")
        assert interpreters.resolve("python3.99") is None
    assert folder.with_name("shims.asked").read_text() == "x\n"
    shim(folder, "python3.99", f'exec {sys.executable} "$@"')
    interpreters = Interpreters(tmp_path / "cache.json", search_path=f"{folder}:/usr/bin:/bin")
    assert interpreters.resolve("python3.99") is not None


def test_looking_for_an_interpreter_creates_no_home(home: Home) -> None:
    assert Interpreters(home.environments / "interpreters.json").resolve("python3") is not None
    assert not home.path.exists()


def test_a_broken_cache_is_no_more_than_a_probe(tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text("[")
    assert Interpreters(tmp_path / "cache.json").resolve("python3") is not None
    unwritable = Interpreters(tmp_path / "cache.json" / "below" / "a.json")
    assert unwritable.resolve("python3") is not None


def lua(folder: Path, *versions: tuple[str, bool]) -> RuntimeDefinition:
    """A runtime whose interpreters print their version."""
    for version, _ in versions:
        write_files(folder, {f"lua{version}": f"#!/bin/sh\necho Lua {version}.4\n"})
    commands = [
        {"binary": f"lua{version}", "args": ["-v"], "pattern": r"Lua (\S+)"} for version, _ in versions
    ]
    return RuntimeDefinition(
        ref="demo.lua",
        pack_ref="demo",
        distributions={"verification": {"commands": commands}},
        execution_config={"interpreter": {"binary": "lua"}},
        versions=tuple(
            RuntimeVersion(
                version=version,
                is_default=default,
                execution_config={"interpreter": {"binary": f"lua{version}", "args": ["-v"]}},
            )
            for version, default in versions
        ),
    )


@pytest.mark.parametrize(
    ("constraint", "chosen"),
    [("", "lua5.2"), ("5.1", "lua5.1"), (">=5.1", "lua5.3"), ("<5.3", "lua5.2"), ("=5.1.4", "lua5.1")],
)
def test_the_highest_version_that_fits_is_chosen(tmp_path: Path, constraint: str, chosen: str) -> None:
    runtime = lua(tmp_path, ("5.1", False), ("5.3", False), ("5.2", True))
    interpreters = Interpreters(tmp_path / "cache.json", search_path=f"{tmp_path}:/bin")
    interpreter = choose(runtime, parse_runtime_constraint(constraint), interpreters).interpreter
    assert interpreter is not None
    assert interpreter.path == str(tmp_path / chosen)


def test_the_default_version_gives_way_to_what_is_there(tmp_path: Path) -> None:
    runtime = lua(tmp_path, ("5.1", False), ("5.2", True))
    (tmp_path / "lua5.2").unlink()
    interpreters = Interpreters(tmp_path / "cache.json", search_path=f"{tmp_path}:/bin")
    interpreter = choose(runtime, None, interpreters).interpreter
    assert interpreter is not None
    assert interpreter.path == str(tmp_path / "lua5.1")


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ("9", "no interpreter for runtime demo.lua fits '9': found 5.1.4"),
        (None, "no interpreter for runtime demo.lua: lua, lua5.1 is not on PATH"),
    ],
)
def test_an_interpreter_that_is_not_there_is_named(
    tmp_path: Path, constraint: str | None, message: str
) -> None:
    runtime = lua(tmp_path, ("5.1", False))
    if constraint is None:
        (tmp_path / "lua5.1").unlink()
    interpreters = Interpreters(tmp_path / "cache.json", search_path=f"{tmp_path}:/bin")
    with pytest.raises(NotFoundError) as caught:
        choose(runtime, parse_runtime_constraint(constraint) if constraint else None, interpreters)
    assert caught.value.message == message


def test_variables_and_places_are_filled_in(tmp_path: Path, home: Home, interpreters: Interpreters) -> None:
    runtime = RuntimeDefinition(
        ref="demo.x",
        pack_ref="demo",
        execution_config={
            "interpreter": {"binary": "sh", "args": ["-c", ". {action_file}", "{pack_dir}"]},
            "env_vars": {
                "A": "{pack_dir}/a",
                "B": {"value": "b", "operation": "prepend"},
                "C": {"value": "c", "operation": "append", "separator": ";"},
                "D": {"value": "d", "operation": "append"},
                "E": "{env_dir}/e",
            },
        },
    )
    toolchain = toolchain_for(
        home, interpreters, runtime, pack_ref="demo", pack_folder=tmp_path, variables={"B": "1", "C": "2"}
    )
    assert toolchain.variables == {"A": f"{tmp_path}/a", "B": "b:1", "C": "2;c", "D": "d"}
    assert toolchain.command("x.sh")[1:] == ("-c", ". x.sh", str(tmp_path))


def test_a_manifest_that_leaves_the_pack_is_not_installed(
    tmp_path: Path, home: Home, interpreters: Interpreters
) -> None:
    write_files(tmp_path, {"outside.txt": "six\n", "pack/x": ""})
    (tmp_path / "pack/requirements.txt").symlink_to(tmp_path / "outside.txt")
    assert resolve(home, interpreters, tmp_path / "pack").environment is None


def test_an_installer_that_is_not_there_is_told(home: Home, interpreters: Interpreters, pack: Path) -> None:
    environment = replace(environment_of(home, interpreters, pack), commands=(("no-such-installer",),))
    with pytest.raises(AttuneError, match="no-such-installer cannot be started"):
        build_environment(environment)
