from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.model.refs import is_pack_ref, is_queue_ref, is_ref, label_of, qualify
from attune_cli.runtime.model.versions import (
    Version,
    is_semver,
    parse_pack_constraint,
    parse_requirement,
    parse_runtime_constraint,
    parse_version,
)

IN_ORDER = (
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.10.0",
)
versions = st.builds(Version, *[st.integers(0, 30)] * 3)


def test_versions_have_the_order_of_semver() -> None:
    parsed = [parse_version(text) for text in IN_ORDER]
    assert sorted(parsed) == parsed
    assert [str(version) for version in parsed] == list(IN_ORDER)


@pytest.mark.parametrize(
    ("constraint", "allowed", "refused"),
    [
        ("3.12", ("3.12.0", "3.12.9"), ("3.11.9", "3.13.0")),
        ("3", ("3.0.0", "3.99.0"), ("4.0.0",)),
        ("~3.12.4", ("3.12.4", "3.12.9"), ("3.12.3", "3.13.0")),
        ("^1.2", ("1.2.0", "1.9.0"), ("1.1.9", "2.0.0")),
        ("^0.3.1", ("0.3.1", "0.3.9"), ("0.4.0",)),
        ("^0.0.3", ("0.0.3",), ("0.0.4",)),
        (">=3.9,<3.13", ("3.9.0", "3.12.9"), ("3.13.0", "3.8.0")),
        ("> 3.9 , <= 3.10", ("3.9.1", "3.10.0"), ("3.9.0", "3.10.1")),
        ("=3.9", ("3.9.0",), ("3.9.1",)),
        ("*", ("0.0.1", "99.0.0"), ()),
        ("", ("0.0.1",), ()),
    ],
)
def test_runtime_constraints_mean_what_the_grammar_says(
    constraint: str, allowed: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    parsed = parse_runtime_constraint(constraint)
    assert [text for text in allowed if not parsed.allows(parse_version(text))] == []
    assert [text for text in refused if parsed.allows(parse_version(text))] == []


def test_a_bare_version_of_a_pack_is_exact() -> None:
    assert parse_pack_constraint("1.2").allows(parse_version("1.2.0"))
    assert not parse_pack_constraint("1.2").allows(parse_version("1.2.1"))


@pytest.mark.parametrize("text", ["x", ">=", "1.2.3.4", ">=1,,<2", "==1", "1 2"])
def test_a_bad_constraint_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="version"):
        parse_runtime_constraint(text)


@pytest.mark.parametrize(
    ("text", "name", "constraint"),
    [("core", "core", ""), ("python3>=3.8", "python3", ">=3.8"), ("green-house ^1.2", "green-house", "^1.2")],
)
def test_requirements_are_a_name_and_a_constraint(text: str, name: str, constraint: str) -> None:
    requirement = parse_requirement(text)
    assert (requirement.name, requirement.constraint.text) == (name, constraint)


@pytest.mark.parametrize(
    ("text", "strict"),
    [("1.0.0", True), ("1.0.0-rc.1+build.5", True), ("1.0", False), ("v1.0.0", False), ("01.0.0", False)],
)
def test_a_packs_version_is_strict_semver(text: str, strict: bool) -> None:
    assert is_semver(text) is strict


@given(versions, versions)
def test_the_operators_agree_with_the_order(low: Version, version: Version) -> None:
    assert parse_runtime_constraint(f">={low}").allows(version) is (version >= low)
    assert parse_runtime_constraint(f"<{low}").allows(version) is (version < low)
    assert parse_runtime_constraint(f"={low}").allows(version) is (version == low)


@given(versions, versions)
def test_what_tilde_allows_caret_allows_from_version_one_on(low: Version, version: Version) -> None:
    if low.major > 0 and parse_runtime_constraint(f"~{low}").allows(version):
        assert parse_runtime_constraint(f"^{low}").allows(version)


def test_refs_have_exactly_two_parts() -> None:
    assert [text for text in ("core.echo", "a-b_c.x1", "ab._x") if not is_ref(text)] == []
    assert [
        text
        for text in ("core", "a.b", "core.a.b", "Core.a", "core.A", ".a", "core.", "core.a\n")
        if is_ref(text)
    ] == []
    assert not is_pack_ref("x")
    assert is_queue_ref("greenhouse.a.b")
    assert (qualify("echo", "core"), qualify("other.echo", "core")) == ("core.echo", "other.echo")
    assert label_of("core.http_request") == "Http Request"
