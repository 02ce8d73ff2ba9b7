from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from attune_cli import __version__, errors
from attune_cli.commands.help import TOPICS, exit_codes
from attune_cli.config import SETTINGS

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_every_topic_can_be_read_as_text_and_as_json(run: Run) -> None:
    for topic in TOPICS:
        assert len(run("help", topic).stdout) > 200, topic
        json.loads(run("help", topic, "-j").stdout)
    assert run("help", "-q").stdout.split() == list(TOPICS)


def test_the_exit_codes_are_those_of_the_error_classes(run: Run) -> None:
    listed = {
        (record["exit_code"], record["name"]) for record in json.loads(run("help", "exit-codes", "-j").stdout)
    }
    classes = {(kind.exit_code, kind.default_code) for kind in errors.AttuneError.__subclasses__()}
    assert classes <= listed
    assert len(exit_codes()) == len({record["exit_code"] for record in exit_codes()})


def test_the_environment_topic_names_every_setting(run: Run) -> None:
    text = run("help", "environment").stdout
    assert all(f"ATTUNE_{name.upper()}" in text for name in SETTINGS)


@pytest.mark.parametrize(
    ("topic", "hint"), [("exitcodes", "did you mean exit-codes?"), ("zebra", "attune help")]
)
def test_an_unknown_topic_is_not_found(run: Run, topic: str, hint: str) -> None:
    result = run("help", topic)
    assert (result.exit_code, result.stderr) == (3, f"error: no help topic {topic!r}\nhint: {hint}\n")


def test_version_tells_all_versions(run: Run) -> None:
    record = json.loads(run("version", "-j").stdout)
    assert record["version"] == __version__
    assert {"python", "sqlite", "platform"} <= set(record)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("timer", "rm"), "attune rule delete: a timer is a rule"),
        (("timer", "disable"), "attune rule disable: a timer is a rule"),
        (("run", "clean"), "attune run PACK.clean: a ref holds a dot; attune action list"),
    ],
)
def test_a_word_that_belongs_elsewhere_is_told_where(run: Run, words: tuple[str, str], hint: str) -> None:
    refused = run(*words, "x")
    assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (2, f"hint: {hint}")
