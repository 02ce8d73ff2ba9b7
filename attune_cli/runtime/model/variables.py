"""Secret values: which environment variables hold some, by their names (ADR 0037), and how they look in output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECRET_NAME = re.compile(
    r"""(^|_) (
          [A-Z0-9]* (TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY)
        | PASS | KEY | PRIVATE | AUTH
        ) (_|$)""",
    re.VERBOSE,
)
_NO_SECRETS = {"true", "false", "none", "null"}


def looks_secret(name: str) -> bool:
    """Tell whether a variable's name says that its value is secret: `GITHUB_TOKEN`, `dbPassword`, not `KEYBOARD`."""
    return _SECRET_NAME.search(name.upper().replace("-", "_").replace(".", "_")) is not None


def secret_values(variables: Mapping[str, str]) -> list[str]:
    """Return the values by whose names they are secret; a switch is none."""
    return [
        value for name, value in variables.items() if looks_secret(name) and value.lower() not in _NO_SECRETS
    ]


def words_of(value: object) -> list[str]:
    """Return the texts by which a secret value would be recognised in output."""
    if isinstance(value, dict):
        return [word for item in cast("dict[str, object]", value).values() for word in words_of(item)]
    if isinstance(value, list):
        return [word for item in cast("list[object]", value) for word in words_of(item)]
    if value is None or isinstance(value, bool):
        return []
    return [str(value)]
