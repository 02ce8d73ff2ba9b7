"""Behind `attune notify`: reading what a channel is to be, adding it, and trying whether anybody hears it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.errors import NotFoundError, RunFailedError, UsageError
from attune_cli.invocation import progress
from attune_cli.runtime.channels.sending import check, send
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.host import open_store, open_store_for_reading
from attune_cli.runtime.model.notices import Notice, Rate, Subjects, Wish
from attune_cli.runtime.services import channels
from attune_cli.runtime.services.channels import NewChannel
from attune_cli.runtime.store.sealing import Sealer
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.context import Context

_TEST = Notice(title="attune can be heard here", body="This was sent by attune notify test.", level="info")


@immutable(kw_only=True)
class ChannelOptions:
    """The options of `attune notify add`, as typed."""

    on: Sequence[str] = ()
    pack: Sequence[str] = ()
    rule: Sequence[str] = ()
    action: Sequence[str] = ()
    trigger: Sequence[str] = ()
    rate: str | None = None

    def wish(self, key: str | None) -> Wish:
        """Return what they mean; raises UsageError for what means nothing."""
        return Wish(
            on=channels.read_on(name for word in self.on for name in word.split(",")),
            subjects=Subjects(
                packs=tuple(self.pack),
                rules=tuple(self.rule),
                actions=tuple(self.action),
                triggers=tuple(self.trigger),
            ),
            rate=Rate() if self.rate is None else channels.read_rate(self.rate),
            key=key,
        )


def add(context: Context, name: str, word: str, options: ChannelOptions, *, replace: bool) -> None:
    """Add a channel, or change it; its URL is checked before anything is kept."""
    key = channels.key_in(word)
    wish = options.wish(key)
    sealer = Sealer(context.home.secret_key)
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        channels.check(tx, NewChannel(name=name, url=None, scheme="", wish=wish), replace=replace)
        is_new = all(record["name"] != name for record in channels.list_channels(tx))
        url = None if key is None else channels.url_in_key(tx, key, sealer)
    with progress(context, "checking the URL"):
        checked = check(_url(context, word) if url is None else url)
    done = "made" if is_new else "changed"
    if context.dry_run:
        context.out.note(f"channel {name} ({checked.scheme}) would be {done}")
        return
    new = NewChannel(name=name, url=None if key else checked.url, scheme=checked.scheme, wish=wish)
    with open_store(context.home, context.settings).write(SystemClock().now()) as tx:
        channels.check(tx, new, replace=replace)
        record = channels.put(tx, new, sealer=sealer, replace=replace)
    context.out.outcome(record, [name])
    context.out.note(f"channel {name} {done}")
    if not wish.on:
        context.out.note(f"without --on it is told only of rules that name it: notify: [{name}]")
    context.out.hint(f"attune notify test {name}")


def _url(context: Context, word: str) -> str:
    """Return the URL that a word is, or says where to read."""
    if word == "-":
        return sys.stdin.read().strip()
    if word.startswith("@"):
        path = Path(word[1:])
        try:
            return path.read_text("utf-8").strip()
        except FileNotFoundError as error:
            raise NotFoundError(f"no file {str(path)!r}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read as text") from error
    context.out.warning(
        "the URL of a channel is secret, and a command line can be read by others: @FILE, - or key://REF"
    )
    return word


def try_out(context: Context, names: Sequence[str]) -> None:
    """Send a test message to each channel; raises RunFailedError when one does not take it."""
    sealer = Sealer(context.home.secret_key)
    with open_store_for_reading(context.home, context.settings).read(SystemClock().now()) as tx:
        urls = {one.name: channels.url_of(tx, one, sealer) for one in channels.find_all(tx, names)}
    results: list[dict[str, object]] = []
    for name, url in urls.items():
        with progress(context, f"sending to {name}"):
            reason = send(url, _TEST)
        results.append({"kind": "channel_test", "name": name, "sent": reason is None, "error": reason})
        context.out.note(f"channel {name}: {'sent' if reason is None else reason}")
    context.out.outcome(
        {"kind": "outcome", "tests": results}, [one["name"] for one in results if one["sent"]]
    )
    failed = [one for one in results if not one["sent"]]
    if failed:
        raise RunFailedError(
            f"{len(failed)} of {len(results)} channels did not take the message",
            code="not_sent",
            hint="attune notify add NAME URL --replace gives a channel another URL",
        )
