"""Refs, ids and parameter names for a shell's completion: `python -I -S _complete.py KIND PREFIX [ACTION]`.

Prints `value<TAB>description` lines, and nothing at all when anything is in the way: completion must not disturb.
It stands alone and imports three modules, because importing the package would cost more than the answer (cli.md 4.8).
"""

# pathlib takes longer to import than the answer to find.
# ruff: noqa: PTH100, PTH111, PTH113, PTH118, PTH120

import _sqlite3 as sqlite3  # without its package, which imports datetime and collections for converters
import os
import sys

_PARAMETERS = "action, json_each(action.definition, '$.parameters') AS parameter"
_QUERIES = {
    "action": "SELECT ref, coalesce(nullif(description, ''), label) FROM action WHERE enabled ORDER BY ref",
    "workflow": "SELECT ref, coalesce(nullif(description, ''), label) FROM workflow ORDER BY ref",
    "pack": "SELECT ref, coalesce(nullif(description, ''), label) FROM pack ORDER BY ref",
    "rule": "SELECT ref, coalesce(nullif(description, ''), label) FROM rule ORDER BY ref",
    "trigger": """SELECT ref, coalesce(nullif(description, ''), label) FROM "trigger" ORDER BY ref""",
    "sensor": "SELECT ref, coalesce(nullif(description, ''), label) FROM sensor ORDER BY ref",
    "key": """SELECT ref, owner_type FROM key
        WHERE expires IS NULL OR expires > 1000000 * CAST(strftime('%s', 'now') AS INTEGER) ORDER BY ref""",
    "timer": """SELECT ref, coalesce(nullif(description, ''), label) FROM rule
        WHERE json_extract(definition, '$.trigger_ref') IN (
          'core.intervaltimer', 'core.crontimer', 'core.datetimetimer', 'core.rruletimer') ORDER BY ref""",
    "event": "SELECT id, trigger_ref FROM event ORDER BY id DESC LIMIT 50",
    "enforcement": "SELECT id, rule_ref || ' ' || status FROM enforcement ORDER BY id DESC LIMIT 50",
    "inquiry": "SELECT id, prompt FROM inquiry WHERE status = 'pending' ORDER BY id LIMIT 50",
    "execution": "SELECT id, action_ref || ' ' || status FROM execution ORDER BY id DESC LIMIT 50",
    "task": """
        SELECT task.value ->> 'name', coalesce(task.value ->> 'action', task.value ->> 'type')
        FROM workflow, json_each(workflow.definition, '$.tasks') AS task
        WHERE ref = :action OR ref = (SELECT action_ref FROM execution WHERE id = :action)
    """,
    "parameter": f"""
        SELECT parameter.key || '=', coalesce(parameter.value ->> 'description', parameter.value ->> 'type')
        FROM {_PARAMETERS} WHERE ref = :action
        UNION ALL
        SELECT parameter.key || '=' || choice.value, ''
        FROM {_PARAMETERS}, json_each(parameter.value, '$.enum') AS choice WHERE ref = :action
        UNION ALL
        SELECT parameter.key || '=' || choice.value, ''
        FROM {_PARAMETERS}, json_each('["true", "false"]') AS choice
        WHERE ref = :action AND parameter.value ->> 'type' = 'boolean'
    """,  # noqa: S608 - composed of constants of this file
}
_LONGEST_DESCRIPTION = 60


def main(arguments: list[str]) -> int:
    """Print what begins with the prefix."""
    kind, prefix, action, *_ = [*arguments, "", "", ""]
    try:
        lines = candidates(home(), kind, prefix, action)
        sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except (OSError, sqlite3.Error, KeyError):
        return 1
    return 0


def candidates(folder: str, kind: str, prefix: str, action: str) -> list[str]:
    """Return the lines; values of a parameter only after its `name=`. Raises sqlite3.Error or KeyError."""
    path = folder.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{path}/attune.db?mode=ro", uri=True, timeout=0.2)
    try:
        rows = connection.execute(
            _QUERIES[kind], {"action": action} if kind in ("parameter", "task") else {}
        ).fetchall()
    finally:
        connection.close()
    matching = [(str(value), text) for value, text in rows if str(value).startswith(prefix)]
    if kind == "parameter":
        matching = [(value, text) for value, text in matching if ("=" in prefix) != value.endswith("=")]
    return [f"{value}\t{_one_line(text or '')}" for value, text in matching]


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:_LONGEST_DESCRIPTION]


def home() -> str:
    """Return what `attune_cli.config.Home.resolve` returns without options (a test compares both)."""
    if os.environ.get("ATTUNE_HOME"):
        return os.path.abspath(os.environ["ATTUNE_HOME"])
    folder = os.path.abspath(os.environ.get("ATTUNE_PROJECT") or ".")
    while not os.path.isfile(os.path.join(folder, "attune.toml")):
        if folder == os.path.dirname(folder):
            return _user_folder()
        folder = os.path.dirname(folder)
    return os.path.join(folder, ".attune")


def _user_folder() -> str:
    named = os.environ.get("XDG_DATA_HOME", "")
    if named.startswith("/"):
        return os.path.join(named, "attune")
    data = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    return os.path.join(os.path.expanduser("~"), data, "attune")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
