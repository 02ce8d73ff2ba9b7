from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from attune_cli.runtime.clock import parse_rfc3339
from tests.pack_files import ACTION, GREENHOUSE, MANIFEST, write_files, write_pack

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run, Terminal

TESTED = MANIFEST + "testing: {discovery: {}, runners: {checks: {entry_point: tests/run.sh}}}\n"
CONFIGURED = (
    MANIFEST + "conf_schema: {url: {type: string, required: true}, token: {type: string, secret: true}}\n"
)


def document(text: str) -> Any:
    return json.loads(text)


def last_error(stderr: str) -> Any:
    return json.loads(stderr.splitlines()[-1])["error"]


@pytest.fixture
def demo(home: Home) -> Path:
    """A small pack in the current folder."""
    del home
    return write_pack(Path())


# --- install


def test_a_pack_is_installed_listed_shown_and_run(run: Run, demo: Path) -> None:
    result = run("pack", "install", str(demo), "-j")
    assert result.exit_code == 0
    (record,) = document(result.stdout)
    assert (record["kind"], record["ref"], record["version"], record["before"]) == (
        "pack",
        "demo",
        "1.0.0",
        None,
    )
    assert result.stderr == "pack demo 1.0.0 installed\n"
    assert run("pack", "list", "-q").stdout == "core\ndemo\n"
    shown = document(run("pack", "show", "demo", "-j").stdout)
    assert shown["contents"] == {"action": ["demo.hello"]}
    assert shown["source"] == str(demo.resolve())
    assert run("run", "action", "demo.hello").stdout == "hello\n"


def test_the_example_pack_is_installed_whole(run: Run) -> None:
    folder = write_files(Path("greenhouse"), GREENHOUSE)
    assert run("pack", "install", str(folder)).exit_code == 0
    counts = document(run("pack", "list", "-j").stdout)[1]["counts"]
    assert counts == {
        **dict.fromkeys(("permission_set", "runtime", "trigger", "queue", "rule", "sensor", "policy"), 1),
        "action": 3,
        "workflow": 2,
    }


def test_a_second_install_needs_to_be_an_upgrade(run: Run, demo: Path) -> None:
    run("pack", "install", str(demo))
    refused = run("pack", "install", str(demo))
    assert refused.exit_code == 5
    assert "--upgrade" in refused.stderr
    write_files(demo, {"pack.yaml": MANIFEST.replace("1.0.0", "1.1.0")})
    result = run("pack", "install", str(demo), "--upgrade")
    assert (result.exit_code, result.stderr) == (0, "pack demo 1.1.0 installed, was 1.0.0\n")


def test_pack_upgrade_goes_back_to_the_source(run: Run, demo: Path) -> None:
    run("pack", "install", str(demo))
    write_files(demo, {"pack.yaml": MANIFEST.replace("1.0.0", "2.0.0")})
    (record,) = document(run("pack", "upgrade", "demo", "-j").stdout)
    assert (record["before"], record["version"]) == ("1.0.0", "2.0.0")
    assert run("pack", "upgrade", "--all", "-q").stdout == "demo\n"
    assert run("pack", "upgrade", "core", "-q").stdout == "core\n"
    assert run("pack", "upgrade").exit_code == 2
    shutil.rmtree(demo)
    assert run("pack", "upgrade", "demo").exit_code == 3


def test_a_linked_pack_runs_what_its_folder_holds_now(run: Run, demo: Path, home: Home) -> None:
    assert run("pack", "register", str(demo)).exit_code == 0
    write_files(demo, {"actions/hello.sh": "#!/bin/sh\necho changed\n"})
    assert run("run", "action", "demo.hello").stdout == "changed\n"
    assert not (home.packs / "demo").exists()
    shutil.rmtree(demo)
    assert document(run("pack", "list", "-j").stdout)[1]["state"] == "link broken"


