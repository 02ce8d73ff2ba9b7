"""The simple templates: dotted paths and nothing else (domain.md 4.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune_cli.runtime.model.templates import look_up, render

NAMES: dict[str, Any] = {
    "n": 3,
    "text": "a b",
    "none": None,
    "list": [{"name": "first"}, "second"],
    "parameters": {"flag": True, "0": "key that looks like an index", "ü": "umlaut"},
    "braces": "{{ n }}",
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ n }}", 3),
        ("{{n}}", 3),
        ("  {{ n }}\n", 3),
        ("{{ list }}", NAMES["list"]),
        ("{{ list.0.name }}", "first"),
        ("{{ list.1 }}", "second"),
        ("{{ list.2 }}", None),
        ("{{ list.-1 }}", None),
        ("{{ list.name }}", None),
        ("{{ parameters.flag }}", True),
        ("{{ parameters.0 }}", "key that looks like an index"),
        ("{{ parameters.ü }}", "umlaut"),
        ("{{ n.deeper }}", None),
        ("{{ text.0 }}", None),
        ("{{ gone }}", None),
        ("{{ none }}", None),
    ],
)
def test_a_string_that_is_one_template_keeps_the_type(template: str, value: object) -> None:
    assert render(template, NAMES) == value


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("n={{ n }}, {{text}}!", "n=3, a b!"),
        ("[{{ gone }}{{ none }}]", "[]"),
        ("{{ list }}{{ parameters.flag }}", '[{"name":"first"},"second"]true'),
        ("{{ braces }} stays", "{{ n }} stays"),
        ("no template", "no template"),
        ("{ n } {{}} {{ }} }} {{", "{ n } {{}} {{ }} }} {{"),
        ("{{ n + 1 }} {% if n %} {# n #}", "{{ n + 1 }} {% if n %} {# n #}"),
        ("{{ n | upper }}", "{{ n | upper }}"),
    ],
)
def test_inside_other_text_values_become_text_and_what_is_no_path_stays(template: str, text: str) -> None:
    assert render(template, NAMES) == text


def test_templates_are_filled_in_at_every_depth_and_names_of_members_are_not() -> None:
    document = {"{{ n }}": [{"deep": "{{ n }}"}, "{{ text }}", 4, None]}
    assert render(document, NAMES) == {"{{ n }}": [{"deep": 3}, "a b", 4, None]}


def test_what_is_given_is_not_changed() -> None:
    before = json.dumps(NAMES)
    rendered = render({"x": "{{ list }}"}, NAMES)
    assert isinstance(rendered, dict)
    assert json.dumps(NAMES) == before


@settings(max_examples=50)
@given(JSON.filter(lambda value: "{{" not in json.dumps(value)))
def test_a_document_without_templates_stays_as_it_is(document: object) -> None:
    assert render(document, NAMES) == document


@given(st.text(), JSON)
def test_no_path_raises(path: str, value: object) -> None:
    look_up(path, {"value": value})
    look_up(f"value.{path}", {"value": value})
    render("{{ " + path + " }}", {"value": value})
