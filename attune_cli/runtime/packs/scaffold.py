"""New packs and actions: files that work as they are, to be changed (cli.md 3.9, `pack new`, `action new`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, get_args

from attune_cli.errors import ConflictError, Detail, NotFoundError, UsageError, did_you_mean
from attune_cli.runtime.model.refs import (
    PACK_REF_RULE,
    REF_RULE,
    is_pack_ref,
    is_ref,
    label_of,
    name_of,
    pack_of,
)
from attune_cli.runtime.packs.files import EXECUTABLE_MODE
from attune_cli.runtime.packs.source import MANIFEST_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Language = Literal["python", "shell", "node"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_SUFFIXES: Mapping[Language, str] = {"python": "py", "shell": "sh", "node": "js"}

_MANIFEST = """\
ref: {ref}
label: {label}
version: 0.1.0
description: Says hello.
tags: []

testing:
  enabled: true
  discovery: {{method: directory, path: tests}}
  runners:
    actions: {{type: script, entry_point: tests/run.sh, timeout: 60}}
"""

_README = """\
# {label}

    attune pack validate {ref} --strict
    attune pack test {ref}
    attune pack install {ref} --link
    attune run action {ref}.hello name=Ada
"""

_ACTION = """\
ref: {ref}
label: {label}
description: Greet somebody.
runner_type: {language}
entry_point: {script}
parameter_format: {parameter_format}
output_format: {output_format}
parameters:
  name:
    type: string
    description: Whom to greet.
    default: world
    position: 0
{output}"""

_JSON_OUTPUT = """\
output:
  greeting: {type: string, required: true}
"""

_SCRIPTS: Mapping[Language, str] = {
    "shell": """\
#!/bin/bash
# The parameters arrive on stdin as quoted assignments, here name='…'.
eval "$(</dev/stdin)"
printf 'Hello, %s!\\n' "$name"
""",
    "python": """\
import json
import sys

parameters = json.load(sys.stdin)
print(json.dumps({"greeting": f"Hello, {parameters['name']}!"}))
""",
    "node": """\
const parameters = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify({ greeting: `Hello, ${parameters.name}!` }));
""",
}

_TEST = """\
#!/bin/sh
# Runs in the pack folder; the lines at the end are counted.
answer=$(printf '%s\\n' {input} | {program} actions/{script})
case "$answer" in
*"Hello, Ada!"*)
    printf 'Total Tests: 1\\nPassed: 1\\nFailed: 0\\nSkipped: 0\\n'
    ;;
*)
    printf 'expected a greeting for Ada, got: %s\\n' "$answer"
    printf 'Total Tests: 1\\nPassed: 0\\nFailed: 1\\nSkipped: 0\\n'
    exit 1
    ;;
esac
"""

_WORKFLOW = """\
ref: {ref}
label: {label}
description: Greets two people at once, then counts them.
version: 0.1.0
parameters:
  names:
    type: array
    description: Whom to greet.
    items: {{type: string}}
    default: [Ada, Grace]
    position: 0
output:
  greeted: {{type: integer}}

tasks:
  - name: greet
    action: core.echo
    with_items: "{{{{ parameters.names }}}}"
    concurrency: 2
    input:
      message: "Hello, {{{{ item }}}}!"
    next:
      - when: "{{{{ succeeded() }}}}"
        publish:
          - greeted: "{{{{ length(result()) }}}}"
        do: [report]

  - name: report
    action: core.echo
    input:
      message: "greeted {{{{ greeted }}}}"

output_map:
  greeted: "{{{{ greeted }}}}"
