"""Where the home is, and where settings come from (cli.md 3.7)."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from attune_cli.config import (
    Configuration,
    Home,
    Settings,
    change_file,
    files,
    user_config_file,
    value_of,
)
from attune_cli.errors import NotFoundError, UsageError

MEBIBYTE = 1024 * 1024


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "user"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "deep/down").mkdir(parents=True)
    (folder / "attune.toml").touch()
    return folder


# --- the home


def test_the_option_beats_the_variable_and_the_variable_the_project(
    project: Path, environment: dict[str, str]
) -> None:
    environment["ATTUNE_HOME"] = "/variable"
    directory = project / "deep/down"
    assert Home.resolve(option=Path("/o"), directory=directory, environment=environment).path == Path("/o")
    assert Home.resolve(option=None, directory=directory, environment=environment).path == Path("/variable")
    environment["ATTUNE_HOME"] = ""
    assert Home.resolve(option=None, directory=directory, environment=environment).path == project / ".attune"


def test_the_nearest_project_upwards_counts(project: Path, environment: dict[str, str]) -> None:
    (project / "deep/attune.toml").touch()
    found = Home.resolve(option=None, directory=project / "deep/down", environment=environment)
    assert found.path == project / "deep/.attune"


def test_a_folder_named_attune_toml_is_no_project(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "attune.toml").mkdir()
    environment["XDG_DATA_HOME"] = "/data"
    assert Home.resolve(option=None, directory=tmp_path, environment=environment).path == Path("/data/attune")


def test_outside_a_project_the_users_data_folder_is_the_home(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    home = Home.resolve(option=None, directory=tmp_path, environment=environment)
    assert home.path.name == "attune"
    assert not home.path.exists()


def test_a_relative_xdg_folder_is_ignored_as_the_specification_says(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    environment["XDG_DATA_HOME"] = "relative"
    assert Home.resolve(option=None, directory=tmp_path, environment=environment).path.is_absolute()


def test_a_relative_home_is_made_absolute(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    environment["ATTUNE_HOME"] = "here"
    assert Home.resolve(option=None, directory=None, environment=environment).path == tmp_path / "here"


def test_a_directory_that_is_none_is_not_found(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(NotFoundError, match="no directory"):
        Home.resolve(option=None, directory=tmp_path / "nowhere", environment=environment)


def test_the_variable_names_the_project_too(project: Path, environment: dict[str, str]) -> None:
    environment["ATTUNE_PROJECT"] = str(project / "deep")
    assert Home.resolve(option=None, directory=None, environment=environment).path == project / ".attune"


# --- settings


def test_without_any_source_the_defaults_of_the_architecture_hold(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    configuration = Configuration.load(directory=tmp_path, environment=environment)
    settings = configuration.settings
    assert settings == Settings()
    assert (settings.slots, settings.timeout_seconds, settings.grace_seconds) == (10, 300, 5)
    assert settings.max_stdout_bytes == settings.max_stderr_bytes == 10 * MEBIBYTE
    assert settings.max_result_bytes == settings.max_parameters_bytes == MEBIBYTE
    assert set(configuration.origins.values()) == {"default"}


def test_every_setting_has_a_meaning_and_reads_its_own_default() -> None:
    for setting in fields(Settings):
        assert setting.metadata["help"]
        default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
        written = {} if setting.name == "roles" else default  # a table
        assert setting.metadata["read"](written) == setting.default


def test_the_stronger_source_wins_and_is_named(project: Path, environment: dict[str, str]) -> None:
    user = user_config_file(environment)
    user.parent.mkdir(parents=True)
    user.write_text('slots = 3\ncolor = "never"\ngrace_seconds = "1m30s"\n')
    (project / "attune.toml").write_text('slots = 4\nmax_stdout_bytes = "1MiB"\n')
    environment["ATTUNE_MAX_STDOUT_BYTES"] = "2MiB"
    configuration = Configuration.load(directory=project, environment=environment)
    assert configuration.settings == Settings(
        slots=4, color="never", grace_seconds=90, max_stdout_bytes=2 * MEBIBYTE
    )
    assert configuration.origins["slots"] == str(project / "attune.toml")
    assert configuration.origins["color"] == str(user)
    assert configuration.origins["max_stdout_bytes"] == "ATTUNE_MAX_STDOUT_BYTES"
    assert configuration.origins["output"] == "default"


def test_all_faults_of_all_sources_are_reported_together(project: Path, environment: dict[str, str]) -> None:
    (project / "attune.toml").write_text('slots = 4\nslotz = 5\n\ncolor = "pink"\n[output]\nx = 1\n')
    environment["ATTUNE_TIMEOUT_SECONDS"] = "soon"
    with pytest.raises(UsageError, match="the configuration is invalid") as caught:
        Configuration.load(directory=project, environment=environment)
    file = project / "attune.toml"
    assert [(detail.path, detail.message) for detail in caught.value.details] == [
        (f"{file}:2", "no setting 'slotz'; did you mean slots?"),
        (f"{file}:4", "color: expected one of auto, always, never, got 'pink'"),
        (f"{file}:5", "output: expected one of text, json, jsonl, yaml, csv, name, none, got {'x': 1}"),
        ("ATTUNE_TIMEOUT_SECONDS", "expected a duration such as 45s, 5m or 1h30m"),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("slots = 0", "at least 1"),
        ("slots = true", "at least 1"),
        ("slots = 1.5", "at least 1"),
        ("timeout_seconds = -1", "a duration"),
        ("timeout_seconds = true", "a duration"),
        ('max_stdout_bytes = "10 parsecs"', "a size"),
        ("max_stdout_bytes = 1.5", "a size"),
        ("environment_allow = [1]", "names"),
        ("output = 1", "one of"),
        ("nonsense", "Expected"),
    ],
)
def test_a_value_that_does_not_fit_is_a_fault(
    project: Path, environment: dict[str, str], line: str, complaint: str
) -> None:
    (project / "attune.toml").write_text(line)
    with pytest.raises(UsageError) as caught:
        Configuration.load(directory=project, environment=environment)
    assert complaint in caught.value.details[0].message


def test_a_file_that_is_not_text_is_a_fault(project: Path, environment: dict[str, str]) -> None:
    (project / "attune.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="invalid"):
        Configuration.load(directory=project, environment=environment)


def test_names_may_be_a_list_or_text_with_commas(project: Path, environment: dict[str, str]) -> None:
    (project / "attune.toml").write_text('environment_allow = ["A", "B"]')
    assert Configuration.load(directory=project, environment=environment).settings.environment_allow == (
        "A",
        "B",
    )
    environment["ATTUNE_ENVIRONMENT_ALLOW"] = "C, D,"
    assert Configuration.load(directory=project, environment=environment).settings.environment_allow == (
        "C",
        "D",
    )


def test_the_files_are_listed_strongest_first(
    project: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert list(files(directory=project, environment=environment)) == ["project", "user", "machine"]
    assert list(files(directory=tmp_path, environment=environment)) == ["user", "machine"]


def test_changing_a_file_through_a_link_changes_what_it_points_to(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "link.toml"
    real.write_text("# mine\n")
    link.symlink_to(real)
    assert change_file(link, "slots", 3) is True
    assert link.is_symlink()
    assert real.read_text() == "# mine\nslots = 3\n"
    assert change_file(link, "slots", 3) is False
    assert change_file(link, "nothing", None) is False


def test_roles_are_a_table_of_names_and_one_of_them_can_be_set(
    project: Path, environment: dict[str, str]
) -> None:
    file = project / "attune.toml"
    file.write_text('slots = 4\n[roles]\nops = ["anna", "ben"]\n')
    change_file(file, "roles.dev", ["carl"])
    settings = Configuration.load(directory=project, environment=environment).settings
    assert dict(settings.roles) == {"ops": ("anna", "ben"), "dev": ("carl",)}
    assert value_of(settings, "roles.ops") == ("anna", "ben")
    change_file(file, "roles.ops", None)
    environment["ATTUNE_ROLES"] = "night=dora;day=anna,ben"
    settings = Configuration.load(directory=project, environment=environment).settings
    assert dict(settings.roles) == {"night": ("dora",), "day": ("anna", "ben")}
    with pytest.raises(NotFoundError, match=r"no setting 'roles.ops'"):
        value_of(settings, "roles.ops")


def test_a_role_that_is_no_list_of_names_is_named_with_its_file(
    project: Path, environment: dict[str, str]
) -> None:
    (project / "attune.toml").write_text("[roles]\nops = 3\n")
    with pytest.raises(UsageError) as caught:
        Configuration.load(directory=project, environment=environment)
    assert "roles: expected names" in caught.value.details[0].message
