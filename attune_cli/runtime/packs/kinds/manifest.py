"""`pack.yaml`, in either dialect (domain.md 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.model.refs import PACK_REF_RULE, is_pack_ref, label_of
from attune_cli.runtime.model.versions import is_semver, parse_requirement
from attune_cli.runtime.packs.fields import text_members

if TYPE_CHECKING:
    from attune_cli.runtime.model.actions import Json
    from attune_cli.runtime.packs.fields import Fields

ABOUT = ("author", "email", "license", "homepage", "repository")
RUNNER_TYPES = ("script", "unittest", "pytest")
RESULT_FORMATS = ("simple", "json")


def decode_manifest(fields: Fields, folder_name: str) -> PackManifest:
    """Read the manifest; a missing or bad ref is reported, and the folder's name taken for the rest."""
    ref = _ref(fields, folder_name)
    manifest = PackManifest(
        ref=ref,
        label=fields.text("label", "name") or label_of(ref),
        version=_version(fields),
        description=fields.text("description"),
        conf_schema=fields.schema("conf_schema", "config_schema"),
        config=fields.mapping("config"),
        meta=fields.mapping("meta", "metadata"),
        tags=fields.texts("tags", "keywords"),
        runtime_deps=(*_requirements(fields, "runtime_deps"), *_interpreters(fields)),
        dependencies=_dependencies(fields),
        is_standard=fields.flag("system"),
        enabled=fields.flag("enabled", default=True),
        about=text_members({name: fields.text(name) or None for name in ABOUT}),
        testing=_testing(fields),
        max_stdout_bytes=fields.integer("max_stdout_bytes", minimum=1),
        max_stderr_bytes=fields.integer("max_stderr_bytes", minimum=1),
    )
    fields.finish()
    return manifest


def _ref(fields: Fields, folder_name: str) -> str:
    fields.require("ref")
    ref = fields.text("ref", default=folder_name)
    if is_pack_ref(ref):
        return ref
    if fields.has("ref"):
        fields.error(f"'{ref}' is not a pack ref: {PACK_REF_RULE}", "ref")
    return folder_name


def _version(fields: Fields) -> str:
    fields.require("version")
    version = fields.text("version")
    if version and not is_semver(version):
        fields.error(f"'version': expected three numbers like 1.4.2 (semver), got '{version}'", "version")
    return version


def _requirements(fields: Fields, name: str) -> tuple[str, ...]:
    written = fields.texts(name)
    for index, text in enumerate(written):
        try:
            parse_requirement(text)
        except ValueError as fault:
            fields.error(f"'{name}[{index}]': {fault}", name, index)
    return written


def _dependencies(fields: Fields) -> tuple[str, ...]:
    """Read pack dependencies: texts, or the documented objects with `ref` and `version`."""
    if any(isinstance(item, dict) for item in fields.items("dependencies")):
        written = [_dependency_object(inner) for inner in fields.each("dependencies")]
        return tuple(text for text in written if text)
    return _requirements(fields, "dependencies")


def _dependency_object(inner: Fields) -> str:
    inner.require("ref")
    text = f"{inner.text('ref')} {inner.text('version')}".strip()
    inner.finish()
    try:
        parse_requirement(text)
    except ValueError as fault:
        inner.error(str(fault))
    return text


def _interpreters(fields: Fields) -> tuple[str, ...]:
    """Read `python: "3.9"` and `nodejs: "18"`, which ask for that version or a later one."""
    found: list[str] = []
    for key, runtime in (("python", "python3"), ("nodejs", "nodejs")):
        version = fields.text(key)
        if version:
            requirement = f"{runtime}>={version}" if version[0].isdigit() else f"{runtime}{version}"
            found.append(requirement)
    return tuple(found)


def _testing(fields: Fields) -> dict[str, Json]:
    """Check the `testing` section and return it as written (domain.md 1.12)."""
    testing = fields.optional("testing")
    if testing is None:
        return {}
    testing.flag("enabled")
    testing.require("discovery")
    discovery = testing.optional("discovery")
    if discovery is not None:
        discovery.text("method")
        discovery.text("path")
        discovery.finish()
    testing.require("runners")
    for name in testing.mapping("runners"):
        _test_runner(testing.within("runners", name))
    testing.finish(ignored={"result_path", "min_pass_rate", "on_failure"})
    return testing.members


def _test_runner(runner: Fields) -> None:
    runner.choice("type", RUNNER_TYPES, default="script")
    runner.require("entry_point")
    runner.text("entry_point")
    runner.seconds("timeout", above_zero=True)
    runner.choice("result_format", RESULT_FORMATS, default="simple")
    runner.finish(ignored={"result_path", "min_pass_rate", "on_failure"})
