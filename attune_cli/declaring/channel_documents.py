"""Channels as documents: what each wants to hear of. Where it leads, only a key may say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from attune_cli.errors import AttuneError, NotFoundError, UsageError
from attune_cli.runtime.model.notices import Rate, Subjects, Wish
from attune_cli.runtime.model.quantities import format_duration, parse_duration
from attune_cli.runtime.services import channels as services
from attune_cli.runtime.store import channels
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from attune_cli.declaring.rule_documents import Document
    from attune_cli.runtime.packs.fields import Fields
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer


@immutable(kw_only=True)
class DeclaredChannel:
    """A channel that is to be so. Without a key in its wish, the URL it has is kept."""

    name: str
    wish: Wish
    enabled: bool


@immutable
class ChannelKind:
    identified_by: str = "name"

    def decode(self, fields: Fields) -> DeclaredChannel:
        fields.require("name")
        subjects = Subjects(
            packs=fields.texts("packs"),
            rules=fields.texts("rules"),
            actions=fields.texts("actions"),
            triggers=fields.texts("triggers"),
        )
        wish = Wish(on=_on(fields), subjects=subjects, rate=_rate(fields), key=_key(fields))
        declared = DeclaredChannel(
            name=fields.text("name"), wish=wish, enabled=fields.flag("enabled", default=True)
        )
        fields.finish()
        return declared

    def current(self, tx: Transaction, ref: str) -> Document | None:
        channel = channels.get(tx, ref)
        return (
            None
            if channel is None
            else _document(ref, Wish.from_json(channel.filter), enabled=channel.enabled)
        )

    def keep(self, tx: Transaction, declared: DeclaredChannel, sealer: Sealer) -> None:
        known = channels.get(tx, declared.name)
        wish, url, scheme = declared.wish, None, ""
        if wish.key is not None:
            scheme = services.url_in_key(tx, wish.key, sealer).partition("://")[0]
        elif known is not None:
            kept = Wish.from_json(known.filter)
            wish = replace(wish, key=kept.key)
            url, scheme = sealer.unseal(known.sealed_url), known.scheme
        else:
            raise NotFoundError(
                f"nothing says yet where channel '{declared.name}' leads",
                hint=f"attune notify add {declared.name} URL, or url: key://REF",
            )
        if self.current(tx, declared.name) != _document(declared.name, wish, enabled=declared.enabled):
            new = services.NewChannel(
                name=declared.name, url=url, scheme=scheme, wish=wish, enabled=declared.enabled
            )
            services.put(tx, new, sealer=sealer, replace=True)

    def verify(self, tx: Transaction, declared: DeclaredChannel) -> None:
        services.check_subjects(tx, declared.wish)

    def needs(self, declared: DeclaredChannel) -> Iterable[str]:
        about = declared.wish.subjects
        return *about.packs, *about.rules, *about.actions, *about.triggers

    def keys_of(self, declared: DeclaredChannel) -> Mapping[str, str]:
        return {} if declared.wish.key is None else {declared.wish.key: "url"}

    def refs(self, tx: Transaction, *, everything: bool) -> list[str]:
        del everything
        return [channel.name for channel in channels.all_of(tx)]

    def remove(self, tx: Transaction, ref: str) -> None:
        channels.delete(tx, ref)


def _on(fields: Fields) -> tuple[str, ...]:
    words = fields.texts("on")
    try:
        return services.read_on(words)
    except UsageError as error:
        for detail in error.details:
            fields.error(
                f"nothing that happens is called '{detail.path}'",
                "on",
                suggestion=detail.message if "did you mean" in detail.message else None,
            )
    return ()


def _rate(fields: Fields) -> Rate:
    written = fields.text("rate")
    try:
        return services.read_rate(written) if written else Rate()
    except AttuneError:
        fields.error(f"'rate': expected e.g. 10/1m, got '{written}'", "rate")
    return Rate()


def _key(fields: Fields) -> str | None:
    written = fields.text("url")
    key = services.key_in(written)
    if written and key is None:
        fields.error(
            "'url': a URL is secret and does not belong in a file; key://REF names the key that holds it",
            "url",
        )
    return key


def _document(name: str, wish: Wish, *, enabled: bool) -> Document:
    written: Document = {
        "name": name,
        "url": f"key://{wish.key}" if wish.key else None,
        "on": list(wish.on),
        "packs": list(wish.subjects.packs),
        "rules": list(wish.subjects.rules),
        "actions": list(wish.subjects.actions),
        "triggers": list(wish.subjects.triggers),
        "rate": None if wish.rate == Rate() else f"{wish.rate.messages}/{span(wish.rate.window_seconds)}",
        "enabled": None if enabled else False,
    }
    return {name: value for name, value in written.items() if value not in (None, [])}


def span(seconds: float) -> str:
    """Return a span as a rate names it: in words where they say exactly the same."""
    words = format_duration(seconds)
    return words if parse_duration(words) == seconds else format(seconds, "f")
