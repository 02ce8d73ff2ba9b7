"""The printer: every form, to a pipe and to a terminal (cli.md 3.3)."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass

import pytest

from attune_cli.errors import NotFoundError, UsageError
from attune_cli.output import FORMATS, Column, Format, Printer, Section
from attune_cli.runtime.clock import SECOND, parse_rfc3339

NOW = parse_rfc3339("2026-05-01T10:00:00Z")
ROWS = [
    {"kind": "execution", "id": 2, "action_ref": "core.echo", "status": "running", "created": "2026-05-01T09:57:00Z",
     "duration_ms": None, "result": {"data": {"n": 1}}},
    {"kind": "execution", "id": 1, "action_ref": "crm.import", "status": "failed", "created": "2026-04-30T10:00:00Z",
     "duration_ms": 61000, "result": None},
]  # fmt: skip
COLUMNS = (
    Column("ID", "id", kind="number"),
    Column("ACTION", "action_ref"),
    Column("STATUS", "status", kind="status"),
    Column("CREATED", "created", kind="time"),
    Column("DURATION", "duration_ms", kind="duration"),
)


@dataclass(frozen=True)
class FixedClock:
    def now(self) -> int:
        return NOW


class TerminalStream(io.StringIO):
    def isatty(self) -> bool:
        return True


Terminal = Callable[[Callable[[], object]], str]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Show what is printed when stdout is a terminal of 80 columns."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")

    def show(act: Callable[[], object]) -> str:
        with redirect_stdout(TerminalStream()) as stream:
            act()
        return stream.getvalue()

    return show


def printer(form: Format = "text", **details: object) -> Printer:
    return Printer(format=form, clock=FixedClock(), **details)  # pyright: ignore[reportArgumentType] - fields by name


def out(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


# --- lists

LISTS = {
    "text": "2\tcore.echo\trunning\t2026-05-01T09:57:00Z\t\n1\tcrm.import\tfailed\t2026-04-30T10:00:00Z\t61000\n",
    "name": "2\n1\n",
    "none": "",
    "csv": "id,action_ref,status,created,duration_ms\n"
    "2,core.echo,running,2026-05-01T09:57:00Z,\n1,crm.import,failed,2026-04-30T10:00:00Z,61000\n",
}


@pytest.mark.parametrize("form", LISTS)
def test_a_list_in_a_pipe(capsys: pytest.CaptureFixture[str], form: Format) -> None:
    printer(form).records(ROWS, COLUMNS)
    assert out(capsys) == LISTS[form]


def test_json_of_a_list_is_one_compact_document(capsys: pytest.CaptureFixture[str]) -> None:
    printer("json").records(ROWS, COLUMNS)
    text = out(capsys)
    assert json.loads(text) == ROWS
    assert text.count("\n") == 1
    assert ": " not in text


def test_jsonl_has_a_line_for_each_record(capsys: pytest.CaptureFixture[str]) -> None:
    printer("jsonl").records(ROWS, COLUMNS)
    assert [json.loads(line) for line in out(capsys).splitlines()] == ROWS


@pytest.mark.parametrize(
    ("form", "expected"),
    [("text", ""), ("json", "[]\n"), ("jsonl", ""), ("yaml", "[]\n"),
     ("csv", "id,action_ref,status,created,duration_ms\n"), ("name", ""), ("none", "")],
)  # fmt: skip
def test_an_empty_list_is_still_a_document(
    capsys: pytest.CaptureFixture[str], form: Format, expected: str
) -> None:
    printer(form).records([], COLUMNS)
    assert out(capsys) == expected


def test_header_adds_a_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    printer(header=True).records(ROWS[:1], COLUMNS)
    assert out(capsys).splitlines()[0] == "ID\tACTION\tSTATUS\tCREATED\tDURATION"


def test_tabs_and_line_ends_in_values_do_not_break_the_lines_of_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printer().records(
        [{"ref": "a", "text": "one\ttwo\r\nthree"}], (Column("REF", "ref"), Column("TEXT", "text"))
    )
    assert out(capsys) == "a\tone\\ttwo\\r\\nthree\n"


def test_a_terminal_gets_columns_times_ago_and_colours(terminal: Terminal) -> None:
    assert terminal(lambda: printer().records(ROWS, COLUMNS)) == (
        "\x1b[1mID  ACTION      STATUS   CREATED  DURATION\x1b[0m\n"
        " 2  core.echo   \x1b[36mrunning\x1b[0m  3m ago          -\n"
        " 1  crm.import  \x1b[31mfailed\x1b[0m   1d ago      1m01s\n"
    )


def test_a_terminal_gets_indented_json(terminal: Terminal) -> None:
    shown = terminal(lambda: printer("json").records(ROWS[:1], COLUMNS))
    assert shown.startswith('[\n  {\n    "kind": "execution"')
    assert "\x1b" not in shown


def test_an_empty_list_on_a_terminal_has_no_lonely_header(terminal: Terminal) -> None:
    assert terminal(lambda: printer().records([], COLUMNS)) == ""


# --- records


def test_a_record_in_a_pipe_is_a_line_for_each_field(capsys: pytest.CaptureFixture[str]) -> None:
    printer().record(ROWS[0], COLUMNS[:2], [Section("Result", "result")])
    assert out(capsys) == 'id\t2\naction_ref\tcore.echo\nresult\t{"data":{"n":1}}\n'


def test_a_record_on_a_terminal_has_titles_and_sections(terminal: Terminal) -> None:
    record = {**ROWS[0], "tasks": [{"name": "one", "status": "failed"}], "nothing": []}
    sections = [
        Section("Result", "result"),
        Section("Tasks", "tasks", (Column("NAME", "name"), Column("STATUS", "status"))),
        Section("Nothing", "nothing"),
    ]
    assert terminal(lambda: printer(color="never").record(record, COLUMNS[:3], sections)) == (
        "ID      2\nACTION  core.echo\nSTATUS  running\n"
        '\nResult\n  {\n    "data": {\n      "n": 1\n    }\n  }\n'
        "\nTasks\n  NAME  STATUS\n  one   failed\n"
    )


@pytest.mark.parametrize(
    ("form", "expected"), [("text", "a\nb\n"), ("name", "a\nb\n"), ("json", '{"deleted":["a","b"]}\n')]
)
def test_an_outcome_is_names_for_people_and_a_record_for_programs(
    capsys: pytest.CaptureFixture[str], form: Format, expected: str
) -> None:
    printer(form).outcome({"deleted": ["a", "b"]}, ["a", "b"])
    assert out(capsys) == expected


@pytest.mark.parametrize(
    ("value", "text", "document"),
    [
        ("hi", "hi\n", '"hi"\n'),
        (None, "null\n", "null\n"),
        ([1], "[1]\n", "[1]\n"),
        (True, "true\n", "true\n"),
    ],
)
def test_a_bare_value_is_unquoted_as_text_only(
    capsys: pytest.CaptureFixture[str], value: object, text: str, document: str
) -> None:
    printer().value(value)
    assert out(capsys) == text
    printer("json").value(value)
    assert out(capsys) == document


@pytest.mark.parametrize(
    ("form", "expected"), [("text", "shown\n"), ("json", '{"type":"log"}\n'), ("jsonl", '{"type":"log"}\n')]
)
def test_a_stream_is_lines(capsys: pytest.CaptureFixture[str], form: Format, expected: str) -> None:
    printer(form).event({"type": "log"}, "shown")
    assert out(capsys) == expected


# --- quiet and fields


def test_q_prints_names_and_qq_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    printer(quiet=1).records([{"ref": "a.b", "id": 1}, {"id": 2}], COLUMNS)
    assert out(capsys) == "a.b\n2\n"
    for form in FORMATS:
        silent = printer(form, quiet=2)
        silent.records(ROWS, COLUMNS)
        silent.record(ROWS[0])
        silent.value(1)
        silent.event(ROWS[0], "text")
        silent.text("text")
        silent.outcome({}, ["a"])
        silent.note("n")
        silent.warning("w")
    assert capsys.readouterr() == ("", "")


def test_q_leaves_an_asked_document_whole(capsys: pytest.CaptureFixture[str]) -> None:
    printer("json", quiet=1).records(ROWS, COLUMNS)
    assert json.loads(out(capsys)) == ROWS


def test_fields_keep_their_nesting_and_absent_ones_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    printer("json", fields=("id", "result.data.n")).records(ROWS, COLUMNS)
    assert json.loads(out(capsys)) == [
        {"id": 2, "result": {"data": {"n": 1}}},
        {"id": 1, "result": {"data": {"n": None}}},
    ]


def test_fields_become_the_columns_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    printer(fields=("status", "id"), header=True).records(ROWS, COLUMNS)
    assert out(capsys) == "STATUS\tID\nrunning\t2\nfailed\t1\n"


def test_an_unknown_field_is_a_usage_error_with_the_list_and_a_suggestion() -> None:
    with pytest.raises(UsageError, match="no field 'statos'; fields are kind, id, action_ref") as caught:
        printer(fields=("statos",)).records(ROWS, COLUMNS)
    assert caught.value.hint == "did you mean status?"


def test_an_unknown_field_is_found_even_if_the_list_is_empty() -> None:
    with pytest.raises(UsageError, match="no field 'zebra'"):
        printer("json", fields=("zebra",)).records([], COLUMNS)


@pytest.mark.parametrize(
    ("path", "expected"), [("status", "running\n"), ("result.data", '{"n":1}\n'), ("duration_ms", "null\n")]
)
def test_field_prints_one_raw_value(capsys: pytest.CaptureFixture[str], path: str, expected: str) -> None:
    printer("json", field=path).record(ROWS[0])
    assert out(capsys) == expected


def test_field_of_a_list_prints_one_value_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    printer(field="action_ref").records(ROWS, COLUMNS)
    assert out(capsys) == "core.echo\ncrm.import\n"


def test_a_field_that_is_missing_is_not_found() -> None:
    with pytest.raises(NotFoundError, match=r"no field 'result\.data\.m'"):
        printer(field="result.data.m").record(ROWS[0])


# --- odd characters

ODD = "\x1b[2J \x9b2J \x07 \udcff \u202e end"


def test_a_terminal_is_never_driven_by_data(terminal: Terminal) -> None:
    rows = [{"ref": "a", "text": ODD + "\nnext"}]
    columns = (Column("REF", "ref"), Column("TEXT", "text", kind="text"))
    calm = printer(color="never")
    acts: list[Callable[[], object]] = [
        lambda: calm.records(rows, columns),
        lambda: calm.record(rows[0], columns, [Section("Text", "text")]),
        lambda: calm.value(ODD),
        lambda: calm.text(ODD),
        lambda: calm.outcome({}, [ODD]),
        lambda: calm.event({}, ODD),
    ]
    for act in acts:
        shown = terminal(act)
        assert "\u241b[2J \\x9b2J \u2407 \\udcff \\u202e end" in shown
        assert all(char == "\n" or char.isprintable() for char in shown)


def test_odd_characters_reach_a_pipe_as_they_are_or_escaped_where_utf_8_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    printer().value(ODD)
    stream.flush()
    assert stream.buffer.getvalue() == b"\x1b[2J \xc2\x9b2J \x07 \\udcff \xe2\x80\xae end\n"  # type: ignore[attr-defined] - BytesIO


@pytest.mark.parametrize("form", ["json", "jsonl", "yaml", "csv"])
def test_odd_characters_break_no_document(monkeypatch: pytest.MonkeyPatch, form: Format) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    printer(form).records([{"ref": ODD}], (Column("REF", "ref"),))
    stream.flush()
    text = stream.buffer.getvalue().decode()  # type: ignore[attr-defined] - BytesIO
    if form.startswith("json"):
        parsed = json.loads(text)
        assert (parsed[0] if form == "json" else parsed)["ref"] == ODD


def test_numbers_that_json_has_not_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    printer("json").value({"a": float("nan"), "b": [float("inf"), 1.5], "c": -float("inf")})
    assert out(capsys) == '{"a":null,"b":[null,1.5],"c":null}\n'


# --- colours and messages


@pytest.mark.parametrize(
    ("color", "variables", "expected"),
    [
        ("auto", {}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", {"CLICOLOR": "0"}, False),
        ("auto", {"TERM": "dumb"}, False),
    ],
)
def test_colours_of_a_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, color: str, variables: dict[str, str], expected: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shown = terminal(lambda: printer(color=color).records(ROWS, COLUMNS))
    assert ("\x1b[" in shown) is expected


@pytest.mark.parametrize(
    ("variables", "expected"), [({}, False), ({"FORCE_COLOR": "1"}, True), ({"CLICOLOR_FORCE": "1"}, True)]
)
def test_colours_of_a_pipe(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert printer().wants_color(io.StringIO()) is expected


def test_messages_go_to_stderr_and_hints_to_terminals_only(capsys: pytest.CaptureFixture[str]) -> None:
    printer().note("done")
    printer().hint("attune next")
    printer().warning("odd")
    assert capsys.readouterr() == ("", "done\nwarning: odd\n")


def test_times_are_told_from_the_clock() -> None:
    from attune_cli.table import cell

    def told(seconds: int) -> str:
        return cell("2026-05-01T10:00:00Z", "time", NOW + seconds * SECOND)

    assert [told(seconds) for seconds in (0, 5, 75, 3600 * 5, -90, 86400 * 40)] == [
        "0s ago", "5s ago", "1m ago", "5h ago", "in 1m", "2026-05-01",
    ]  # fmt: skip
    assert cell("not a time", "time", NOW) == "not a time"
