"""Others' verifiers agree with ours on every well-formed delivery, good and forged."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import stripe
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from integrations.base import Delivery
from integrations.errors import NotAuthentic
from integrations.webhooks import load_secrets, sign, verify
from integrations.webhooks.schemes import STANDARD_V1, STRIPE

keys = st.binary(min_size=24, max_size=64)
bodies = st.text().map(lambda text: text.encode("utf-8", "replace"))
message_ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
stripe_secrets = st.from_regex(r"whsec_[A-Za-z0-9]{1,64}", fullmatch=True)
seconds = st.integers(1_000_000_000, 4_000_000_000)


def delivery(headers: dict[str, str], body: bytes, at: datetime) -> Delivery:
    return Delivery("any", tuple((k.encode(), v.encode()) for k, v in headers.items()), body, at)


def ours_accept(scheme, secrets, *args) -> bool:
    try:
        return verify(scheme, secrets, delivery(*args)) == secrets[0].id
    except NotAuthentic:
        return False


def theirs_accept_standard(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


def theirs_accept_stripe(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        return stripe.WebhookSignature.verify_header(body, headers["stripe-signature"], secret, tolerance=None)
    except stripe.SignatureVerificationError:
        return False


@given(key=keys, body=bodies, message_id=message_ids)
@settings(max_examples=150, deadline=None)
def test_standardwebhooks_accepts_what_we_sign_and_we_accept_what_it_signs(key, body, message_id):
    secret = "whsec_" + base64.b64encode(key).decode()
    secrets = load_secrets(STANDARD_V1, secret)
    now = datetime.now(UTC)  # its clock cannot be set

    ours = sign(STANDARD_V1, secrets[0], body, at=now, delivery_id=message_id)
    theirs = {**ours, "webhook-signature": Webhook(secret).sign(message_id, now, body.decode())}

    assert theirs_accept_standard(secret, ours, body)
    assert ours_accept(STANDARD_V1, secrets, theirs, body, now)


@given(key=keys, body=bodies, extra=st.binary(min_size=1, max_size=3), message_id=message_ids)
@settings(max_examples=60, deadline=None)
def test_standardwebhooks_and_we_refuse_the_same_forgeries(key, body, extra, message_id):
    secret = "whsec_" + base64.b64encode(key).decode()
    secrets = load_secrets(STANDARD_V1, secret)
    now = datetime.now(UTC)
    good = sign(STANDARD_V1, secrets[0], body, at=now, delivery_id=message_id)
    longer = body + base64.b64encode(extra)
    renamed = {**good, "webhook-id": message_id + "x"}

    for headers, sent in ((good, longer), (renamed, body)):
        assert not theirs_accept_standard(secret, headers, sent)
        assert not ours_accept(STANDARD_V1, secrets, headers, sent, now)


@given(secret=stripe_secrets, body=bodies, at=seconds)
@settings(max_examples=150, deadline=None)
def test_stripes_library_accepts_what_we_sign_and_we_accept_what_it_signs(secret, body, at):
    secrets = load_secrets(STRIPE, secret)
    now = datetime.fromtimestamp(at, UTC)

    ours = sign(STRIPE, secrets[0], body, at=now)
    theirs = {"stripe-signature": stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at)}

    assert ours == theirs
    assert theirs_accept_stripe(secret, ours, body)
    assert ours_accept(STRIPE, secrets, theirs, body, now)


@given(secret=stripe_secrets, other=stripe_secrets, body=bodies, at=seconds)
@settings(max_examples=60, deadline=None)
def test_stripes_library_and_we_agree_about_another_secret(secret, other, body, at):
    secrets = load_secrets(STRIPE, secret)
    now = datetime.fromtimestamp(at, UTC)
    headers = {"stripe-signature": stripe.WebhookSignature.generate_signature_header(body.decode(), other, at)}

    agreed = theirs_accept_stripe(secret, headers, body)

    assert agreed == (secret == other)
    assert ours_accept(STRIPE, secrets, headers, body, now) == agreed
