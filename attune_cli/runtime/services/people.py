"""People: names that are taken on trust, since whoever has the file in hand could write any of them into it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from attune_cli.config import Settings


def login() -> str:
    """Return the name that the system has for whoever runs this process."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number that nobody has
        return str(os.getuid())


def members_of(settings: Settings) -> Callable[[str], Collection[str]]:
    """Return who has a role: the setting `roles` says so, else the system's group of that name."""
    roles = dict(settings.roles)
    return lambda role: roles[role] if role in roles else _group(role)


def _group(name: str) -> Collection[str]:
    import grp
    import pwd

    try:
        group = grp.getgrnam(name)
    except (KeyError, ValueError):  # nor has a name that no system could give
        return ()
    return {*group.gr_mem, *(user.pw_name for user in pwd.getpwall() if user.pw_gid == group.gr_gid)}
