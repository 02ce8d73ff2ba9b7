"""The parameter documents, by property: what an action reads is what was given (domain.md 2.3)."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from attune_cli.runtime.runners.documents import inline_shell_script, parameter_document

TEXT = st.text(st.characters(blacklist_categories=["Cs"]))
NAMES = TEXT.filter(bool)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=6)


@given(PARAMETERS)
def test_json_is_one_line_that_reads_back(parameters: dict[str, Any]) -> None:
    document = parameter_document(parameters, "json")
    assert document.endswith(b"\n")
    assert document.count(b"\n") == 1
    assert json.loads(document) == parameters


YAML_TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufeff\ufffe\uffff")
)


@given(
    st.dictionaries(YAML_TEXT.filter(bool), st.none() | st.booleans() | st.integers() | YAML_TEXT, max_size=5)
)
def test_yaml_is_a_mapping_that_reads_back(parameters: dict[str, Any]) -> None:
    document = parameter_document(parameters, "yaml")
    assert document.endswith(b"\n")
    assert not document.endswith(b"\n\n")
    assert yaml.safe_load(document) == parameters


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True), TEXT.filter(lambda text: "\0" not in text)
    )
)
def test_dotenv_lines_are_sorted_and_a_shell_reads_them_back(parameters: dict[str, str]) -> None:
    words = shlex.split(parameter_document(parameters, "dotenv").decode())
    assert words == [f"{name}={parameters[name]}" for name in sorted(parameters)]


@pytest.mark.parametrize(
    ("parameters", "document"),
    [
        ({}, "\n"),
        ({"empty": {}}, "\n"),
        ({"empty": []}, "empty='[]'\n"),
        ({"b": 1, "A": 2, "a": 3}, "A='2'\na='3'\nb='1'\n"),
        ({"a": {"c": {"d": 1}, "b": [1, {"x": None}]}}, "a.b='[1,{\"x\":null}]'\na.c.d='1'\n"),
        ({"on": True, "off": False, "null": None, "f": 1.5}, "f='1.5'\nnull=''\noff='false'\non='true'\n"),
        ({"q": "it's '"}, "q='it'\\''s '\\'''\n"),
    ],
)
def test_dotenv_as_the_contract_says(parameters: dict[str, Any], document: str) -> None:
    assert parameter_document(parameters, "dotenv").decode() == document


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXT.filter(lambda text: "\0" not in text), min_size=1, max_size=5))
def test_bash_finds_every_text_unchanged_in_an_inline_script(texts: list[str]) -> None:
    parameters = {f"p{number}": text for number, text in enumerate(texts)}
    code = 'printf "%s\\0" ' + " ".join(f'"$p{number}" "$PARAM_P{number}"' for number in range(len(texts)))
    done = subprocess.run(
        ["/bin/bash", "-c", 'eval "$(</dev/stdin)"'],
        input=inline_shell_script(code, parameters, ()),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    assert done.stdout.decode().split("\0")[:-1] == [text for text in texts for _ in range(2)]


@given(PARAMETERS)
def test_no_parameter_name_or_value_becomes_code(parameters: dict[str, Any]) -> None:
    script = inline_shell_script(":", parameters, ()).decode()
    words = shlex.split(script)
    assert words[:4] == ["exec", "</dev/null", "set", "-e"]
    assert words[-1] == ":"
    names = [word.partition("=")[0] for word in words[4:-1]]
    assert all(name.isascii() and name.isidentifier() for name in names)
