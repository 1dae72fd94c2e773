"""A second, flat implementation of every signature scheme, written from the vendors' documentation and not from our table.

The tests sign with this and verify with the real thing, so that a slip in a row of the table cannot agree with itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from integrations.base import Delivery
from integrations.webhooks import Secret, load_secrets, verify
from integrations.webhooks.schemes import SCHEMES

NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
URL = "https://hooks.example.com/in?account=7"
BODY = b'{"id": "1", "note": "caf\xc3\xa9"}\n'
FORM_BODY = b"From=%2B15550100&Body=hello+there&From=%2B15550100&Media=%FF&Empty=\n"
Headers = list[tuple[bytes, bytes]]

_KEY = b"0123456789abcdef0123456789abcdef"
_ED25519 = Ed25519PrivateKey.from_private_bytes(_KEY)
_P256 = derive_private_key(0x1234567890ABCDEF, SECP256R1())


def b64(raw: bytes) -> bytes:
    return base64.b64encode(raw)


def hmac_hex(key: bytes, base: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.new(key, base, algorithm).hexdigest().encode()


def hmac_b64(key: bytes, base: bytes, algorithm: str = "sha256") -> bytes:
    return b64(hmac.new(key, base, algorithm).digest())


def seconds(at: datetime) -> bytes:
    return str(int(at.timestamp())).encode()


def milliseconds(at: datetime) -> bytes:
    return seconds(at) + b"000"


def iso_z(at: datetime) -> bytes:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def no_time(_: datetime) -> bytes:
    return b""


@dataclass(frozen=True)
class Signer:
    """`signature(key, body, stamp)` is the bare MAC text; `headers(mac, stamp)` is what the vendor would send."""

    name: str
    secret: str
    signature: Callable[[bytes, bytes, bytes], bytes]
    headers: Callable[[bytes, bytes], Headers]
    key: bytes = b"plain secret"
    stamp: Callable[[datetime], bytes] = no_time
    body: bytes = BODY
    signature_header: bytes = b""
    hexadecimal: bool = False
    other_secret: str = "another secret"

    @property
    def timed(self) -> bool:
        return self.stamp is not no_time

    def secrets(self) -> tuple[Secret, ...]:
        return load_secrets(SCHEMES[self.name], self.secret)

    def signed(self, body: bytes, stamp: bytes) -> Headers:
        return self.headers(self.signature(self.key, body, stamp), stamp)

    def verify(self, headers: Headers, body: bytes, secrets: Sequence[Secret] | None = None) -> str:
        delivery = Delivery(self.name, tuple(headers), body, NOW)
        return verify(SCHEMES[self.name], self.secrets() if secrets is None else secrets, delivery, url=URL)


def _standard(prefix: bytes) -> Callable[[bytes, bytes], Headers]:
    return lambda mac, stamp: [
        (prefix + b"-id", b"msg_1"),
        (prefix + b"-timestamp", stamp),
        (prefix + b"-signature", b"v1," + mac),
    ]


def _twilio_form(key: bytes, body: bytes, _: bytes) -> bytes:
    # The distinct (name, value) pairs of FORM_BODY, sorted, spelled out. The body's line end belongs to the last value.
    pairs = b"Bodyhello there" + b"Empty\n" + b"From+15550100" + b"Media\xff"
    joined = pairs if body == FORM_BODY else body.replace(b"=", b"").replace(b"&", b"")
    return hmac_b64(key, URL.encode() + joined, "sha1")


def _twilio_json(key: bytes, body: bytes, _: bytes) -> bytes:
    return hmac_b64(key, f"{URL}&bodySHA256={hashlib.sha256(body).hexdigest()}".encode(), "sha1")


def _one(name: bytes, prefix: bytes = b"") -> Callable[[bytes, bytes], Headers]:
    return lambda mac, _: [(name, prefix + mac)]


def _two(name: bytes, stamp_name: bytes, prefix: bytes = b"") -> Callable[[bytes, bytes], Headers]:
    return lambda mac, stamp: [(name, prefix + mac), (stamp_name, stamp)]


_STANDARD_SECRET = "whsec_" + b64(_KEY).decode()
_PLAIN = "plain secret"

SIGNERS: dict[str, Signer] = {
    signer.name: signer
    for signer in (
        Signer(
            "standard_v1",
            _STANDARD_SECRET,
            lambda key, body, stamp: hmac_b64(key, b"msg_1." + stamp + b"." + body),
            _standard(b"webhook"),
            key=_KEY,
            stamp=seconds,
            signature_header=b"webhook-signature",
            other_secret="whsec_" + b64(_KEY[::-1]).decode(),
        ),
        Signer(
            "svix",
            _STANDARD_SECRET,
            lambda key, body, stamp: hmac_b64(key, b"msg_1." + stamp + b"." + body),
            _standard(b"svix"),
            key=_KEY,
            stamp=seconds,
            signature_header=b"svix-signature",
            other_secret="whsec_" + b64(_KEY[::-1]).decode(),
        ),
        Signer(
            "standard_v1a",
            "whpk_" + b64(_ED25519.public_key().public_bytes_raw()).decode(),
            lambda _, body, stamp: b64(_ED25519.sign(b"msg_1." + stamp + b"." + body)),
            lambda mac, stamp: [
                (b"webhook-id", b"msg_1"),
                (b"webhook-timestamp", stamp),
                (b"webhook-signature", b"v1a," + mac),
            ],
            stamp=seconds,
            signature_header=b"webhook-signature",
            other_secret="whpk_"
            + b64(Ed25519PrivateKey.from_private_bytes(_KEY[::-1]).public_key().public_bytes_raw()).decode(),
        ),
        Signer(
            "stripe",
            "whsec_plain",
            lambda key, body, stamp: hmac_hex(key, stamp + b"." + body),
            lambda mac, stamp: [(b"stripe-signature", b"t=" + stamp + b",v1=" + mac)],
            key=b"whsec_plain",
            stamp=seconds,
            signature_header=b"stripe-signature",
            hexadecimal=True,
            other_secret="whsec_other",
        ),
        Signer(
            "github",
            _PLAIN,
            lambda key, body, _: hmac_hex(key, body),
            _one(b"x-hub-signature-256", b"sha256="),
            signature_header=b"x-hub-signature-256",
            hexadecimal=True,
        ),
        Signer(
            "shopify",
            _PLAIN,
            lambda key, body, _: hmac_b64(key, body),
            _one(b"x-shopify-hmac-sha256"),
            signature_header=b"x-shopify-hmac-sha256",
        ),
        Signer(
            "zendesk",
            _PLAIN,
            lambda key, body, stamp: hmac_b64(key, stamp + body),
            _two(b"x-zendesk-webhook-signature", b"x-zendesk-webhook-signature-timestamp"),
            stamp=iso_z,
            signature_header=b"x-zendesk-webhook-signature",
        ),
        Signer(
            "slack",
            _PLAIN,
            lambda key, body, stamp: hmac_hex(key, b"v0:" + stamp + b":" + body),
            _two(b"x-slack-signature", b"x-slack-request-timestamp", b"v0="),
            stamp=seconds,
            signature_header=b"x-slack-signature",
            hexadecimal=True,
        ),
        Signer(
            "hubspot_v3",
            _PLAIN,
            lambda key, body, stamp: hmac_b64(key, b"POST" + URL.encode() + body + stamp),
            _two(b"x-hubspot-signature-v3", b"x-hubspot-request-timestamp"),
            stamp=milliseconds,
            signature_header=b"x-hubspot-signature-v3",
        ),
        Signer(
            "intercom",
            _PLAIN,
            lambda key, body, _: hmac_hex(key, body, "sha1"),
            _one(b"x-hub-signature", b"sha1="),
            signature_header=b"x-hub-signature",
            hexadecimal=True,
        ),
        Signer(
            "twilio_form",
            _PLAIN,
            _twilio_form,
            _one(b"x-twilio-signature"),
            body=FORM_BODY,
            signature_header=b"x-twilio-signature",
        ),
        Signer(
            "twilio_json",
            _PLAIN,
            _twilio_json,
            _one(b"x-twilio-signature"),
            signature_header=b"x-twilio-signature",
        ),
        Signer(
            "sendgrid",
            b64(_P256.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode(),
            lambda _, body, stamp: b64(_P256.sign(stamp + body, ECDSA(SHA256()))),
            _two(b"x-twilio-email-event-webhook-signature", b"x-twilio-email-event-webhook-timestamp"),
            stamp=seconds,
            signature_header=b"x-twilio-email-event-webhook-signature",
            other_secret=b64(
                derive_private_key(77, SECP256R1())
                .public_key()
                .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ).decode(),
        ),
        Signer(
            "woocommerce",
            "plain&#039;s &amp; secret",
            lambda key, body, _: hmac_b64(key, body),
            _one(b"x-wc-webhook-signature"),
            key=b"plain's & secret",
            signature_header=b"x-wc-webhook-signature",
        ),
    )
}
