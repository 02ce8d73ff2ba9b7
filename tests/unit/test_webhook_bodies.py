"""Bodies, signatures and addresses of webhooks, whatever senders put into them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.runtime.model.webhooks import (
    ALGORITHMS,
    STYLES,
    Delivery,
    Refusal,
    WebhookConfig,
    check_address,
    check_signature,
    read_body,
    read_content,
    sign,
    source_address,
)

NOW = 1_760_000_000_000_000
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
TYPES = st.sampled_from(
    ["", "application/json", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream"]
)
SIGNED = st.sampled_from([style for style in STYLES if style != "none"])


def delivery(body: bytes = b"", peer: str | None = "192.0.2.1", **headers: str) -> Delivery:
    return Delivery(
        body=body, headers={name.replace("_", "-"): value for name, value in headers.items()}, peer=peer
    )


@given(JSON, st.sampled_from(["application/json", "application/cloudevents+json; charset=utf-8"]))
def test_json_is_read_as_it_was_written(value: Any, kind: str) -> None:
    assert read_body(json.dumps(value).encode(), kind) == value


@given(st.dictionaries(TEXT.filter(bool), TEXT, min_size=1, max_size=5))
def test_a_form_is_an_object_of_its_fields(fields: dict[str, str]) -> None:
    if list(fields) != ["payload"]:
        assert read_body(urlencode(fields).encode(), "application/x-www-form-urlencoded") == fields


@given(st.binary(max_size=200), TYPES | st.text(max_size=40))
def test_any_bytes_are_read_or_refused_and_nothing_else_happens(body: bytes, kind: str) -> None:
    with suppress(Refusal):
        json.dumps(read_content(WebhookConfig(), delivery(body, content_type=kind)).payload, allow_nan=False)


@given(
    st.binary(max_size=100), st.text(min_size=1, max_size=20), SIGNED, st.sampled_from(ALGORITHMS), st.data()
)
def test_a_signature_fits_its_body_and_secret_alone(
    body: bytes, secret: str, style: Any, algorithm: Any, data: st.DataObject
) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    config = WebhookConfig(style=style, algorithm=algorithm)
    headers = sign(config, body, secret, NOW)
    signed = Delivery(body=body, headers=headers, peer=None)
    assert check_signature(config, signed, ["another", secret], NOW) is True
    with pytest.raises(Refusal):
        check_signature(config, signed, [f"{secret}x"], NOW)
    with pytest.raises(Refusal):
        check_signature(config, signed, [], NOW)
    if style != "gitlab":
        other = data.draw(st.binary(max_size=100).filter(lambda found: found != body))
        with pytest.raises(Refusal):
            check_signature(config, Delivery(body=other, headers=headers, peer=None), [secret], NOW)


@given(
    SIGNED,
    st.dictionaries(
        st.sampled_from(
            [
                "x-hub-signature",
                "x-hub-signature-256",
                "x-webhook-signature",
                "x-gitlab-token",
                "x-slack-signature",
                "x-slack-request-timestamp",
            ]
        ),
        st.text(max_size=80),
    ),
)
def test_no_header_that_is_made_up_is_believed(style: Any, headers: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        check_signature(
            WebhookConfig(style=style), Delivery(body=b"x", headers=headers, peer=None), ["s" * 99], NOW
        )
    assert refused.value.status == 401


@given(st.text(max_size=60))
def test_what_a_header_says_of_the_address_counts_from_a_trusted_proxy_alone(told: str) -> None:
    config = WebhookConfig(allow=("198.51.100.0/24",))
    with pytest.raises(Refusal):
        check_address(config, delivery(x_forwarded_for=told))
    assert source_address(config, delivery(x_forwarded_for=told)) == "192.0.2.1"


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 192.0.2.1", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, unknown", None),
        ("192.0.2.1", None),
        ("", None),
    ],
)
def test_of_a_chain_of_proxies_the_last_that_is_not_trusted_counts(told: str, found: str | None) -> None:
    config = WebhookConfig(trusted_proxies=("192.0.2.1/32", "unix"))
    assert source_address(config, delivery(x_forwarded_for=told)) == found
    assert source_address(config, delivery(peer=None, x_forwarded_for=told)) == found
