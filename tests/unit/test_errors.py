from __future__ import annotations

import re

import pytest

from attune_cli import errors
from attune_cli.errors import AttuneError, Detail, did_you_mean
from attune_cli.output import Printer

CLASSES = AttuneError.__subclasses__()


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn = {name: int(code) for name, code in re.findall(r"── (\w+) +(\d+)  \S", errors.__doc__ or "")}
    assert drawn == {kind.__name__: kind.exit_code for kind in CLASSES}


def test_every_branch_has_an_exit_code_and_a_word_of_its_own() -> None:
    assert (
        len({kind.exit_code for kind in CLASSES})
        == len({kind.default_code for kind in CLASSES})
        == len(CLASSES)
    )


def test_no_error_has_a_code_that_belongs_to_shells_or_success() -> None:
    assert {kind.exit_code for kind in CLASSES} & {0, 125, 126, 127} == set()


def test_what_may_be_tried_again_says_so() -> None:
    assert {kind.exit_code for kind in CLASSES if kind.retryable} == {6, 8}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_both_forms(kind: type[AttuneError], capsys: pytest.CaptureFixture[str]) -> None:
    error = kind("it went wrong", hint="attune doctor", details=[Detail("a", "is odd", 3)])
    Printer().error(error)
    assert capsys.readouterr() == ("", "error: it went wrong\n  a  is odd, got 3\nhint: attune doctor\n")
    Printer(format="json").error(error)
    assert capsys.readouterr().err == (
        f'{{"error":{{"code":"{kind.default_code}","message":"it went wrong","exit_code":{kind.exit_code},'
        f'"retryable":{str(kind.retryable).lower()},"details":[{{"path":"a","message":"is odd","value":3}}],'
        '"hint":"attune doctor"}}\n'
    )


def test_an_error_with_line_ends_is_still_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    Printer(format="json").error(AttuneError("one\ntwo\x1b[2J", details=[Detail("a\n", "b\n", object())]))
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "\x1b" not in text


def test_only_what_is_near_is_suggested() -> None:
    assert did_you_mean("exection", ["execution", "action"]) == "did you mean execution?"
    assert did_you_mean("zebra", ["execution", "action"]) is None
