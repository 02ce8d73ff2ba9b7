"""What becomes of a request to a webhook (domain.md 3.6).

A call is judged in two steps, so that what is costly holds nobody up: `examine` checks it against the webhook as read
before, on the caller's thread; `accept_all` makes the events in the transaction that also writes the calls down.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from attune_cli.errors import AttuneError
from attune_cli.runtime.clock import SECOND, rfc3339
from attune_cli.runtime.model import webhooks as model
from attune_cli.runtime.model.webhooks import Refusal, WebhookConfig
from attune_cli.runtime.services.events import EventBatch, NewEvent
from attune_cli.runtime.services.webhooks import secrets_until
from attune_cli.runtime.store import webhooks as rows
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.clock import Instant
    from attune_cli.runtime.model.webhooks import Content, Delivery
    from attune_cli.runtime.store.database import Transaction
    from attune_cli.runtime.store.sealing import Sealer
    from attune_cli.runtime.store.webhooks import Call, Webhook


@immutable(kw_only=True)
class Known:
    """A webhook as it was read, with its secrets in the clear. At `until` it changes though nobody changes it."""

    webhook: Webhook
    secrets: Sequence[str]
    until: Instant | None

    @property
    def config(self) -> WebhookConfig:
        return self.webhook.config


@immutable(kw_only=True)
class Examined:
    """A call that may make an event."""

    webhook: Webhook
    key: str
    delivery: Delivery
    content: Content
    verified: bool | None
    duration_ms: int = 0
    cause: int | None = None
    """The execution that makes the call, where it says so by its token."""


@immutable(kw_only=True)
class Accepted:
    """The event that a call has made, or made earlier under the same delivery."""

    event: int
    trigger_ref: str
    received: Instant
    reused: bool


@immutable
class Challenge:
    """What a sender wants to hear again; it makes no event."""

    text: str


class ChangedMeanwhile:
    """The webhook was changed since the call was examined: nothing was written, and it has to be examined again."""


def known(tx: Transaction, key: str, sealer: Sealer) -> Known | None:
    """Return the webhook that takes requests under a key now."""
    webhook = rows.by_key(tx, key)
    if webhook is None:
        return None
    secrets, secrets_end = secrets_until(tx, webhook, sealer)
    key_ends = webhook.previous_until if key == webhook.previous_key else None
    until = min((end for end in (secrets_end, key_ends) if end is not None), default=None)
    return Known(webhook=webhook, secrets=secrets, until=until)


def unknown_key() -> Refusal:
    return Refusal(404, "no webhook has this address, or it is off", "not_found")


def examine(
    found: Known,
    key: str,
    delivery: Delivery,
    now: Instant,
    *,
    duration_ms: int = 0,
    cause: int | None = None,
) -> Examined:
    """Check size and signature, and read the body; raises Refusal. The address was checked before it was read."""
    if len(delivery.body) > found.config.max_body_bytes:
        raise too_large(found.config)
    verified = model.check_signature(found.config, delivery, found.secrets, now)
    content = model.read_content(found.config, delivery)
    return Examined(
        webhook=found.webhook,
        key=key,
        delivery=delivery,
        content=content,
        verified=verified,
        duration_ms=duration_ms,
        cause=cause,
    )


def too_large(config: WebhookConfig) -> Refusal:
    return Refusal(413, f"the body is larger than {config.max_body_bytes} bytes", "too_large")


def accept_all(
    tx: Transaction, calls: Sequence[Examined], *, limited: bool = True
) -> list[Accepted | Challenge | Refusal | ChangedMeanwhile]:
    """Make the events of calls and write the calls down, or write down why not. Without `limited` no rate counts."""
    acceptance = _Acceptance(tx, limited=limited)
    answers = [acceptance.judge(call) for call in calls]
    acceptance.write()
    return answers


def accept(tx: Transaction, call: Examined, *, limited: bool = True) -> Accepted | Challenge | Refusal:
    """Do the same with one call to a webhook that was read in this very transaction."""
    return cast("Accepted | Challenge | Refusal", accept_all(tx, [call], limited=limited)[0])


class _Acceptance:
    """The calls of one transaction, each judged after those before it, all written down at the end."""

    def __init__(self, tx: Transaction, *, limited: bool) -> None:
        self._tx = tx
        self._limited = limited
        self._events = EventBatch(tx)
        self._webhooks: dict[str, Webhook | None] = {}
        self._calls: list[Call] = []
        self._accepted: Counter[str] = Counter()
        """By trigger: not yet written down, and counted by rates."""

    def judge(self, call: Examined) -> Accepted | Challenge | Refusal | ChangedMeanwhile:
        present = self._webhook(call.key)
        if present is None:
            return self._refuse(None, call, unknown_key())
        if present.updated != call.webhook.updated:
            return ChangedMeanwhile()
        name = model.delivery_name(present.config, call.delivery)
        challenge = model.challenge_of(present.config, call.content.payload)
        if challenge is not None:
            self._log(present, call, name)
            return Challenge(challenge)
        try:
            self._check_rate(present)
            taken = self._events.take_in(_event(self._tx, call, name))
        except Refusal as refusal:
            return self._refuse(present, call, refusal)
        except AttuneError as error:
            return self._refuse(present, call, _refusal_of(error))
        self._accepted[present.trigger_ref] += 1
        self._log(present, call, name, event=taken.id)
        return Accepted(
            event=taken.id, trigger_ref=present.trigger_ref, received=self._tx.now, reused=taken.reused
        )

    def write(self) -> None:
        self._events.write()
        rows.log_all(self._tx, self._calls)

    def _webhook(self, key: str) -> Webhook | None:
        if key not in self._webhooks:
            self._webhooks[key] = rows.by_key(self._tx, key)
        return self._webhooks[key]

    def _log(self, webhook: Webhook, call: Examined, name: str | None, *, event: int | None = None) -> None:
        self._calls.append(
            _call(
                webhook, call.delivery, call.duration_ms, status=200, event=event, verified=call.verified, name=name
            )
        )  # fmt: skip

    def _refuse(self, webhook: Webhook | None, call: Examined, refusal: Refusal) -> Refusal:
        self._calls.append(_refused(webhook, call.delivery, refusal, call.duration_ms))
        return refusal

    def _check_rate(self, webhook: Webhook) -> None:
        config, now = webhook.config, self._tx.now
        if config.rate_count is None or not self._limited:
            return
        window = round(config.rate_seconds * SECOND)
        before = config.rate_count - self._accepted[webhook.trigger_ref]
        first = rows.accepted_before(self._tx, webhook.trigger_ref, before) if before > 0 else now
        if first is not None and now - window < first <= now:
            wait = max(1, -(-(first + window - now) // SECOND))
            raise Refusal(
                429,
                f"more than {config.rate_count} calls in {config.rate_seconds:g} s",
                "rate_limited",
                retry_after=wait,
            )


def _event(tx: Transaction, call: Examined, name: str | None) -> NewEvent:
    """Return the event of a call, in the shape of domain.md 3.6."""
    content = call.content
    config = {
        "source": "webhook",
        "webhook_key": call.key,
        "received_at": rfc3339(tx.now),
        "headers": content.headers,
        "source_ip": content.source_ip,
        "user_agent": content.user_agent,
        "remote_address": call.delivery.peer,
        "hmac_verified": bool(call.verified),
        "delivery": name,
    }
    return NewEvent(
        trigger_ref=call.webhook.trigger_ref,
        payload=content.payload,
        config=config,
        source="webhook",
        source_ref="webhook",
        dedup_key=None if name is None else f"delivery:{name}",
        cause=call.cause,
    )


def _refusal_of(error: AttuneError) -> Refusal:
    if error.code in {"disabled", "not_found"}:
        return Refusal(404, error.message, "not_found")
    if error.code == "payload_too_large":
        return Refusal(413, error.message, "too_large")
    faults = "; ".join(f"{detail.path}: {detail.message}" for detail in error.details)
    return Refusal(422, f"{error.message}: {faults}" if faults else error.message, error.code)


def refuse(
    tx: Transaction, webhook: Webhook | None, delivery: Delivery, refusal: Refusal, *, duration_ms: int = 0
) -> Refusal:
    """Write down a call that was refused, and why."""
    rows.log_all(tx, [_refused(webhook, delivery, refusal, duration_ms)])
    return refusal


def _refused(webhook: Webhook | None, delivery: Delivery, refusal: Refusal, duration_ms: int) -> Call:
    return _call(
        webhook,
        delivery,
        duration_ms,
        status=refusal.status,
        error=refusal.message,
        verified=False if refusal.status == 401 else None,  # noqa: PLR2004 - HTTP's unauthorised
        name=None if webhook is None else model.delivery_name(webhook.config, delivery),
    )


def _call(
    webhook: Webhook | None,
    delivery: Delivery,
    duration_ms: int,
    *,
    status: int,
    name: str | None,
    event: int | None = None,
    error: str | None = None,
    verified: bool | None = None,
) -> Call:
    return rows.Call(
        trigger_ref=None if webhook is None else webhook.trigger_ref,
        event=event,
        status_code=status,
        error=error,
        source_address=model.source_address(WebhookConfig() if webhook is None else webhook.config, delivery),
        user_agent=delivery.user_agent,
        delivery=name,
        headers=model.shown_headers(delivery.headers),
        size_bytes=len(delivery.body),
        duration_ms=duration_ms,
        signature_verified=verified,
    )
