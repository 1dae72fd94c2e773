"""The one webhook verifier: a scheme's row, the active secrets, the delivery as received; the id of the secret, or refusal.

Every source calls `verify` before anything is parsed. It works on bytes only, believes nothing that is outside the
signature, and raises `NotAuthentic` with a `Reason` and nothing else, whatever the bytes. `sign` is its mirror, for
those of our own processes that send webhooks.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from urllib.parse import unquote_to_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from integrations.base import Delivery
from integrations.errors import NotAuthentic
from integrations.webhooks.keys import Secret
from integrations.webhooks.schemes import Encoding, Part, Scheme

MAX_HEADER = 4096
MAX_ENTRIES = 8
MAX_FORM_FIELDS = 1000

_PRINTABLE = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
# The id is joined with "." in front of the timestamp: a "." inside it would let bytes move from one to the other.
_ID = re.compile(rb"[!-\-/-~]{1,255}")
_AUTHORITY = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@:\[\]]+)(?::(?P<port>[0-9]+))?(?P<rest>(?:[/?#].*)?)")
_DEFAULT_PORT = {"http": "80", "https": "443"}


class Reason(StrEnum):
    """Why a delivery was refused. For logs, metrics and quarantine; the sender is never told."""

    MISSING = "missing"
    MALFORMED = "malformed"
    MISMATCH = "mismatch"
    STALE_PAST = "stale_past"
    STALE_FUTURE = "stale_future"
    EXCEPTION = "exception"


def verify(scheme: Scheme, secrets: Sequence[Secret], delivery: Delivery, *, url: str = "") -> str:
    """Return the id of the secret that signed `delivery`.

    `url` is our own configured address, for schemes that sign it. The time window is measured against the delivery's
    receive time, so that a quarantined delivery can be proved again later. Raise `NotAuthentic`, nothing else.
    """
    try:
        return _prove(scheme, secrets, delivery, url)
    except NotAuthentic:
        raise
    except Exception as error:
        # Bytes from the internet have met a bug of ours: refuse and let it be counted; a 500 would be retried for days.
        raise NotAuthentic(Reason.EXCEPTION) from error


def sign(
    scheme: Scheme, secret: Secret, body: bytes, *, at: datetime, delivery_id: str = "", url: str = ""
) -> dict[str, str]:
    """The headers that prove `body` to whoever holds the same secret. HMAC schemes only: we hold no private keys."""
    if not isinstance(secret.key, bytes):
        raise TypeError(f"{scheme.name} is signed with a private key, which only the sender has")
    stamp = scheme.clock.write(at) if scheme.clock else ""
    base = _base(scheme, body, stamp.encode(), delivery_id.encode(), url)
    signature = (scheme.prefix + _encoded_mac(scheme, secret.key, base)).decode()
    headers = {scheme.signature_header.decode(): signature}
    if scheme.timestamp_entry:
        headers[scheme.signature_header.decode()] = (
            f"{scheme.timestamp_entry.decode()}{stamp}{scheme.separator.decode()}{signature}"
        )
    elif scheme.clock:
        headers[scheme.timestamp_header.decode()] = stamp
    if scheme.id_header:
        headers[scheme.id_header.decode()] = delivery_id
    return headers


def _prove(scheme: Scheme, secrets: Sequence[Secret], delivery: Delivery, url: str) -> str:
    if not secrets:
        raise ValueError(f"no active {scheme.name} secret; a source without one must not be served")
    header = _header(delivery, scheme.signature_header)
    entries = header.split(scheme.separator) if scheme.separator else [header]
    claims = [entry[len(scheme.prefix) :] for entry in entries if entry.startswith(scheme.prefix)]
    if not claims or len(entries) > MAX_ENTRIES:
        raise NotAuthentic(Reason.MALFORMED)

    stamp, sent_at = _stamp(scheme, delivery, entries)
    delivery_id = _header(delivery, scheme.id_header) if scheme.id_header else b""
    if scheme.id_header and not _ID.fullmatch(delivery_id):
        raise NotAuthentic(Reason.MALFORMED)
    if Part.FORM in scheme.base and delivery.body.count(b"&") >= MAX_FORM_FIELDS:
        raise NotAuthentic(Reason.MALFORMED)

    bases = [_base(scheme, delivery.body, stamp, delivery_id, one) for one in _spellings(scheme, url)]
    signer = next((s for s in secrets if any(_signed(scheme, s, base, claims) for base in bases)), None)
    if signer is None:
        raise NotAuthentic(Reason.MISMATCH)

    # After the signature, so that "stale" is said only of what the sender really signed.
    if sent_at is not None and sent_at < delivery.received_at - scheme.tolerance:
        raise NotAuthentic(Reason.STALE_PAST)
    if sent_at is not None and sent_at > delivery.received_at + scheme.tolerance:
        raise NotAuthentic(Reason.STALE_FUTURE)
    return signer.id


def _header(delivery: Delivery, name: bytes) -> bytes:
    """The one value of a header. Twice is refused: proxies and frameworks disagree about which one counts."""
    values = [value for key, value in delivery.headers if key == name]
    if not values or values == [b""]:
        raise NotAuthentic(Reason.MISSING)
    if len(values) > 1 or len(values[0]) > MAX_HEADER or not _PRINTABLE.fullmatch(values[0]):
        raise NotAuthentic(Reason.MALFORMED)
    return values[0]


def _stamp(scheme: Scheme, delivery: Delivery, entries: Sequence[bytes]) -> tuple[bytes, datetime | None]:
    if scheme.clock is None:
        return b"", None
    if scheme.timestamp_entry:
        stamps = [e[len(scheme.timestamp_entry) :] for e in entries if e.startswith(scheme.timestamp_entry)]
        stamp = stamps[0] if len(stamps) == 1 else b""
    else:
        stamp = _header(delivery, scheme.timestamp_header)
    if not scheme.clock.pattern.fullmatch(stamp):
        raise NotAuthentic(Reason.MALFORMED)
    try:
        return stamp, scheme.clock.read(stamp)
    except ValueError as error:  # the right shape, but the 31st of February
        raise NotAuthentic(Reason.MALFORMED) from error


def _base(scheme: Scheme, body: bytes, stamp: bytes, delivery_id: bytes, url: str) -> bytes:
    if Part.URL in scheme.base and not url:
        raise ValueError(f"{scheme.name} signs the URL; pass the address that the sender was given")

    def render(part: Part | bytes) -> bytes:
        match part:
            case bytes():
                return part
            case Part.ID:
                return delivery_id
            case Part.TIMESTAMP:
                return stamp
            case Part.BODY:
                return body
            case Part.URL:
                return url.encode()
            case Part.FORM:
                return b"".join(name + value for name, value in sorted(_form(body)))
            case Part.BODY_HASH:
                joint = "&" if "?" in url else "?"
                return f"{joint}bodySHA256={hashlib.sha256(body).hexdigest()}".encode()

    return b"".join(map(render, scheme.base))


def _form(body: bytes) -> set[tuple[bytes, bytes]]:
    # On bytes, not with parse_qsl: that refuses what is not ASCII, and a body is judged after its signature.
    pairs = (pair.partition(b"=") for pair in body.replace(b"+", b" ").split(b"&"))
    return {(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs}


def _spellings(scheme: Scheme, url: str) -> list[str]:
    parts = _AUTHORITY.fullmatch(url) if scheme.port_varies else None
    if parts is None:
        return [url]
    bare = f"{parts['scheme']}://{parts['host']}"
    return [f"{bare}{parts['rest']}", f"{bare}:{parts['port'] or _DEFAULT_PORT[parts['scheme']]}{parts['rest']}"]


def _signed(scheme: Scheme, secret: Secret, base: bytes, claims: Sequence[bytes]) -> bool:
    match secret.key:
        case Ed25519PublicKey() | EllipticCurvePublicKey() as key:
            return any(_signed_by_key_pair(key, base, claim) for claim in claims)
        case key:
            # Compared in the header's own encoding: decoding the sender's base64 would accept foreign characters.
            expected = _encoded_mac(scheme, key, base)
            return any(hmac.compare_digest(expected, claim) for claim in claims)


def _encoded_mac(scheme: Scheme, key: bytes, base: bytes) -> bytes:
    digest = hmac.digest(key, base, scheme.mac.value)
    return digest.hex().encode() if scheme.encoding is Encoding.HEX else b64encode(digest)


def _signed_by_key_pair(key: Ed25519PublicKey | EllipticCurvePublicKey, base: bytes, claim: bytes) -> bool:
    try:
        signature = b64decode(claim, validate=True)
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, base)
        else:
            key.verify(signature, base, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error):
        return False
    return True
