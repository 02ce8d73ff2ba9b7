"""Files that make a service manager run the daemon: a unit for systemd, a property list for launchd."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import ConflictError, UnavailableError
from attune_cli.serving.background import place_words

if TYPE_CHECKING:
    from attune_cli.context import Context

_UNIT = """\
[Unit]
Description=Attune ({home})
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
{user}ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=1
SuccessExitStatus=143
WatchdogSec=30
# Runs outlive a restart of the daemon: only the daemon itself is ended, never its supervisor.
KillMode=process
UMask=0077

[Install]
WantedBy={target}
"""


def systemd_unit(context: Context, *, user: bool) -> str:
    """Return a unit file (systemd.service(5)) for this home."""
    words = [*_program(), *place_words(context), "serve", "--log-format", "json"]
    owner = "" if user else _owner(context.home.path)
    # A unit's own language has specifiers and variables, inside of quotes, too.
    command = " ".join(shlex.quote(word.replace("%", "%%").replace("$", "$$")) for word in words)
    return _UNIT.format(
        home=str(context.home.path).replace("%", "%%"),
        command=command,
        user=f"User={owner}\n" if owner else "",
        target="default.target" if user else "multi-user.target",
    )


def launchd_list(context: Context) -> str:
    """Return a property list (launchd.plist(5)) for this home."""
    import plistlib

    return plistlib.dumps(
        {
            "Label": "attune",
            "ProgramArguments": [*_program(), *place_words(context), "serve"],
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "AbandonProcessGroup": True,
        }
    ).decode()


def place(text: str, *, systemd: bool, user: bool, dry_run: bool) -> tuple[Path, list[str]]:
    """Write the file where its service manager looks; returns where, and the commands that come next.

    Raises ConflictError when another file is there, UnavailableError when it cannot be written.
    """
    path = _folder(systemd=systemd, user=user) / ("attune.service" if systemd else "attune.plist")
    if path.exists() and path.read_text("utf-8") != text:
        raise ConflictError(f"{path} is there already, and is another", hint=f"rm {path}")
    if not dry_run:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise UnavailableError(
                f"{path} cannot be written: {error.strerror}",
                hint=f"attune engine install --{'systemd' if systemd else 'launchd'} --user --write",
            ) from error
    if not systemd:
        return path, [f"launchctl load {path}"]
    scope = " --user" if user else ""
    return path, [f"systemctl{scope} daemon-reload", f"systemctl{scope} enable --now attune"]


def _folder(*, systemd: bool, user: bool) -> Path:
    if systemd:
        return Path.home() / ".config/systemd/user" if user else Path("/etc/systemd/system")
    return Path.home() / "Library/LaunchAgents" if user else Path("/Library/LaunchDaemons")


def _program() -> list[str]:
    """Return the words that call this attune, which need not be the first of PATH."""
    called = Path(sys.argv[0]).absolute()
    return (
        [str(called)]
        if called.name == "attune" and called.is_file()
        else [sys.executable, "-m", "attune_cli"]
    )


def _owner(home: Path) -> str:
    """Return who owns the home, or the folder that it will be made in; "" for root, as whom a service runs anyway."""
    import pwd

    folder = next(path for path in (home, *home.parents) if path.exists())
    number = folder.stat().st_uid
    if number == 0:
        return ""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