def test_what_is_written_in_a_linked_pack_counts_at_once(run: Run, demo: Path) -> None:
    assert run("pack", "install", "demo", "--link").exit_code == 0
    action = "ref: demo.fresh\nentry_point: echo fresh\nrunner_type: shell\n"
    write_files(demo, {"actions/fresh.yaml": action})
    result = run("run", "action", "demo.fresh")
    assert (result.exit_code, result.stdout) == (0, "fresh\n")
    assert "demo was read again" in result.stderr
    assert run("action", "list").exit_code == 0  # a stamp as young as the reading has it read once more
    assert "read again" not in run("run", "action", "demo.fresh").stderr
    write_files(demo, {"actions/fresh.yaml": action.replace("fresh\nrunner", "edited\nrunner")})
    assert run("run", "action", "demo.fresh").stdout == "edited\n"
    (demo / "actions" / "fresh.yaml").unlink()
    assert "demo.fresh" not in run("action", "list").stdout
    assert run("run", "action", "demo.fresh").exit_code == 3


def test_what_a_coarse_clock_stamps_as_a_little_older_than_the_reading_counts_too(
    run: Run, demo: Path
) -> None:
    action = "ref: demo.hello\nentry_point: echo {}\nrunner_type: shell\n"
    write_files(demo, {"actions/hello.yaml": action.format("old")})
    assert run("pack", "install", "demo", "--link").exit_code == 0
    read = parse_rfc3339(document(run("pack", "show", "demo", "-j").stdout)["updated"])
    write_files(demo, {"actions/hello.yaml": action.format("new")})
    stamp = (read - 5_000) * 1000
    for path in (demo, *demo.rglob("*")):
        os.utime(path, ns=(stamp, stamp))
    assert run("run", "action", "demo.hello").stdout == "new\n"


def test_rules_and_triggers_written_in_a_linked_pack_show_at_once(run: Run, demo: Path) -> None:
    assert run("pack", "install", "demo", "--link").exit_code == 0
    write_files(demo, {"triggers/rain.yaml": "ref: demo.rain\nlabel: Rain\n"})
    assert "demo.rain" in run("trigger", "list").stdout
    write_files(demo, {"triggers/rain.yaml": "ref: demo.rain\nlabel: Much rain\n"})
    assert run("trigger", "show", "demo.rain", "--field", "label").stdout == "Much rain\n"
    rule = "ref: demo.shut\ntrigger_ref: demo.rain\naction_ref: demo.hello\n"
    write_files(demo, {"rules/shut.yaml": f"{rule}label: Shut\n"})
    assert "demo.shut" in run("rule", "list").stdout
    write_files(demo, {"rules/shut.yaml": f"{rule}label: Shut it\n"})
    assert run("rule", "show", "demo.shut", "--field", "label").stdout == "Shut it\n"
    write_files(demo, {"rules/open.yaml": rule.replace("shut", "open")})
    assert "demo.open" in str(document(run("pack", "show", "demo", "-j").stdout)["contents"])


def test_a_fault_written_in_a_linked_pack_is_told_and_leaves_what_was_known(run: Run, demo: Path) -> None:
    assert run("pack", "install", "demo", "--link").exit_code == 0
    write_files(demo, {"actions/bad.yaml": "ref: demo.bad\nentry_point: gone.sh\nlabl: x\n"})
    refused = run("run", "action", "demo.hello", "-j")
    assert refused.exit_code == 2
    assert [detail["path"] for detail in last_error(refused.stderr)["details"]] == [
        f"{demo.resolve()}/actions/bad.yaml:2:14"
    ]
    listed = run("action", "list", "-q")
    assert "demo.hello" in listed.stdout
    assert "bad.yaml:2:14" in listed.stderr
    assert "labl" not in listed.stderr
    assert run("run", "action", "core.noop").exit_code == 0
    (demo / "actions" / "bad.yaml").unlink()
    assert run("run", "action", "demo.hello").exit_code == 0


def test_a_faulty_pack_is_refused_whole_with_every_place(run: Run, demo: Path) -> None:
    write_files(
        demo, {"actions/bad.yaml": "ref: bad\nentry_point: gone.sh\nlabl: x\n", "triggers/t.yaml": "ref: ["}
    )
    result = run("pack", "install", "demo", "-j")
    assert (result.exit_code, result.stdout) == (2, "")
    error = last_error(result.stderr)
    assert error["code"] == "pack_faulty"
    assert [detail["path"] for detail in error["details"]] == [
        f"{demo.resolve()}/actions/bad.yaml:2:14",
        f"{demo.resolve()}/triggers/t.yaml:2:1",
    ]
    assert run("pack", "list", "-q").stdout == "core\n"