"""

_PROGRAMS: Mapping[Language, str] = {"shell": "/bin/bash", "python": "python3", "node": "node"}


def new_pack(ref: str, parent: Path, language: Language = "shell", *, dry_run: bool = False) -> list[Path]:
    """Write a pack with one tested action into `parent/ref` and return its files.

    Raises UsageError for a bad ref, ConflictError when a file is there already; then nothing is written.
    """
    if not is_pack_ref(ref):
        raise UsageError(f"'{ref}' is not a pack ref: {PACK_REF_RULE}", hint="attune pack new my_pack")
    script = f"hello.{_SUFFIXES[language]}"
    given = "\"name='Ada'\"" if language == "shell" else '\'{"name": "Ada"}\''
    files = {
        "pack.yaml": _MANIFEST.format(ref=ref, label=label_of(ref)),
        "README.md": _README.format(ref=ref, label=label_of(ref)),
        **_action_files(f"{ref}.hello", language),
        "tests/run.sh": _TEST.format(program=_PROGRAMS[language], script=script, input=given),
    }
    return _write(parent / ref, files, dry_run=dry_run)


def new_action(ref: str, folder: Path, language: Language = "shell", *, dry_run: bool = False) -> list[Path]:
    """Write an action with its script into the pack at (or above) `folder` and return the files.

    Raises UsageError for a bad ref, NotFoundError when there is no such pack, ConflictError as `new_pack`.
    """
    if not is_ref(ref):
        raise UsageError(
            f"'{ref}' is not an action ref: {REF_RULE}", hint="attune action new my_pack.my_action"
        )
    return _write(_pack_folder(folder, pack_of(ref)), _action_files(ref, language), dry_run=dry_run)


def new_workflow(ref: str, folder: Path, *, dry_run: bool = False) -> list[Path]:
    """Write a workflow of two tasks into a pack; finds that, and raises, as `new_action` does."""
    if not is_ref(ref):
        raise UsageError(
            f"'{ref}' is not a workflow ref: {REF_RULE}", hint="attune workflow new my_pack.my_workflow"
        )
    text = _WORKFLOW.format(ref=ref, label=label_of(ref))
    return _write(
        _pack_folder(folder, pack_of(ref)),
        {f"workflows/{name_of(ref)}.workflow.yaml": text},
        dry_run=dry_run,
    )


def language_of(text: str) -> Language:
    """Check a language's name; raises UsageError."""
    for language in LANGUAGES:
        if language == text:
            return language
    raise UsageError(f"no language '{text}': {', '.join(LANGUAGES)}", hint=did_you_mean(text, LANGUAGES))


def _action_files(ref: str, language: Language) -> dict[str, str]:
    name = name_of(ref)
    script = f"{name}.{_SUFFIXES[language]}"
    shell = language == "shell"
    definition = _ACTION.format(
        ref=ref,
        label=label_of(ref),
        language=language,
        script=script,
        parameter_format="dotenv" if shell else "json",
        output_format="text" if shell else "json",
        output="" if shell else _JSON_OUTPUT,
    )
    return {f"actions/{name}.yaml": definition, f"actions/{script}": _SCRIPTS[language]}


def _pack_folder(start: Path, pack_ref: str) -> Path:
    """Return the folder of a pack: this one or one above it, one below it, or one in `packs/`."""
    here = start.resolve()
    places = [here, *here.parents, here / pack_ref, here / "packs" / pack_ref]
    for place in places:
        if any(_names(place / name, pack_ref) for name in MANIFEST_NAMES):
            return place
    raise NotFoundError(
        f"no folder of pack '{pack_ref}' in {start} or above", hint=f"attune pack new {pack_ref}"
    )


def _names(manifest: Path, pack_ref: str) -> bool:
    if not manifest.is_file():
        return False
    from attune_cli.runtime.packs.documents import DocumentError, parse_document

    try:
        value = parse_document(manifest.read_bytes()).value
    except DocumentError:
        return False
    return isinstance(value, dict) and cast("dict[str, object]", value).get("ref") == pack_ref


def _write(folder: Path, files: Mapping[str, str], *, dry_run: bool) -> list[Path]:
    present = [folder / name for name in files if (folder / name).exists()]
    if present:
        raise ConflictError(
            f"{folder} has such files already; nothing was written",
            code="file_exists",
            details=[Detail(str(path), "exists") for path in present],
        )
    for name, text in files.items() if not dry_run else ():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if name.endswith(".sh"):
            path.chmod(EXECUTABLE_MODE)
    return [folder / name for name in files]
