"""`attune run`: parameters, in every form they are typed, and every fault of them at once (cli.md 3.2)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.demo_pack import install_demo

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Result, Run


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    """Call attune in this process, in a home with the demo pack."""
    install_demo(tmp_path, run)
    return run


def error(result: Result) -> dict[str, Any]:
    """Return the error object that ends stderr."""
    return json.loads(result.stderr.splitlines()[-1])["error"]


def executions(run: Run) -> int:
    return int(run("execution", "list", "--count").stdout)


def faults(result: Result) -> dict[str, str]:
    return {detail["path"]: detail["message"] for detail in error(result)["details"]}


def test_parameters_are_read_by_their_declared_types(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("from a file\n")
    result = run(
        "run", "demo.show", "-r", "n=3", "ratio=0.5", "flag=yes", "tags=x", "tags=y", "object.inner=4",
        f"text=@{tmp_path / 'text'}", "color=red",
    )  # fmt: skip
    assert json.loads(result.stdout) == {
        "n": 3, "ratio": 0.5, "flag": True, "tags": ["x", "y"], "object": {"inner": 4},
        "text": "from a file\n", "color": "red",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("items", "given"),
    [
        (["text=1.10"], {"text": "1.10"}),
        (["text=no"], {"text": "no"}),
        (["text=a=b"], {"text": "a=b"}),
        (["text="], {"text": ""}),
        (["text=@@home"], {"text": "@home"}),
        (["text:=null"], {}),
        (['tags:=["a", "b"]'], {"tags": ["a", "b"]}),
        (['tags=["a", "b"]'], {"tags": ["a", "b"]}),
        (["tags=one"], {"tags": ["one"]}),
        (["flag=OFF"], {"flag": False}),
        (['object={"inner": 1}'], {"object": {"inner": 1}}),
        (["--params", '{"n": 1, "text": "a"}', "text=b"], {"n": 1, "text": "b"}),
        (["--params", "n: 1\ntext: yaml"], {"n": 1, "text": "yaml"}),
    ],
)
def test_forms_of_parameters(run: Run, items: list[str], given: dict[str, Any]) -> None:
    result = run("run", "demo.show", "-r", *items)
    assert result.exit_code == 0, result.stderr
    assert {name: value for name, value in json.loads(result.stdout).items() if value is not None} == given


@pytest.mark.parametrize("items", [["--params", "-"], ["text=@-"], ["text:=@-"]])
def test_parameters_come_from_stdin(run: Run, items: list[str]) -> None:
    given = '{"text": "hello"}' if items[0] == "--params" else '"hello"'
    shown = json.loads(run("run", "demo.show", "-r", *items, input=given).stdout)["text"]
    assert shown == ('"hello"' if items == ["text=@-"] else "hello")


def test_undeclared_parameters_are_text(run: Run) -> None:
    result = run("run", "demo.free", "-r", "n=3", "m:=3", "a.b=c")
    assert json.loads(result.stdout) == {"n": "3", "m": 3, "a": {"b": "c"}}


def test_all_faults_are_told_at_once_and_nothing_is_started(run: Run) -> None:
    result = run(
        "run", "demo.show", "-j", "n=zero", "ratio=x", "flag=maybe", "colour=red", "color=blue",
        "text=@/no/such/file", "tags:=[", "stray",
    )  # fmt: skip
    assert result.exit_code == 2
    assert result.stdout == ""
    told = error(result)
    assert (told["code"], told["exit_code"], told["retryable"]) == ("invalid_params", 2, False)
    assert told["message"] == "8 parameters of demo.show are invalid"
    assert told["hint"] == "attune run action demo.show --help"
    found = faults(result)
    assert found["n"] == "expected integer"
    assert found["flag"] == "expected boolean"
    assert found["colour"] == "unknown parameter; did you mean color?"
    assert found["color"] == "expected one of red, green"
    assert found["text"] == "cannot read /no/such/file: No such file or directory"
    assert found["tags"].startswith("is not JSON")
    assert found["stray"] == "expected key=value or key:=JSON"
    assert executions(run) == 0


def test_faults_as_people_see_them(run: Run) -> None:
    result = run("run", "demo.add", "b=soon")
    assert result.stderr == (
        "error: 2 parameters of demo.add are invalid\n"
        "  a  required (integer)\n"
        "  b  expected integer, got 'soon'\n"
        "hint: attune run action demo.add --help\n"
    )


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ('text:="\\ud800"', "is no UTF-8 text"),
        (b"text=a\xffb", "is no UTF-8 text"),
        ("n:=1e999", "holds a number that JSON has not"),
        ("ratio:=NaN", "holds a number that JSON has not"),
        ("ratio:=1e999", "holds a number that JSON has not"),
        ("object:=" + "[" * 100_000, "is nested too deeply"),
        ("text=@/proc/self/mem", "cannot read /proc/self/mem"),
        ("text=@.", "cannot read ."),
    ],
    ids=["half a pair", "bytes", "inf integer", "nan", "inf", "nested", "unreadable", "folder"],
)
def test_values_that_no_document_could_hold_are_refused(run: Run, item: str | bytes, message: str) -> None:
    word = os.fsdecode(item) if isinstance(item, bytes) else item
    result = run("run", "demo.show", "-j", word)
    assert result.exit_code == 2, result.stderr
    assert next(iter(faults(result).values())).startswith(message)
    assert executions(run) == 0


@pytest.mark.parametrize("depth", [100, 300, 900, 990, 1500])
def test_nesting_is_taken_or_refused_and_never_a_crash(run: Run, depth: int) -> None:
    result = run("run", "demo.free", "-qq", "--params", '{"a":' + "[" * depth + "]" * depth + "}")
    assert result.exit_code in {0, 2}


def test_a_file_that_is_not_text_is_no_parameter(run: Run, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"a\xffb")
    result = run("run", "demo.show", "-j", f"text=@{tmp_path / 'binary'}")
    assert (result.exit_code, faults(result)) == (2, {"text": "is no UTF-8 text"})


def test_parameters_larger_than_a_mebibyte_are_refused_with_the_settings_name(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "large").write_text("x" * (1024 * 1024))
    result = run("run", "demo.show", "-j", f"text=@{tmp_path / 'large'}")
    assert (result.exit_code, error(result)["code"]) == (2, "parameters_too_large")
    assert "max_parameters_bytes" in error(result)["hint"]
    (tmp_path / "large").write_text("x" * (1024 * 1024 - 20))
    assert run("run", "demo.show", "-qq", f"text=@{tmp_path / 'large'}").exit_code == 0


def test_aliases_that_make_parameters_huge_are_refused(run: Run, tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    bomb = tmp_path / "bomb.yaml"
    bomb.write_text("\n".join(lines))
    refused = run("run", "action", "core.echo", "--params", f"@{bomb}")
    assert refused.exit_code == 2
    assert "its aliases make it too large" in refused.stderr
    assert run("execution", "list", "--count").stdout == "0\n"