def test_a_pack_without_a_ref_is_called_as_its_folder(run: Run) -> None:
    write_files(Path("orchard"), {"pack.yaml": "ref: O\nversion: 1.0.0\n"})
    assert "error: pack 'orchard' has " in run("pack", "install", "orchard").stderr


def test_unknown_keys_are_warnings_with_their_place_and_errors_for_the_strict(run: Run, demo: Path) -> None:
    write_files(demo, {"actions/hello.yaml": ACTION + "labl: x\n"})
    place = f"{demo.resolve()}/actions/hello.yaml:3:1: unknown key 'labl' (did you mean label?)"
    assert run("pack", "install", "demo", "--strict").exit_code == 2
    result = run("pack", "install", "demo")
    assert result.exit_code == 0
    assert f"warning: {place}\n" in result.stderr


def test_lenient_leaves_out_what_cannot_be_read_and_says_so(run: Run, demo: Path) -> None:
    write_files(
        demo, {"actions/bad.yaml": "ref: bad\n", "triggers/t.yaml": "ref: [", "triggers/u.yaml": "ref: u\n"}
    )
    result = run("pack", "install", "demo", "--lenient")
    assert result.exit_code == 0
    assert "skipped: " in result.stderr
    (left_out,) = (
        line for line in result.stderr.splitlines() if line.startswith("left out of demo: demo.bad, ")
    )
    assert left_out.endswith("demo/triggers/t.yaml")
    assert document(run("pack", "show", "demo", "-j").stdout)["contents"] == {
        "action": ["demo.hello"],
        "trigger": ["demo.u"],
    }
    write_files(demo, {"pack.yaml": "ref: demo\nversion: x\n"})
    assert run("pack", "install", "demo", "--lenient", "--upgrade").exit_code == 2


def test_lenient_leaves_out_rules_that_do_not_fit_what_is_installed(run: Run, demo: Path) -> None:
    good = "ref: demo.good\ntrigger_ref: core.alert\naction_ref: demo.hello\n"
    bad = good.replace("good", "bad").replace("demo.hello", "core.sleep") + "action_params: {seconds: x}\n"
    write_files(demo, {"rules/good.yaml": good, "rules/bad.yaml": bad})
    assert run("pack", "install", "demo").exit_code == 2
    result = run("pack", "install", "demo", "--lenient")
    assert result.exit_code == 0, result.stderr
    assert "skipped: " in result.stderr
    assert "demo/rules/bad.yaml:4:26: 'action_params.seconds'" in result.stderr
    assert run("rule", "list", "-q").stdout == "demo.good\n"


def test_failing_tests_keep_a_pack_out_unless_they_are_skipped(run: Run, demo: Path) -> None:
    write_files(demo, {"pack.yaml": TESTED, "tests/run.sh": "touch written; exit 3\n"})
    result = run("pack", "install", "demo", "-j")
    assert (result.exit_code, result.stdout) == (1, "")
    assert last_error(result.stderr)["details"] == [{"path": "checks", "message": "ended with exit code 3"}]
    assert not (demo / "written").exists()
    assert run("pack", "install", "demo", "--no-test").exit_code == 0


def test_what_a_test_writes_is_no_part_of_the_pack(run: Run, demo: Path, home: Home) -> None:
    write_files(demo, {"pack.yaml": TESTED, "tests/run.sh": "echo x > written\n"})
    assert run("pack", "install", "demo").exit_code == 0
    (content,) = (home.packs / "demo").iterdir()
    assert not (content / "written").exists()


def test_missing_packs_and_runtimes_are_named_and_can_be_passed_over(run: Run, demo: Path) -> None:
    write_files(demo, {"pack.yaml": MANIFEST + "dependencies: [gone]\n"})
    assert run("pack", "install", "demo").exit_code == 3
    write_files(demo, {"pack.yaml": MANIFEST + "runtime_deps: ['python3>=99']\n"})
    result = run("pack", "install", "demo")
    assert result.exit_code == 3
    assert "python3>=99" in result.stderr
    assert run("pack", "install", "demo", "--no-deps").exit_code == 0


