"""Stories of secrets: no value of one stands anywhere but where it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.demo_pack import install_demo
from tests.e2e.story import Attune, processes_with, unique_seconds, until

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

PASSWORD = "pässword-hunter2"
TOKEN = "tok-en-0123456789"
MARKER = {"$attune_secret": True, "redacted": True}


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    install_demo(tmp_path, run)
    return run


@pytest.fixture
def pin(tmp_path: Path) -> Path:
    path = tmp_path / "pin"
    path.write_text(PASSWORD)
    return path


def places_of(secret: str, home: Home) -> list[str]:
    """Return the files of a home that hold a secret, as text or as JSON writes it; its log of writes included."""
    forms = {secret.encode(), json.dumps(secret)[1:-1].encode()}
    files = [path for path in home.path.rglob("*") if path.is_file() and not path.is_socket()]
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


@pytest.mark.parametrize("fails", [False, True])
def test_a_secret_parameter_is_sealed_and_masked_everywhere(
    run: Run, home: Home, pin: Path, *, fails: bool
) -> None:
    more = ("-e", "FAIL=yes") if fails else ()
    arguments = ("run", "demo.secret", "user=ada", f"password=@{pin}", "-e", f"TOKEN={PASSWORD}", *more)
    result = run(*arguments)
    assert result.exit_code == int(fails)
    document = run(*arguments, "-j")
    shown = run("execution", "show", "1", "-j")
    logs = run("execution", "logs", "1")
    for each in (result, document, shown, logs):
        assert PASSWORD not in each.stdout + each.stderr
        assert json.dumps(PASSWORD)[1:-1] not in each.stdout + each.stderr
    assert '"password":"********"' in logs.stdout
    assert logs.stderr == "err: ********\n"
    record = json.loads(shown.stdout)
    assert record["parameters"] == {"user": "ada", "password": MARKER}
    assert places_of(PASSWORD, home) == []


@pytest.mark.parametrize("by_file", [False, True])
def test_an_extra_variable_whose_name_says_secret_is_masked_and_another_is_not(
    run: Run, tmp_path: Path, *, by_file: bool
) -> None:
    (tmp_path / "env").write_text(f"API_TOKEN={TOKEN}\nREGION=north\n")
    given = (
        ("--env-file", str(tmp_path / "env"))
        if by_file
        else ("-e", f"API_TOKEN={TOKEN}", "-e", "REGION=north")
    )
    says = 'echo "$API_TOKEN in $REGION"; echo "$API_TOKEN" >&2'
    result = run("run", "exec", *given, "--", "sh", "-c", says)
    assert (result.exit_code, result.stdout) == (0, "******** in north\n")
    assert result.stderr.startswith("********\n")
    assert TOKEN not in run("execution", "show", "1", "-j").stdout + run("execution", "logs", "1").stdout
    assert run("execution", "retry", "1").stdout == "******** in north\n"


def test_a_short_extra_variable_whose_name_says_secret_is_warned_of(run: Run) -> None:
    result = run("run", "exec", "-e", "PIN_KEY=42", "--", "sh", "-c", 'echo "$PIN_KEY"')
    assert result.stdout == "42\n"
    assert "a secret of fewer than 4 characters is not masked in logs" in result.stderr


def test_the_values_of_extra_variables_are_sealed(run: Run, home: Home, tmp_path: Path) -> None:
    (tmp_path / "env").write_text(f"# a comment\n\nTOKEN='{TOKEN}'\nOTHER=plain-{TOKEN}\n")
    result = run("run", "exec", "--env-file", str(tmp_path / "env"), "-j", "--", "sh", "-c", "test -n $TOKEN")
    assert result.exit_code == 0
    assert places_of(TOKEN, home) == []
    assert TOKEN not in run("execution", "show", "1", "-j").stdout
    assert run("execution", "retry", "1").exit_code == 0
    assert places_of(TOKEN, home) == []
    options = ("--env-file", str(tmp_path / "env"), "-e", "TOKEN=won")
    told = run("run", "exec", *options, "--", "sh", "-c", "echo $TOKEN")
    assert told.stdout == "won\n"


def test_while_it_runs_no_secret_stands_in_the_process_list(run: Run, pin: Path, tmp_path: Path) -> None:
    seconds = unique_seconds()
    pack = tmp_path / "inline"
    (pack / "actions").mkdir(parents=True)
    (pack / "pack.yaml").write_text("ref: inline\nversion: 1.0.0\n")
    (pack / "actions" / "wait.yaml").write_text(
        f"ref: inline.wait\nentry_point: sleep {seconds}\nparameters: {{password: {{type: string, secret: true}}}}\n"
    )
    assert run("pack", "install", str(pack)).exit_code == 0
    with Attune("run", "inline.wait", f"password=@{pin}") as attune:
        until(lambda: processes_with(seconds), "the run")
        parents = [attune.process.pid, *processes_with(seconds)]
        parents += [
            int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in parents[1:]
        ]
        for pid in parents:
            assert PASSWORD.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
            assert PASSWORD.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        attune.process.terminate()
        attune.end()


def test_a_key_gives_a_secret_parameter_its_value(run: Run, home: Home) -> None:
    assert run("key", "set", "mine", "-", input=PASSWORD).exit_code == 0
    result = run("run", "demo.secret", "password=key://mine", "-e", "FAIL=no")
    assert (result.exit_code, '"password":"********"' in result.stdout) == (0, True)
    assert places_of(PASSWORD, home) == []
    missing = run("run", "demo.secret", "password=key://other", "-j")
    assert missing.exit_code == 2
    assert json.loads(missing.stderr.splitlines()[-1])["error"]["details"] == [
        {"path": "password", "message": "no key 'other'"}
    ]
    assert run("key", "set", "password", "--scope", "action:demo.secret", "-", input=TOKEN).exit_code == 0
    assert '"password":"********"' in run("run", "demo.secret").stdout


def test_a_secret_on_the_command_line_is_warned_about_and_still_sealed(run: Run, home: Home) -> None:
    result = run("run", "demo.secret", f"password={PASSWORD}")
    assert "warning: password is secret" in result.stderr
    assert PASSWORD not in result.stderr
    assert places_of(PASSWORD, home) == []


def test_a_faulty_secret_is_not_repeated_in_the_error(run: Run) -> None:
    result = run("run", "demo.secret", 'password:={"a": "tell-nobody"}')
    assert result.exit_code == 2
    assert "tell-nobody" not in result.stdout + result.stderr


def test_without_its_key_a_sealed_execution_fails_with_a_message(run: Run, home: Home, pin: Path) -> None:
    kept = run("run", "demo.secret", f"password=@{pin}", "-d", "--queue-offline", "-q").stdout.strip()
    home.secret_key.write_bytes(bytes(32))
    assert run("execution", "wait", kept).exit_code == 1
    shown = json.loads(run("execution", "show", kept, "-j").stdout)
    assert shown["status"] == "failed"
    assert "secret.key" in shown["error"]["message"] or "key" in shown["error"]["message"]
