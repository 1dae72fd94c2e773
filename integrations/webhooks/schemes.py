"""The signature schemes of the world's webhooks, as data: one row says all that the verifier needs to know.

`verifier` reads the rows, `keys` decodes secrets by them, a source module picks one. A new vendor is a new row, never a
branch in the verifier. Nothing in a row is ever taken from a request: algorithm, version and key are ours to choose.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum


class Part(Enum):
    """What a signed base string is put together from, beside fixed bytes."""

    ID = "id"
    TIMESTAMP = "timestamp"
    BODY = "body"
    #: our own external address, from configuration; never from Host or X-Forwarded-*, which the sender can choose
    URL = "url"
    #: every form field once, sorted, name and value joined without a separator (Twilio)
    FORM = "form"
    #: the query parameter bodySHA256 that Twilio appends to the URL; we compute it, so it needs no second check
    BODY_HASH = "body hash"


class Mac(Enum):
    HMAC_SHA256 = "sha256"
    HMAC_SHA1 = "sha1"
    ED25519 = "ed25519"
    ECDSA_P256 = "ecdsa-p256"

    @property
    def symmetric(self) -> bool:
        return self in {Mac.HMAC_SHA256, Mac.HMAC_SHA1}


class Encoding(Enum):
    HEX = "hex"
    BASE64 = "base64"


class KeyText(Enum):
    """How the text of a secret becomes key material."""

    UTF8 = "the text itself"
    BASE64 = "base64 after the prefix"
    WORDPRESS = "the text with WordPress's HTML entities decoded"
    ED25519_PUBLIC = "base64 of 32 bytes after the prefix"
    P256_PUBLIC = "base64 of a DER SubjectPublicKeyInfo"


@dataclass(frozen=True, slots=True)
class Clock:
    """A timestamp's one accepted shape. The shape is fixed because int() and float() take ``1_000``, ``nan``, Arabic
    digits and blanks, and because where timestamp and body are joined without a separator a looser pattern would let
    bytes move from one to the other."""

    pattern: re.Pattern[bytes]
    read: Callable[[bytes], datetime]
    write: Callable[[datetime], str]


SECONDS = Clock(
    re.compile(rb"[1-9][0-9]{9}"),
    lambda text: datetime.fromtimestamp(int(text), UTC),
    lambda at: str(int(at.timestamp())),
)
MILLISECONDS = Clock(
    re.compile(rb"[1-9][0-9]{12}"),
    lambda text: datetime.fromtimestamp(int(text) / 1000, UTC),
    lambda at: str(int(at.timestamp() * 1000)),
)
ISO_Z = Clock(
    re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    lambda text: datetime.fromisoformat(text.decode("ascii")),
    lambda at: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way of signing.

    The signature header is split at `separator` (not at all where it is empty); entries that start with `prefix` are
    signatures, others are ignored, so that a new version beside the old one breaks nothing. The timestamp is in
    `timestamp_header`, or in the entry of the signature header that starts with `timestamp_entry`.
    """

    name: str
    signature_header: bytes
    base: tuple[Part | bytes, ...]
    encoding: Encoding
    mac: Mac = Mac.HMAC_SHA256
    prefix: bytes = b""
    separator: bytes = b""
    id_header: bytes = b""
    clock: Clock | None = None
    timestamp_header: bytes = b""
    timestamp_entry: bytes = b""
    tolerance: timedelta = timedelta(minutes=5)
    key_text: KeyText = KeyText.UTF8
    key_prefix: str = ""
    #: secrets that are printed in public documentation: whoever reads that can sign
    published: frozenset[str] = frozenset()
    #: the sender may sign the URL with or without its port, whichever we were given
    port_varies: bool = False

    @property
    def signs_body_only(self) -> bool:
        """Nothing in the signature changes from one delivery to the next: a captured body can be sent again for ever."""
        return not {Part.ID, Part.TIMESTAMP, Part.URL} & set(self.base)


# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
STANDARD_V1 = Scheme(
    name="standard_v1",
    signature_header=b"webhook-signature",
    separator=b" ",
    prefix=b"v1,",
    id_header=b"webhook-id",
    timestamp_header=b"webhook-timestamp",
    clock=SECONDS,
    base=(Part.ID, b".", Part.TIMESTAMP, b".", Part.BODY),
    encoding=Encoding.BASE64,
    key_text=KeyText.BASE64,
    key_prefix="whsec_",
    published=frozenset({"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
)
STANDARD_V1A = replace(
    STANDARD_V1,
    name="standard_v1a",
    prefix=b"v1a,",
    mac=Mac.ED25519,
    key_text=KeyText.ED25519_PUBLIC,
    key_prefix="whpk_",
    published=frozenset({"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="}),
)
SVIX = replace(
    STANDARD_V1,
    name="svix",
    signature_header=b"svix-signature",
    id_header=b"svix-id",
    timestamp_header=b"svix-timestamp",
)
# https://docs.stripe.com/webhooks#verify-manually: the secret is not decoded, its prefix is part of the key
STRIPE = Scheme(
    name="stripe",
    signature_header=b"stripe-signature",
    separator=b",",
    prefix=b"v1=",
    timestamp_entry=b"t=",
    clock=SECONDS,
    base=(Part.TIMESTAMP, b".", Part.BODY),
    encoding=Encoding.HEX,
    key_prefix="whsec_",
)
# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
GITHUB = Scheme(
    name="github",
    signature_header=b"x-hub-signature-256",
    prefix=b"sha256=",
    base=(Part.BODY,),
    encoding=Encoding.HEX,
    published=frozenset({"It's a Secret to Everybody"}),
)
SHOPIFY = Scheme(
    name="shopify",
    signature_header=b"x-shopify-hmac-sha256",
    base=(Part.BODY,),
    encoding=Encoding.BASE64,
)
# https://developer.zendesk.com/documentation/webhooks/verifying/
ZENDESK = Scheme(
    name="zendesk",
    signature_header=b"x-zendesk-webhook-signature",
    timestamp_header=b"x-zendesk-webhook-signature-timestamp",
    clock=ISO_Z,
    base=(Part.TIMESTAMP, Part.BODY),
    encoding=Encoding.BASE64,
    published=frozenset({"dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="}),
)
SLACK = Scheme(
    name="slack",
    signature_header=b"x-slack-signature",
    prefix=b"v0=",
    timestamp_header=b"x-slack-request-timestamp",
    clock=SECONDS,
    base=(b"v0:", Part.TIMESTAMP, b":", Part.BODY),
    encoding=Encoding.HEX,
    published=frozenset({"8f742231b10e8888abcd99yyyzzz85a5"}),
)
# Versions 1 and 2 are plain hashes without a timestamp and have no row on purpose: they are refused.
HUBSPOT_V3 = Scheme(
    name="hubspot_v3",
    signature_header=b"x-hubspot-signature-v3",
    timestamp_header=b"x-hubspot-request-timestamp",
    clock=MILLISECONDS,
    base=(b"POST", Part.URL, Part.BODY, Part.TIMESTAMP),
    encoding=Encoding.BASE64,
    published=frozenset({"yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"}),
)
INTERCOM = Scheme(
    name="intercom",
    signature_header=b"x-hub-signature",
    prefix=b"sha1=",
    base=(Part.BODY,),
    mac=Mac.HMAC_SHA1,
    encoding=Encoding.HEX,
)
TWILIO_FORM = Scheme(
    name="twilio_form",
    signature_header=b"x-twilio-signature",
    base=(Part.URL, Part.FORM),
    mac=Mac.HMAC_SHA1,
    encoding=Encoding.BASE64,
    port_varies=True,
)
TWILIO_JSON = replace(TWILIO_FORM, name="twilio_json", base=(Part.URL, Part.BODY_HASH))
SENDGRID = Scheme(
    name="sendgrid",
    signature_header=b"x-twilio-email-event-webhook-signature",
    timestamp_header=b"x-twilio-email-event-webhook-timestamp",
    clock=SECONDS,
    base=(Part.TIMESTAMP, Part.BODY),
    mac=Mac.ECDSA_P256,
    encoding=Encoding.BASE64,
    key_text=KeyText.P256_PUBLIC,
)
# WooCommerce: class-wc-webhook.php, generate_signature()
WOOCOMMERCE = Scheme(
    name="woocommerce",
    signature_header=b"x-wc-webhook-signature",
    base=(Part.BODY,),
    encoding=Encoding.BASE64,
    key_text=KeyText.WORDPRESS,
)

SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        STANDARD_V1,
        STANDARD_V1A,
        SVIX,
        STRIPE,
        GITHUB,
        SHOPIFY,
        ZENDESK,
        SLACK,
        HUBSPOT_V3,
        INTERCOM,
        TWILIO_FORM,
        TWILIO_JSON,
        SENDGRID,
        WOOCOMMERCE,
    )
}