def test_an_archive_and_a_repository_are_installed(run: Run, demo: Path) -> None:
    subprocess.run(["tar", "czf", "demo.tar.gz", "demo"], check=True)
    assert run("pack", "install", "demo.tar.gz").exit_code == 0
    git = ["git", "-C", str(demo), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["tag", "v1"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    url = f"file://{demo.resolve()}"
    assert run("pack", "install", url, "--ref-spec", "v1", "--upgrade").exit_code == 0
    assert document(run("pack", "show", "demo", "-j").stdout)["source"] == f"{url}#v1"
    assert run("pack", "install", url, "--ref", "v2", "--upgrade").exit_code == 3


def test_several_packs_go_in_until_one_cannot(run: Run, demo: Path) -> None:
    other = write_pack(Path(), ref="other")
    result = run("pack", "install", str(demo), "gone", str(other), "-q")
    assert (result.exit_code, result.stdout) == (3, "demo\n")


def test_a_dry_run_changes_nothing(run: Run, demo: Path) -> None:
    result = run("pack", "install", str(demo), "-n")
    assert (result.exit_code, result.stderr) == (0, "would install pack demo 1.0.0\n")
    run("pack", "install", str(demo))
    assert run("pack", "uninstall", "demo", "-n").exit_code == 0
    assert run("action", "disable", "demo.hello", "-n").stderr == "would disable demo.hello\n"
    assert run("pack", "new", "fresh", "-n").exit_code == 0
    assert not Path("fresh").exists()
    assert run("pack", "list", "-q").stdout == "core\ndemo\n"
    assert run("run", "action", "demo.hello").exit_code == 0


# --- uninstall


def test_uninstalling_asks_for_the_name(run: Run, terminal: Terminal, demo: Path, home: Home) -> None:
    run("pack", "install", str(demo))
    assert run("pack", "uninstall", "demo").exit_code == 2
    assert run("pack", "uninstall", "demo", "--confirm", "other").exit_code == 2
    declined = terminal("pack", "uninstall", "demo", typed="y\n")
    assert declined.exit_code == 130
    assert run("pack", "list", "-q").stdout == "core\ndemo\n"
    accepted = terminal("pack", "uninstall", "demo", typed="demo\n")
    assert accepted.exit_code == 0
    assert run("pack", "list", "-q").stdout == "core\n"
    assert not (home.packs / "demo").exists()


def test_what_is_not_installed_cannot_go_and_core_never_goes(run: Run, demo: Path) -> None:
    run("pack", "install", str(demo))
    unknown = run("pack", "uninstall", "demp", "-y")
    assert (unknown.exit_code, "did you mean demo?" in unknown.stderr) == (3, True)
    assert run("pack", "uninstall", "core", "--confirm", "core").exit_code == 5
    assert document(run("pack", "uninstall", "demo", "-y", "-j").stdout) == {"deleted": ["demo"]}


# --- list


def test_lists_have_pages_counts_and_an_order(run: Run) -> None:
    for ref in ("bb", "cc", "dd"):
        run("pack", "install", str(write_pack(Path(), ref=ref)))
    assert run("pack", "list", "--count").stdout == "4\n"
    page = run("pack", "list", "-l", "2", "-q")
    assert page.stdout == "bb\ncc\n"
    assert "--after cc" in run("pack", "list", "-l", "2").stderr
    assert run("pack", "list", "--after", "cc", "-q").stdout == "core\ndd\n"
    assert run("pack", "list", "--sort", "id", "--reverse", "-q").stdout == "dd\ncc\nbb\ncore\n"
    assert run("pack", "list", "--sort", "colour").exit_code == 2
    assert run("pack", "list", "--after", "z", "--fail-empty").exit_code == 3


def test_looking_creates_nothing(run: Run, home: Home) -> None:
    assert run("pack", "list", "-q").stdout == "core\n"
    assert run("pack", "show", "core").exit_code == 0
    assert run("pack", "show", "nope").exit_code == 3
    assert run("pack", "env", "core").exit_code == 0
    assert run("pack", "config", "core").exit_code == 0
    assert run("action", "search", "echo").exit_code == 0
    assert not home.path.exists()


# --- new, validate, test


@pytest.mark.parametrize("language", ["shell", "python", "node"])
def test_a_new_pack_is_valid_tested_and_runs(run: Run, language: str) -> None:
    if language == "node" and shutil.which("node") is None:
        pytest.skip("node is not here")
    result = run("pack", "new", "fresh", "--lang", language, "-j")
    assert result.exit_code == 0
    assert all(Path(file).is_file() for file in document(result.stdout)["files"])
    assert run("pack", "validate", "fresh", "--strict").exit_code == 0
    assert run("pack", "install", "fresh", "--link").exit_code == 0
    assert run("pack", "test", "fresh").stdout.split("\t")[:5] == ["fresh", "passed", "1", "1", "0"]
    assert "Hello, Ada!" in run("run", "action", "fresh.hello", "name=Ada").stdout
    assert run("action", "new", "fresh.second", "--dir", "fresh", "--lang", language).exit_code == 0
    assert run("validate", "fresh", "--strict").exit_code == 0


def test_a_new_pack_overwrites_nothing(run: Run, demo: Path) -> None:
    before = (demo / "pack.yaml").read_text()
    assert run("pack", "new", "demo").exit_code == 5
    assert (demo / "pack.yaml").read_text() == before
    assert run("pack", "new", "Bad").exit_code == 2
    assert run("pack", "new", "fresh", "--lang", "cobol").exit_code == 2


def test_findings_are_lines_with_their_place_or_records(run: Run, demo: Path) -> None:
    write_files(demo, {"actions/hello.yaml": ACTION + "timeout: soon\nlabl: x\n"})
    result = run("pack", "validate", "demo")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "demo/actions/hello.yaml:3:10: 'timeout': expected a number of seconds, got 'soon'",
        "demo/actions/hello.yaml:4:1: warning: unknown key 'labl' (did you mean label?)",
    ] or result.stdout.splitlines()[0].startswith("demo/actions/hello.yaml:3:10: 'timeout'")
    assert result.stderr == "1 pack, 1 error, 1 warning\n"
    records = document(run("pack", "validate", "demo", "-j").stdout)
    assert [(one["path"], one["line"], one["column"], one["severity"]) for one in records] == [
        ("demo/actions/hello.yaml", 3, 10, "error"),
        ("demo/actions/hello.yaml", 4, 1, "warning"),
    ]


def test_warnings_fail_only_the_strict(run: Run, demo: Path) -> None:
    write_files(demo, {"actions/hello.yaml": ACTION + "labl: x\n"})
    assert run("pack", "validate", "demo").exit_code == 0
    assert run("pack", "validate", "demo", "--strict").exit_code == 1


def test_validate_finds_the_packs_of_a_project_and_needs_no_home(run: Run, home: Home) -> None:
    write_files(Path(), {"attune.toml": ""})
    write_pack(Path("packs"))
    write_pack(Path("packs"), {"actions/hello.yaml": "ref: hello\n"}, ref="other")
    result = run("validate")
    assert (result.exit_code, result.stderr) == (1, "2 packs, 1 error, 0 warnings\n")
    assert result.stdout == "packs/other/actions/hello.yaml:1:1: missing key 'entry_point'\n"
    os.chdir("packs/demo/actions")
    assert run("validate").stderr == "2 packs, 1 error, 0 warnings\n"
    assert not home.path.exists()


def test_a_single_file_is_checked_as_part_of_its_pack(run: Run, demo: Path) -> None:
    write_files(demo, {"actions/bad.yaml": "ref: bad\n", "triggers/t.yaml": "ref: ["})
    result = run("action", "validate", "demo/actions/bad.yaml")
    assert result.stdout == "demo/actions/bad.yaml:1:1: missing key 'entry_point'\n"
    assert run("action", "validate", "demo/actions/hello.yaml").exit_code == 0
    assert run("validate", "nowhere").exit_code == 3
    write_files(Path(), {"alone.yaml": "a: 1\n"})
    assert run("pack", "validate", "alone.yaml").exit_code == 3
    assert "alone.yaml:1:1: missing key 'kind'" in run("validate", "alone.yaml").stdout


def test_pack_test_tells_failures_and_writes_junit(run: Run, demo: Path) -> None:
    write_files(demo, {"pack.yaml": TESTED, "tests/run.sh": "echo 'valve 3 is stuck'; exit 1\n"})
    result = run("pack", "test", "./demo", "--junit", "out.xml", "-j")
    assert result.exit_code == 1
    (record,) = document(result.stdout)
    assert (record["packRef"], record["status"], record["failed"]) == ("demo", "failed", 1)
    assert "valve 3 is stuck" in result.stderr
    assert ET.parse("out.xml").getroot()[0].get("failures") == "1"
    assert run("pack", "test", "./demo", "-k", "other").exit_code == 0
    assert run("pack", "test", "gone").exit_code == 3
    assert run("pack", "test", "./gone").exit_code == 3


# --- config, env


def test_configuration_is_set_shown_and_kept_secret(run: Run, demo: Path, home: Home) -> None:
    write_files(demo, {"pack.yaml": CONFIGURED})
    assert "needs configuration: url" in run("pack", "install", "demo").stderr
    Path("token").write_text("s3cret")
    result = run("pack", "config", "demo", "set", "url=https://x", "token=@token", "-j")
    record = document(result.stdout)
    assert record["config"] == {"url": "https://x", "token": {"$attune_secret": True, "redacted": True}}
    assert record["missing"] == []
    assert "s3cret" not in result.stdout + result.stderr + run("pack", "show", "demo", "-j").stdout
    assert b"s3cret" not in b"".join(path.read_bytes() for path in home.path.glob("attune.db*"))
    assert document(run("pack", "config", "demo", "-j").stdout) == record
    assert "can be read by others" in run("pack", "config", "demo", "set", "token=s3cret").stderr


def test_values_that_do_not_fit_are_refused_together(run: Run, demo: Path) -> None:
    write_files(demo, {"pack.yaml": CONFIGURED})
    run("pack", "install", "demo")
    result = run("pack", "config", "demo", "set", "url:=3", "tokn=x", "-j")
    assert result.exit_code == 2
    assert [detail["path"] for detail in last_error(result.stderr)["details"]] == ["tokn", "url"]
    assert run("pack", "config", "demo", "frobnicate").exit_code == 2
    assert run("pack", "config", "demo", "set").exit_code == 2
    assert run("pack", "config", "gone").exit_code == 3


def test_values_can_be_edited_and_secrets_left_alone(
    run: Run, terminal: Terminal, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(demo, {"pack.yaml": CONFIGURED, "../editor.sh": "#!/bin/sh\nsed -i s/old/new/ $1\n"})
    run("pack", "install", "demo")
    run("pack", "config", "demo", "set", "url=old", 'token:="s3cret"')
    monkeypatch.setenv("EDITOR", str(Path("editor.sh").resolve()))
    assert terminal("pack", "config", "demo", "edit").exit_code == 0
    assert document(run("pack", "config", "demo", "-j").stdout)["config"] == {
        "url": "new",
        "token": {"$attune_secret": True, "redacted": True},
    }
    assert run("pack", "config", "demo", "edit").exit_code == 2


def test_environments_are_shown_built_and_deleted(run: Run, demo: Path) -> None:
    write_files(demo, {"requirements.txt": "", "actions/hello.yaml": ACTION + "runner_type: python\n"})
    run("pack", "install", "demo")
    (need,) = document(run("pack", "env", "demo", "-j").stdout)
    assert (need["runtime_ref"], need["form"], need["state"]) == ("core.python", "environment", "missing")
    (built,) = document(run("pack", "env", "demo", "build", "-j").stdout)
    assert (built["state"], Path(built["folder"]).is_dir()) == ("ready", True)
    assert run("pack", "env", "--all", "-q").exit_code == 0
    write_files(demo, {"requirements.txt": "# another\n"})
    run("pack", "install", "demo", "--upgrade")
    states = [record["state"] for record in document(run("pack", "env", "demo", "-j").stdout)]
    assert states == ["missing", "outdated"]
    assert run("pack", "env", "demo", "delete").stdout == f"{built['folder']}\n"
    assert run("pack", "env").exit_code == 2


def test_an_environment_that_cannot_be_built_tells_the_installers_words(run: Run, demo: Path) -> None:
    write_files(
        demo, {"requirements.txt": "./gone\n", "actions/hello.yaml": ACTION + "runner_type: python\n"}
    )
    run("pack", "install", "demo")
    result = run("pack", "env", "demo", "build")
    assert result.exit_code == 1
    assert "the environment of demo could not be built" in result.stderr
    assert "gone" in result.stderr
