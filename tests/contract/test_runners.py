"""The seam `runners.api.Runner`: what every runner does with a job, whatever it runs it in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from attune_cli.runtime.runners.api import Ended, Standing
from tests.contract.runner_bench import Bench, DockerBench, ProcessBench, WarmBench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from attune_cli.runtime.runners.api import Runner

MEBIBYTE = 1024 * 1024

BENCHES = {"process": ProcessBench, "docker": DockerBench, "warm": WarmBench}

PARAMETERS: dict[str, Any] = {
    "message": "it's\ntwo lines",
    "n": 3,
    "flag": True,
    "list": [1, "x"],
    "nested": {"a": {"b": "ü"}, "empty": {}},
    "nothing": None,
}

DOCUMENTS = {
    "json": (
        b'{"message":"it\'s\\ntwo lines","n":3,"flag":true,"list":[1,"x"],'
        b'"nested":{"a":{"b":"\xc3\xbc"},"empty":{}},"nothing":null}\n'
    ),
    "dotenv": (
        b"flag='true'\nlist='[1,\"x\"]'\nmessage='it'\\''s\ntwo lines'\nn='3'\n"
        b"nested.a.b='\xc3\xbc'\nnothing=''\n"
    ),
}

READ_FILE = """\
stat -c %a "$ATTUNE_PARAMETER_FILE" >&2
cat "$ATTUNE_PARAMETER_FILE"
[ -z "$(cat)" ] || echo 'stdin was not empty'
"""


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with BENCHES[request.param](tmp_path, grace_seconds=0.3) as bench:
        yield bench


def test_it_is_a_runner(tmp_path: Path) -> None:
    bench = ProcessBench(tmp_path)
    runner: Runner = bench.runner
    assert runner.kind == "process"
    bench.supervisor.close()


# --- parameters (domain.md 2.3)


@pytest.mark.parametrize("document_format", DOCUMENTS)
@pytest.mark.parametrize(("delivery", "script"), [("stdin", "cat"), ("file", READ_FILE)])
def test_the_parameters_arrive_as_exactly_one_document(
    bench: Bench, delivery: str, script: str, document_format: str
) -> None:
    end = bench.run(
        script, parameters=PARAMETERS, parameter_delivery=delivery, parameter_format=document_format
    )
    assert end.stdout == DOCUMENTS[document_format]
    assert end.stderr == (b"400\n" if delivery == "file" else b"")


@pytest.mark.parametrize(("delivery", "script"), [("stdin", "cat"), ("file", READ_FILE)])
def test_a_yaml_document_reads_back_as_the_parameters(bench: Bench, delivery: str, script: str) -> None:
    end = bench.run(script, parameters=PARAMETERS, parameter_delivery=delivery, parameter_format="yaml")
    assert yaml.safe_load(end.stdout) == PARAMETERS
    assert end.stdout.startswith(b"message:")
    assert end.stdout.endswith(b"null\n")


@pytest.mark.parametrize(
    ("document_format", "document"), [("json", b"{}\n"), ("yaml", b"{}\n"), ("dotenv", b"\n")]
)
def test_no_parameters_are_an_empty_document(bench: Bench, document_format: str, document: bytes) -> None:
    assert bench.run("cat", parameter_format=document_format).stdout == document


def test_a_parameter_file_is_gone_after_the_run(bench: Bench) -> None:
    end = bench.run('echo "$ATTUNE_PARAMETER_FILE"; ls "$ATTUNE_PARAMETER_FILE"', parameter_delivery="file")
    name, seen = end.lines
    assert name == seen
    assert bench.run(f"ls {name}").outcome.exit_code != 0


def test_a_parameter_file_is_gone_after_a_run_that_was_stopped(bench: Bench) -> None:
    execution = bench.begin(
        'echo "$ATTUNE_PARAMETER_FILE"; echo ready; exec sleep 60', parameter_delivery="file"
    )
    bench.await_output(execution, b"ready")
    bench.stop(execution)
    name = bench.end(execution).lines[0]
    assert bench.run(f"ls {name}").outcome.exit_code != 0


@pytest.mark.parametrize("delivery", ["stdin", "file"])
def test_a_mebibyte_of_parameters_arrives_whole(bench: Bench, delivery: str) -> None:
    script = "wc -c" if delivery == "stdin" else 'wc -c <"$ATTUNE_PARAMETER_FILE"'
    end = bench.run(script, parameters={"text": "x" * MEBIBYTE}, parameter_delivery=delivery)
    assert int(end.stdout) == len('{"text":""}\n') + MEBIBYTE


@pytest.mark.parametrize("exit_code", [0, 4])
def test_an_action_need_not_read_its_parameters(bench: Bench, exit_code: int) -> None:
    end = bench.run(f"exec <&-; exit {exit_code}", parameters={"text": "x" * MEBIBYTE})
    assert end.outcome.exit_code == exit_code
    assert end.outcome.succeeded is (exit_code == 0)


# --- exit codes and errors (domain.md 2.5)


def test_exit_code_zero_and_nothing_else_is_success(bench: Bench) -> None:
    end = bench.run("echo complaint >&2")
    assert (end.outcome.succeeded, end.outcome.exit_code, end.outcome.error) == (True, 0, None)
    assert end.result["succeeded"] is True
    assert "error" not in end.result
    end = bench.run("exit 1")
    assert (end.outcome.succeeded, end.outcome.exit_code, end.error.type) == (False, 1, "exit")
    assert (end.result["succeeded"], end.result["exit_code"]) == (False, 1)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "Command exited with code 3"),
        ("printf 'a\\nb\\n' >&2; exit 3", "a\nb"),
        ("printf '1\\n2\\n3\\n4\\n5\\n' >&2; exit 3", "1\n2\n3\n4\n5"),
        ("printf '1\\n2\\n3\\n4\\n5\\nlast words\\n' >&2; exit 3", "last words"),
        ("printf '\\n\\n' >&2; exit 3", "Command exited with code 3"),
        ("echo first; echo 'tests failed'; exit 3", "Command exited with code 3: tests failed"),
        ("echo data; echo why >&2; exit 3", "why"),
        ("printf 'a\\377b' >&2; exit 3", "a\N{REPLACEMENT CHARACTER}b"),
        ("yes | head -100000 >&2; echo last words >&2; exit 3", "last words"),
    ],
)
def test_the_error_is_all_of_a_short_stderr_or_the_last_line_of_a_long_one(
    bench: Bench, script: str, message: str
) -> None:
    end = bench.run(script)
    assert (end.error.type, end.error.message) == ("exit", message)
    assert end.result["error"] == message


def test_a_run_that_died_of_a_signal_says_so(bench: Bench) -> None:
    end = bench.run("kill -KILL $$")
    assert (end.outcome.succeeded, end.outcome.exit_code) == (False, 128 + 9)
    assert (end.error.type, end.error.message) == ("exit", "Command was killed by signal 9")


def test_the_outcome_tells_times_and_sizes(bench: Bench) -> None:
    end = bench.run("printf 'one\\ntwo'; sleep 0.05; echo three >&2")
    outcome = end.outcome
    assert outcome.started is not None
    assert outcome.finished is not None
    assert outcome.finished - outcome.started >= 50_000
    assert 50 <= end.result["duration_ms"] <= (outcome.finished - outcome.started) // 1000 + 50
    assert (outcome.stdout.bytes, outcome.stdout.lines, outcome.stdout.dropped_bytes) == (7, 2, 0)
    assert (outcome.stderr.bytes, outcome.stderr.lines, outcome.stderr.dropped_bytes) == (6, 1, 0)


# --- output (domain.md 2.5)


@pytest.mark.parametrize(
    ("output_format", "written", "data"),
    [
        ("json", '{"a": [1, null]}\n', {"a": [1, None]}),
        ("json", "3", 3),
        ("json", "starting\n50 %\n[1]\n", [1]),
        ("json", "starting\n{}\n\n\n", {}),
        ("json", '"text"', "text"),
        ("json", "null", None),
        ("yaml", "a: 1\nb: [x, y]\n", {"a": 1, "b": ["x", "y"]}),
        ("yaml", "when: 2026-05-01\n", {"when": "2026-05-01"}),
        ("jsonl", '{"a": 1}\nnoise\n2\n', [{"a": 1}, 2]),
        ("jsonl", "noise\n", []),
        ("jsonl", '{"a": NaN}\n"one\N{LINE SEPARATOR}line"\n', ["one\N{LINE SEPARATOR}line"]),
        ("json", 'done\n"one\N{LINE SEPARATOR}line"\n', "one\N{LINE SEPARATOR}line"),
        (
            "json",
            r'{"half": "\ud800", "whole": "\ud83c\udf3b"}',
            {"half": "\N{REPLACEMENT CHARACTER}", "whole": "🌻"},
        ),
    ],
)
def test_what_a_successful_run_prints_is_parsed(
    bench: Bench, output_format: str, written: str, data: object
) -> None:
    end = bench.run(f"cat <<'END'\n{written.removesuffix(chr(10))}\nEND\n", output_format=output_format)
    assert end.result["data"] == data
    assert not {"stdout", "output_error"} & end.result.keys()


@pytest.mark.parametrize(
    ("output_format", "written"),
    [
        ("json", "{broken"),
        ("json", "[1]\nlast words"),
        ("yaml", "a: [1"),
        ("json", '{"n": NaN}'),
        ("yaml", "a: .inf"),
        ("yaml", "? [1, 2]\n: x"),
        ("yaml", "2026-05-01: x"),
        ("yaml", "2026-13-45"),
        ("yaml", "a: &a [1]\nb: *c"),
    ],
)
def test_output_that_cannot_be_parsed_is_told_and_no_failure(
    bench: Bench, output_format: str, written: str
) -> None:
    end = bench.run(f"cat <<'END'\n{written}\nEND\n", output_format=output_format)
    assert end.outcome.succeeded
    assert end.result["data"] is None
    assert end.result["output_error"].startswith(f"stdout is not {output_format}: ")


@pytest.mark.parametrize(("output_format", "written"), [("json", "[" * 100_000), ("yaml", "[" * 2000)])
def test_output_nested_beyond_reason_is_told_and_no_failure(
    bench: Bench, output_format: str, written: str
) -> None:
    end = bench.run(f"printf %s '{written}'", output_format=output_format)
    assert end.outcome.succeeded
    assert end.result["data"] is None
    assert end.result["output_error"].startswith(f"stdout is not {output_format}")


def test_a_yaml_text_whose_aliases_explode_is_told_and_no_failure(bench: Bench) -> None:
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    end = bench.run("cat <<'END'\n" + "\n".join(bomb) + "\nEND\n", output_format="yaml")
    assert end.outcome.succeeded
    assert end.result["output_error"] == "stdout is not yaml: its aliases make it too large"


def test_text_is_not_parsed(bench: Bench) -> None:
    end = bench.run("echo '{}'")
    assert end.result["stdout"] == "{}\n"
    assert "data" not in end.result


def test_nothing_is_parsed_of_a_failure_or_of_silence(bench: Bench) -> None:
    end = bench.run("echo '{}'; exit 1", output_format="json")
    assert end.result["stdout"] == "{}\n"
    assert "data" not in end.result
    end = bench.run("true", output_format="json")
    assert (end.result["stdout"], "data" in end.result) == ("", False)


def test_binary_output_is_kept_as_bytes_and_shown_as_text(bench: Bench) -> None:
    end = bench.run("printf 'a\\377\\000b'")
    assert end.stdout == b"a\xff\x00b"
    assert json.loads(json.dumps(end.result["stdout"])) == "a\N{REPLACEMENT CHARACTER}\x00b"


def test_the_record_of_a_long_output_is_short_and_says_so(bench: Bench) -> None:
    end = bench.run(f"head -c {MEBIBYTE} /dev/zero | tr '\\0' x")
    assert end.stdout == b"x" * MEBIBYTE
    assert end.result["stdout"] == "x" * (256 * 1024)
    assert end.result["stdout_cut"] is True


def test_a_value_larger_than_a_result_may_be_is_left_in_the_file(bench: Bench) -> None:
    text = '"' + "x" * (2 * MEBIBYTE) + '"'
    end = bench.run(
        f"printf '\"'; head -c {2 * MEBIBYTE} /dev/zero | tr '\\0' x; printf '\"'", output_format="json"
    )
    assert end.stdout == text.encode()
    assert (end.result["data"], end.result["data_truncated"]) == (None, True)
    assert (end.result["data_bytes"], end.result["data_format"]) == (len(text), "json")


# --- limits (domain.md 2.6, 2.8)


def test_out_of_time_is_a_failure_that_says_so(bench: Bench) -> None:
    end = bench.run("echo begun; exec sleep 60", timeout_seconds=0.5)
    assert (end.outcome.succeeded, end.outcome.timed_out, end.outcome.exit_code) == (False, True, -1)
    assert (end.error.type, end.error.message) == ("timeout", "Execution timed out after 0.5 seconds")
    assert end.result["exit_code"] == -1
    assert end.result["error"] == end.error.message
    assert end.stdout == b"begun\n"


def test_out_of_time_it_is_killed_when_it_does_not_end(bench: Bench) -> None:
    end = bench.run("trap '' TERM; while :; do sleep 0.05; done", timeout_seconds=0.2)
    assert (end.outcome.timed_out, end.outcome.exit_code) == (True, -1)


def test_a_run_that_ends_well_while_it_is_being_stopped_for_time_has_timed_out(bench: Bench) -> None:
    end = bench.run("trap 'exit 0' TERM; while :; do sleep 0.01; done", timeout_seconds=0.2)
    assert (end.outcome.succeeded, end.outcome.timed_out) == (False, True)


def test_a_stopped_run_is_cancelled(bench: Bench) -> None:
    execution = bench.begin("echo ready; exec sleep 60")
    bench.await_output(execution, b"ready")
    bench.stop(execution)
    end = bench.end(execution)
    assert (end.outcome.succeeded, end.outcome.timed_out, end.error.type) == (False, False, "cancelled")
    assert end.result["cancelled"] is True


def test_what_a_stopped_run_has_started_is_asked_to_end_too(bench: Bench) -> None:
    child = "trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.05; done"
    execution = bench.begin(f'trap : TERM; bash -c "{child}" & until wait; do :; done')
    bench.await_output(execution, b"ready")
    bench.stop(execution)
    assert bench.end(execution).lines == ["ready", "asked"]


def test_a_run_that_is_over_or_unknown_may_be_stopped_in_vain(bench: Bench) -> None:
    end = bench.run("echo done")
    bench.stop(end.execution)
    bench.stop(999_999)
    assert bench.run("echo still here").lines == ["still here"]


def test_output_over_its_cap_is_cut_marked_and_counted(bench: Bench) -> None:
    script = "head -c 100000 /dev/zero | tr '\\0' x; head -c 3000 /dev/zero | tr '\\0' y >&2"
    end = bench.run(script, max_stdout_bytes=1000, max_stderr_bytes=2000)
    assert end.outcome.succeeded
    for stream, log, written, cap in (
        (end.outcome.stdout, end.stdout, 100_000, 1000),
        (end.outcome.stderr, end.stderr, 3000, 2000),
    ):
        assert stream.bytes + stream.dropped_bytes == written
        assert len(log) <= cap
        assert b"\n\n[OUTPUT TRUNCATED: std" in log
    assert end.result["stdout_truncated"] is True
    assert end.result["stdout_bytes_truncated"] == end.outcome.stdout.dropped_bytes
    assert end.result["stderr_bytes_truncated"] == end.outcome.stderr.dropped_bytes


def test_cut_output_is_not_mistaken_for_a_value(bench: Bench) -> None:
    end = bench.run("seq 1 5000", output_format="json", max_stdout_bytes=1000)
    assert end.outcome.succeeded
    assert end.result["data"] is None
    assert "truncated" in end.result["output_error"]


# --- after a crash (architecture.md 6, 7)


def test_a_run_whose_gate_never_opened_never_ran(bench: Bench) -> None:
    assert bench.attach(bench.never_begin("echo never")) is Standing.NEVER_RAN


@pytest.mark.parametrize("script", ["echo fine", "echo why >&2; exit 3"])
def test_a_run_that_ended_meanwhile_has_the_same_outcome(bench: Bench, script: str) -> None:
    end = bench.run(script)
    assert bench.attach(end.execution) == Ended(end.outcome)
    assert bench.attach(end.execution) == Ended(end.outcome)


# --- secrets


def test_secrets_are_masked_in_logs_results_and_errors(bench: Bench) -> None:
    secrets = ("hunter2-é", "s3cret")
    end = bench.run("cat; cat <<<$PIN >&2; exit 1", parameters={"pin": secrets[0], 'to"ken': 'a"s3cret'},
                    secrets=(*secrets, 'a"s3cret'), environment={"PIN": secrets[1]})  # fmt: skip
    shown = (
        end.stdout
        + end.stderr
        + json.dumps(end.result, ensure_ascii=False).encode()
        + end.error.message.encode()
    )
    for secret in secrets:
        assert secret.encode() not in shown
    assert b"***" in end.stdout
    assert b"***" in end.stderr


def test_secrets_are_masked_in_parsed_data(bench: Bench) -> None:
    end = bench.run("cat", parameters={"pin": "hunter2"}, secrets=("hunter2",), output_format="json")
    assert end.result["data"] == {"pin": "********"}
