"""Parameters as they are typed, by example and by property (cli.md 3.2)."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.reading.parameters import ParameterReader

if TYPE_CHECKING:
    from pathlib import Path

    from attune_cli.runtime.model.actions import Schema

SCHEMA: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "n": {"type": "integer"},
    "flag": {"type": "boolean"},
    "tags": {"type": "array", "items": {"type": "integer"}},
    "lists": {"type": "array", "items": {"type": "array"}},
    "object": {"type": "object", "properties": {"n": {"type": "integer"}, "tags": {"type": "array"}}},
    "dotted.name": {"type": "string"},
    "pin": {"type": "string", "secret": True},
    "login": {"type": "object", "properties": {"pin": {"type": "string", "secret": True}}},
}


def read(*items: str, params: str | None = None) -> ParameterReader:
    reader = ParameterReader(SCHEMA)
    if params is not None:
        reader.read_document(params)
    reader.read_items(items)
    return reader


@pytest.mark.parametrize(
    ("items", "values"),
    [
        (["n=3"], {"n": 3}),
        (["n=+3"], {"n": 3}),
        (["text=3"], {"text": "3"}),
        (["unknown=3"], {"unknown": "3"}),
        (["unknown:=[3]"], {"unknown": [3]}),
        (["flag=YES"], {"flag": True}),
        (["tags=1", "tags=2"], {"tags": [1, 2]}),
        (["tags=[1, 2]", "tags=3"], {"tags": [1, 2, 3]}),
        (["tags:=[1]", "tags=2"], {"tags": [1, 2]}),
        (["object.n=1", "object.tags=a", "object.tags=b"], {"object": {"n": 1, "tags": ["a", "b"]}}),
        (['object={"m": 1}', "object.n=2"], {"object": {"m": 1, "n": 2}}),
        (["dotted.name=x"], {"dotted.name": "x"}),
        (["a.b.c=x"], {"a": {"b": {"c": "x"}}}),
        (["text=a=b"], {"text": "a=b"}),
        (["text=:=x"], {"text": ":=x"}),
        (["text=@@x"], {"text": "@x"}),
        (["text=a@b"], {"text": "a@b"}),
        (['text:="a=b"'], {"text": "a=b"}),
        (["n:=null"], {"n": None}),
    ],
)
def test_items_that_can_be_read(items: list[str], values: dict[str, Any]) -> None:
    reader = read(*items)
    assert (reader.values, reader.faults) == (values, [])


@pytest.mark.parametrize(
    ("items", "path", "message"),
    [
        (["n=3.5"], "n", "expected integer"),
        (["n="], "n", "expected integer"),
        (["flag=maybe"], "flag", "expected boolean"),
        (["tags=x"], "tags", "expected array"),
        (["text=a", "text=b"], "text", "given twice"),
        (["object=3"], "object", "expected object"),
        (["text=a", "text.b=c"], "text.b", "text is no object"),
        (["n:=three"], "n", "is not JSON"),
        (["n:="], "n", "is not JSON"),
        (["word"], "word", "expected key=value"),
        (["=x"], "=x", "expected key=value"),
        ([":=1"], ":=1", "expected key=value"),
        (["text=@no-such-file"], "text", "cannot read no-such-file: No such file"),
        (["n:=@no-such-file"], "n", "cannot read no-such-file: No such file"),
        (["n:=" + "[" * 100_000], "n", "is nested too deeply"),
    ],
)
def test_items_that_cannot_be_read_are_told_with_their_place(
    items: list[str], path: str, message: str
) -> None:
    reader = read(*items)
    assert len(reader.faults) == 1
    fault = reader.faults[0]
    assert (fault.path, fault.source) == (path, f"argument {len(items)}")
    assert fault.message.startswith(message)


def test_a_word_alone_is_told_the_one_parameter_that_it_can_be_meant_for() -> None:
    schema: Schema = {"host": {"type": "string", "required": True}, "n": {"type": "integer"}}
    reader = ParameterReader(schema)
    reader.read_items(["web 1"])
    assert reader.faults[0].message == "expected key=value or key:=JSON; did you mean 'host=web 1'?"
    only = ParameterReader({"name": {"type": "string", "default": "world"}})
    only.read_items(["Ada"])
    assert only.faults[0].message.endswith("; did you mean name=Ada?")
    two = ParameterReader({**schema, "n": {"type": "integer", "required": True}})
    two.read_items(["web1"])
    assert two.faults[0].message == "expected key=value or key:=JSON"


def test_every_fault_of_a_line_is_kept() -> None:
    assert [fault.path for fault in read("n=x", "flag=x", "tags=x", "y").faults] == ["n", "flag", "tags", "y"]


@pytest.mark.parametrize(
    ("params", "values"),
    [
        ('{"n": 1, "text": "a"}', {"n": 1, "text": "b"}),
        ("n: 1", {"n": 1, "text": "b"}),
        (
            "{n: 1, when: 2026-05-01, 3: x, yes: y}",
            {"n": 1, "when": "2026-05-01", "3": "x", "true": "y", "text": "b"},
        ),
    ],
)
def test_items_override_a_whole_document(params: str, values: dict[str, Any]) -> None:
    reader = read("text=b", params=params)
    assert (reader.values, reader.faults) == (values, [])
    json.dumps(reader.values)


def test_a_document_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("tags: [1]\n")
    assert read(params=f"@{tmp_path / 'all.yaml'}").values == {"tags": [1]}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("[1]", "expected an object"),
        ("3", "expected an object"),
        ("", "expected an object"),
        ("{a: [", "--params is neither JSON nor YAML"),
        ("!!python/object:os.system {}", "--params is neither JSON nor YAML"),
        ("2026-05-01: x", "--params is neither JSON nor YAML"),
        ("2026-13-45", "--params is neither JSON nor YAML"),
        ("@no-such-file", "cannot read no-such-file"),
        ('{"a": ' + "[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_document_that_cannot_be_read_is_told(params: str, message: str) -> None:
    faults = read(params=params).faults
    assert [fault.path for fault in faults] == ["--params"]
    assert faults[0].message.startswith(message)


def test_stdin_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from stdin"))
    reader = read("text=@-", "pin=@-")
    assert reader.values == {"text": "from stdin"}
    assert [(fault.path, fault.message) for fault in reader.faults] == [
        ("pin", "stdin can be read only once")
    ]


@pytest.mark.parametrize(
    ("item", "warned"),
    [
        ("pin=1234", True),
        ('pin:="1234"', True),
        ("login.pin=1234", True),
        ('login={"pin": "1234"}', True),
        ("pin=key://mine", False),
        ("text=1234", False),
    ],
)
def test_a_secret_on_the_command_line_is_warned_about_and_not_repeated(item: str, *, warned: bool) -> None:
    reader = read(item)
    assert bool(reader.warnings) is warned
    assert not any("1234" in warning for warning in reader.warnings)


def test_a_secret_from_a_file_is_not_warned_about(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("1234")
    reader = read(f"pin=@{tmp_path / 'pin'}")
    assert (reader.values, reader.warnings) == ({"pin": "1234"}, [])


@given(st.text())
def test_any_text_can_be_given_to_a_text_parameter(text: str) -> None:
    typed = f"@{text}" if text.startswith("@") else text
    assert read(f"text={typed}").values == {"text": text}


@given(st.text())
def test_no_word_is_a_crash(word: str) -> None:
    reader = read(word, f"text.{word}", f"n={word}", f"object.{word}=1")
    assert reader.faults
