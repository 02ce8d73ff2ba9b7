"""Tells of files that change: one thread for each rule. Its stdin says which rules there are, and ends with the daemon."""

from __future__ import annotations

import json
import os
import sys
import threading
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from watchfiles import Change, watch

LOOK_MILLISECONDS = 1000
"""How often it looks whether the path is still there, or there at last."""

LONGEST_MILLISECONDS = 10_000
"""What changes all the time is told at least so often."""

_stdout = threading.Lock()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Watcher:
    """Watches the path of one rule until it is stopped."""

    def __init__(self, rule: int, config: dict[str, Any]) -> None:
        self.config = config
        self._rule = rule
        self._path = Path(config["path"]).expanduser()
        self._stop = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        if not self._path.is_absolute():
            say(f"rule {self._rule}: {str(self._path)!r} is no path from the root or from ~")
            return
        while not self._stop.is_set():
            if not self._path.exists():
                say(f"waiting for {self._path}")
                while not self._path.exists() and not self._stop.wait(LOOK_MILLISECONDS / 1000):
                    pass
                if not self._stop.is_set():
                    self._tell_all_added()
                continue
            try:
                self._watch()
            except (OSError, RuntimeError) as error:
                say(f"cannot watch {self._path}: {error}")
                self._stop.wait(LOOK_MILLISECONDS / 1000)

    def _tell_all_added(self) -> None:
        """What is in a folder that has just come has come with it."""
        found = [self._path] if self._path.is_file() else sorted(self._path.rglob("*"))
        for path in found:
            if self.config["recursive"] or path.parent in {self._path, self._path.parent}:
                self._tell(path, "added")

    def _watch(self) -> None:
        quiet = round(self.config["quiet_seconds"] * 1000)
        inode = self._path.stat().st_ino
        is_watching = False
        for changes in watch(
            self._path,
            watch_filter=None,
            debounce=max(LONGEST_MILLISECONDS, quiet),
            step=quiet,
            stop_event=self._stop,
            rust_timeout=LOOK_MILLISECONDS,
            yield_on_timeout=True,
            recursive=self.config["recursive"],
        ):
            if not is_watching:
                # Said when the first look is over: from here on nothing is missed.
                is_watching = True
                say(f"watching {self._path}")
            for path, change in merged(changes):
                self._tell(path, change)
            if not self._path.exists() or self._path.stat().st_ino != inode:
                return  # the watch belongs to a file that is gone

    def _tell(self, path: Path, change: str) -> None:
        relative = path.relative_to(self._path) if path != self._path else Path(path.name)
        if change not in self.config["changes"] or path.is_dir() or not self._is_meant(relative):
            return
        event = {
            "trigger_ref": "core.file_changed",
            "trigger_instance_id": f"rule_{self._rule}",
            "payload": {
                "path": str(path),
                "name": path.name,
                "relative_path": str(relative),
                "change": change,
                "size": size_of(path),
            },
        }
        with _stdout:
            print(json.dumps(event), flush=True)

    def _is_meant(self, relative: Path) -> bool:
        if any(fnmatch(part, pattern) for part in relative.parts for pattern in self.config["ignore"]):
            return False
        patterns = self.config["patterns"]
        return not patterns or any(
            fnmatch(relative.name, pattern) or fnmatch(str(relative), pattern) for pattern in patterns
        )


def merged(changes: set[tuple[Change, str]]) -> list[tuple[Path, str]]:
    """Return one change for each path; what came and went at once is left out."""
    by_path: dict[str, set[Change]] = {}
    for change, path in changes:
        by_path.setdefault(path, set()).add(change)
    found: list[tuple[Path, str]] = []
    for path, kinds in sorted(by_path.items()):
        is_there = os.path.lexists(path)
        if not is_there and kinds != {Change.added, Change.deleted} and Change.deleted in kinds:
            found.append((Path(path), "deleted"))
        elif is_there:
            is_new = Change.added in kinds and Change.deleted not in kinds
            found.append((Path(path), "added" if is_new else "modified"))
    return found


def size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def main() -> None:
    watchers: dict[int, Watcher] = {}
    for line in sys.stdin:
        rules = {rule["id"]: rule["config"] for rule in json.loads(line)["triggers"]}
        for rule, watcher in list(watchers.items()):
            if rules.get(rule) != watcher.config:
                watchers.pop(rule).stop()
        for rule, config in rules.items():
            if rule not in watchers:
                watchers[rule] = Watcher(rule, config)


main()
