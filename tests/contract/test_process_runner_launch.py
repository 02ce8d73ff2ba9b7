"""How the process runner starts a program: environment, folder, interpreter, inline code (domain.md 2.3, 2.4)."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.runtime.model.actions import RuntimeDefinition
from tests.contract.runner_bench import PYTHON_FOLDER, ProcessBench
from tests.contract.supervisor_world import marked_processes

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLER = {
    "PATH": f"{PYTHON_FOLDER}:{os.environ['PATH']}",
    "HOME": "/home/somebody",
    "LANG": "C.UTF-8",
    "TZ": "Europe/Vienna",
    "LC_ALL": "C.UTF-8",
    "TMPDIR": "/tmp",
    "AWS_SECRET_ACCESS_KEY": "of the caller",
    "ATTUNE_PARENT": "of the caller",
    "PYTHONPATH": "/of/the/caller",
    "LD_PRELOAD": "",
    "ALLOWED_TOO": "by the settings",
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ProcessBench]:
    with ProcessBench(tmp_path, environment=CALLER, environment_allow=("ALLOWED_TOO",)) as bench:
        yield bench


def environment_of(bench: ProcessBench, script: str = "env -0", **details: Any) -> dict[str, str]:
    end = bench.run(script, **details)
    assert end.outcome.succeeded, end
    variables = (line.partition("=") for line in end.stdout.decode().split("\0") if line)
    return {name: value for name, _, value in variables}


# --- environment


def test_the_action_sees_the_variables_of_the_contract_and_an_allow_list_and_nothing_else(
    bench: ProcessBench,
) -> None:
    assert environment_of(bench) == {
        **{name: CALLER[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "ALLOWED_TOO")},
        "ATTUNE_EXEC_ID": "1",
        "ATTUNE_ACTION": "demo.job",
        "ATTUNE_PACK_REF": "demo",
        "ATTUNE_HOME": str(bench.home.path),
        "ATTUNE_ARTIFACTS_DIR": str(bench.home.artifacts),
        "ATTUNE_RUNTIME_ENVS_DIR": str(bench.home.environments),
        "ATTUNE_PARAMETER_DELIVERY": "stdin",
        "ATTUNE_PARAMETER_FORMAT": "json",
        # What bash adds by itself:
        "PWD": str(bench.pack),
        "SHLVL": "1",
        "_": shutil.which("env", path=CALLER["PATH"]),
    }


def test_the_parameter_file_is_named_where_there_is_one(bench: ProcessBench) -> None:
    seen = environment_of(bench, parameter_delivery="file", parameter_format="yaml")
    assert (seen["ATTUNE_PARAMETER_DELIVERY"], seen["ATTUNE_PARAMETER_FORMAT"]) == ("file", "yaml")
    assert seen["ATTUNE_PARAMETER_FILE"].startswith(str(bench.home.path))


def test_the_variables_of_the_execution_win(bench: ProcessBench) -> None:
    seen = environment_of(bench, environment={"LANG": "C", "EXTRA": "a=b\nc"})
    assert (seen["LANG"], seen["EXTRA"]) == ("C", "a=b\nc")


def test_a_context_becomes_variables(bench: ProcessBench) -> None:
    context = {"region": "west", "count": 3, "tags": ["a"], "no=name": "x", "nul": "a\0b", "none": None}
    seen = environment_of(bench, parameters={"context": context})
    assert {name: value for name, value in seen.items() if name.startswith("ATTUNE_CONTEXT_")} == {
        "ATTUNE_CONTEXT_REGION": "west",
        "ATTUNE_CONTEXT_COUNT": "3",
        "ATTUNE_CONTEXT_TAGS": '["a"]',
        "ATTUNE_CONTEXT_NONE": "null",
    }


def test_a_context_that_is_no_object_is_only_a_parameter(bench: ProcessBench) -> None:
    assert not any("CONTEXT" in name for name in environment_of(bench, parameters={"context": "plain"}))


def test_the_program_works_in_the_pack_folder(bench: ProcessBench) -> None:
    assert bench.run("pwd").lines == [str(bench.pack)]


@pytest.mark.parametrize(
    "details",
    [
        {"script": "echo ready; exec sleep 60"},
        {"script": "echo ready; exec sleep 60", "parameter_delivery": "file"},
        {"entry_point": "echo ready; sleep 60"},
        {"entry_point": "import time; print('ready'); time.sleep(60)", "runner_type": "core.python"},
    ],
    ids=["stdin", "file", "inline shell", "inline python"],
)
def test_the_parameters_stand_neither_in_the_environment_nor_on_a_command_line(
    bench: ProcessBench, details: dict[str, Any]
) -> None:
    execution = bench.begin(parameters={"pin": "tell-nobody"}, **details)
    bench.await_output(execution, b"ready")
    running = marked_processes(str(bench.home.path))
    assert running
    for pid in running:
        assert b"tell-nobody" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert b"tell-nobody" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    bench.stop(execution)
    bench.end(execution)


# --- python, native, pack-defined runtimes


def test_a_python_action_finds_the_packs_lib_and_its_output_is_not_held_back(bench: ProcessBench) -> None:
    execution = bench.begin(
        "import sys, json, growing, os, time\n"
        "print(growing.NAME, json.load(sys.stdin)['n'], os.getcwd())\ntime.sleep(60)\n",
        name="grow.py",
        runner_type="core.python",
        parameters={"n": 3},
        files={"lib/growing.py": "NAME = 'tall'\n"},
    )
    bench.await_output(execution, f"tall 3 {bench.pack}\n".encode())
    bench.stop(execution)
    assert bench.end(execution).stderr == b""


def test_a_python_action_does_not_see_the_callers_module_path(bench: ProcessBench) -> None:
    end = bench.run("import sys; print(sys.path)", name="path.py", runner_type="core.python")
    assert "/of/the/caller" not in end.lines[0]


def test_inline_python_reads_its_parameters_from_stdin(bench: ProcessBench) -> None:
    code = "import json, sys\nprint(json.load(sys.stdin)['text'] + ' and more')"
    end = bench.run(entry_point=code, runner_type="core.python", parameters={"text": 'it\'s "this"'})
    assert end.lines == ['it\'s "this" and more']


def test_a_native_action_is_run_itself(bench: ProcessBench) -> None:
    end = bench.run("#!/bin/cat\nline two\n", name="native", runner_type="core.native", parameters={"n": 1})
    assert end.stdout == b"#!/bin/cat\nline two\n"


def test_a_runtime_that_a_pack_defines_runs_its_files(bench: ProcessBench) -> None:
    upside = RuntimeDefinition(
        ref="demo.upside",
        pack_ref="demo",
        execution_config={
            "interpreter": {"binary": "sort", "args": ["-r"], "file_extension": ".txt"},
            "environment": {"env_type": "none"},
            "env_vars": {
                "HERE": "{pack_dir}/x",
                "PATH": {"value": "/first", "operation": "prepend"},
                "LANG": {"value": "C", "operation": "append", "separator": "+"},
            },
        },
    )
    end = bench.run("a\nb\n", name="up.txt", runner_type="demo.upside", runtime=upside)
    assert end.lines == ["b", "a"]
    show = replace(upside, execution_config=upside.execution_config | {"interpreter": {"binary": "bash"}})
    seen = environment_of(bench, runner_type="demo.show", runtime=show)
    assert (seen["HERE"], seen["PATH"]) == (f"{bench.pack}/x", f"/first:{CALLER['PATH']}")
    assert seen["LANG"] == "C.UTF-8+C"


def test_node_runs_javascript(bench: ProcessBench) -> None:
    if shutil.which("node") is None:
        pytest.skip("no node on this machine")
    end = bench.run(
        "let s = ''; process.stdin.on('data', d => s += d).on('end', () => console.log(JSON.parse(s).n + 1));",
        name="add.js",
        runner_type="core.nodejs",
        parameters={"n": 41},
    )
    assert end.lines == ["42"]


# --- what cannot be started


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"entry_point": "gone.sh"}, ("the entry point of demo.job is missing", "actions/gone.sh")),
        ({"entry_point": "gone", "runner_type": "core.native"}, ("demo.job", "core.native")),
        ({"entry_point": "", "runner_type": "core.native"}, ("demo.job",)),
        (
            {"script": "echo", "name": "plain", "runner_type": "core.native"},
            ("actions/plain", "not executable"),
        ),
        ({"script": "#!/no/such/interpreter\n", "name": "odd", "runner_type": "core.native"}, ("odd",)),
        (
            {"script": "x", "runner_type": "core.python", "runtime_version": ">=4"},
            ("core.python", ">=4", f"found {'.'.join(map(str, sys.version_info[:3]))}"),
        ),
    ],
)
def test_what_cannot_be_started_fails_and_names_what_is_missing(
    bench: ProcessBench, details: dict[str, Any], words: tuple[str, ...]
) -> None:
    end = bench.run(**details)
    assert (end.outcome.succeeded, end.error.type) == (False, "not_started")
    for word in words:
        assert word in end.error.message


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with ProcessBench(tmp_path, environment={"PATH": str(tmp_path)}) as bench:
        end = bench.run("x", name="x.py", runner_type="core.python")
    assert end.error.type == "not_started"
    assert "no interpreter for runtime core.python: python3" in end.error.message
    assert "is not on PATH" in end.error.message


def test_files_of_a_pack_that_are_gone_are_named(bench: ProcessBench) -> None:
    job = bench.job("true")
    shutil.rmtree(bench.pack)
    end = bench.run_job(job)
    assert end.error.type == "not_started"
    assert f"the files of pack 'demo' are gone: {bench.pack}" in end.error.message


def test_a_variable_that_no_process_can_have_is_a_failure_that_says_so(bench: ProcessBench) -> None:
    end = bench.run("true", environment={"BAD": "a\0b"})
    assert (end.outcome.succeeded, end.error.type) == (False, "not_started")


# --- inline shell

AWKWARD = [
    "plain",
    "it's",
    "$(touch /tmp/never) `id` $HOME",
    "two\nlines\n",
    "a\\b\\n",
    "-n",
    "",
    " spaces  and\ttabs ",
    "'; exit 9; '",
    "*",
    "é🌻",
    "x" * 200_000,
]


@pytest.mark.parametrize("text", AWKWARD, ids=range(len(AWKWARD)))
def test_inline_shell_gets_a_parameter_unchanged_by_both_names(bench: ProcessBench, text: str) -> None:
    end = bench.run(entry_point='printf "%s|%s" "$PARAM_TEXT" "$text"', parameters={"text": text})
    assert end.stdout.decode() == f"{text}|{text}"


def test_inline_shell_gets_values_that_are_no_text(bench: ProcessBench) -> None:
    parameters = {"n": 1.5, "flag": False, "none": None, "list": ["a b"], "of-dash": "d", "9lives": "cat"}
    code = (
        'printf "%s\\n" "$n" "$flag" "[$none]" "$list" "$of_dash" "$PARAM_OF_DASH" "$_9lives" "$PARAM_9lives"'
    )
    end = bench.run(entry_point=code, parameters=parameters)
    assert end.lines == ["1.5", "false", "[]", '["a b"]', "d", "d", "cat", "cat"]


def test_inline_shell_parameters_are_not_exported_and_stdin_is_empty(bench: ProcessBench) -> None:
    end = bench.run(
        entry_point="env | grep -c -e secret-text -e PARAM_; cat; true", parameters={"text": "secret-text"}
    )
    assert end.lines == ["0"]


def test_inline_shell_stops_at_the_first_failure(bench: ProcessBench) -> None:
    end = bench.run(entry_point="echo one; false; echo two")
    assert (end.lines, end.outcome.exit_code) == (["one"], 1)


@pytest.mark.parametrize("name", ["PATH", "HOME", "IFS", "BASH_ENV", "LANG", "ATTUNE_ACTION", "UID"])
def test_a_parameter_cannot_change_the_shell_or_the_environment(bench: ProcessBench, name: str) -> None:
    code = f'IFS=" "; ls / >/dev/null; printf "%s|%s" "${name}" "$PARAM_{name}"'
    before = bench.run(entry_point=code.replace(f'"$PARAM_{name}"', "x")).stdout.decode()
    end = bench.run(entry_point=code, parameters={name: "bad"})
    assert end.stdout.decode() == before.removesuffix("x") + "bad"


@pytest.mark.parametrize("name", ["a;touch never;b", "$(id)", "a b", "ü", "x\ny", "-"])
def test_no_name_of_a_parameter_is_run_as_code(bench: ProcessBench, name: str) -> None:
    end = bench.run(entry_point="echo fine; ls", parameters={name: "value"})
    assert (end.lines, end.stderr) == (["fine"], b"")


def test_inline_code_with_a_here_document_and_its_own_reads_works(bench: ProcessBench) -> None:
    code = "cat <<END\n$text\nEND\nwhile read -r line; do echo \"[$line]\"; done < <(printf 'a\\nb\\n')"
    end = bench.run(entry_point=code, parameters={"text": "hello"})
    assert end.lines == ["hello", "[a]", "[b]"]


def test_a_nul_in_a_parameter_does_no_harm_to_inline_shell(bench: ProcessBench) -> None:
    end = bench.run(entry_point='printf "%s" "$text"', parameters={"text": "a\0b"})
    assert end.outcome.succeeded
    assert end.stdout in {b"ab", b"a"}


def test_parameters_of_a_file_action_stay_json_whatever_they_hold(bench: ProcessBench) -> None:
    parameters = {"text": "a\0b\N{LINE SEPARATOR}", "n": 10**30, "f": 1e300}
    end = bench.run("cat", parameters=parameters)
    assert end.outcome.succeeded, end
    assert json.loads(end.stdout)["n"] == 10**30
    assert end.stdout.count(b"\n") == 1
