"""Webhook secrets: read from settings, decoded and checked once, when the process starts.

Whatever is wrong with a secret is said here, with what to do about it, and never later: `verify` meets only good keys.
No message and no repr holds a secret.
"""

from __future__ import annotations

import binascii
import hashlib
import html
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from integrations.webhooks.schemes import KeyText, Scheme

#: one in use, one coming in, one going out
MAX_ACTIVE = 3

# wp_specialchars_decode(…, ENT_QUOTES) knows exactly these; html.unescape alone would decode &copy; as well.
_WORDPRESS_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|#0*(?:34|38|39|60|62)|#[xX]0*(?:22|26|27));")


@dataclass(frozen=True, slots=True)
class Secret:
    """One active key. `id` is a fingerprint: stored with what it verified, stable when secrets are reordered."""

    id: str
    key: bytes | Ed25519PublicKey | EllipticCurvePublicKey = field(repr=False)


def load_secrets(scheme: Scheme, text: str, *, setting: str = "", allow_published: bool = False) -> tuple[Secret, ...]:
    """Decode a comma-separated list of secrets, newest first; several are active at once while one is rotated.

    Raise `ValueError` that names `setting` and what to do, for a list that is empty or too long and for any secret that
    is not whole, belongs to another kind of key, or is printed in public documentation (unless `allow_published`).
    """
    texts = text.split(",")
    name = setting or f"{scheme.name} webhook secret"
    if len(texts) > MAX_ACTIVE:
        raise ValueError(f"{name}: {len(texts)} secrets; at most {MAX_ACTIVE} can be active, remove the oldest")
    if len(set(texts)) < len(texts):
        raise ValueError(f"{name}: the same secret twice; remove one")
    return tuple(
        _load(scheme, one, f"{name}, secret {place} of {len(texts)}", allow_published=allow_published)
        for place, one in enumerate(texts, 1)
    )


def secrets_from_env(
    scheme: Scheme, env: Mapping[str, str], setting: str, *, allow_published: bool = False
) -> tuple[Secret, ...]:
    """The secrets in `setting`, or none where it is unset or empty. Raise as `load_secrets` does."""
    text = env.get(setting, "")
    return load_secrets(scheme, text, setting=setting, allow_published=allow_published) if text else ()


def _load(scheme: Scheme, text: str, name: str, *, allow_published: bool) -> Secret:
    if not text:
        raise ValueError(f"{name} is empty; remove the stray comma or paste the secret")
    if text != text.strip() or not text.isprintable():
        raise ValueError(f"{name} begins or ends with a blank or holds control characters; paste it again without them")
    if text in scheme.published and not allow_published:
        raise ValueError(f"{name} is printed in public documentation, so anybody can sign with it; make your own")
    # A public key as HMAC secret would let whoever knows the public key forge.
    if scheme.mac.symmetric and text.startswith(("whpk_", "whsk_")):
        raise ValueError(f"{name} is half of a key pair (whpk_, whsk_); {scheme.name} needs the shared signing secret")
    if not text.startswith(scheme.key_prefix):
        raise ValueError(f"{name} does not begin with {scheme.key_prefix!r}; copy the webhook's own signing secret")
    fingerprint = hashlib.sha256(b"webhook secret\0" + text.encode("utf-8")).hexdigest()[:8]
    return Secret(f"{scheme.name}-{fingerprint}", _key(scheme, text, name))


def _key(scheme: Scheme, text: str, name: str) -> bytes | Ed25519PublicKey | EllipticCurvePublicKey:
    match scheme.key_text:
        case KeyText.UTF8:
            # What everybody's begin with, such as `whsec_$NOT_SET` leaves, proves nothing: anybody can sign with it.
            if text == scheme.key_prefix:
                raise ValueError(f"{name} is the beginning of a secret and no more; copy it again")
            return text.encode("utf-8")
        case KeyText.WORDPRESS:
            return _WORDPRESS_ENTITY.sub(lambda entity: html.unescape(entity[0]), text).encode("utf-8")
        case KeyText.BASE64:
            key = _base64(text.removeprefix(scheme.key_prefix), name)
            if not 24 <= len(key) <= 64:
                raise ValueError(f"{name} holds {len(key)} bytes; a key has 24 to 64, so it was cut or is another one")
            return key
        case KeyText.ED25519_PUBLIC:
            key = _base64(text.removeprefix(scheme.key_prefix), name)
            if len(key) != 32:
                raise ValueError(f"{name} holds {len(key)} bytes; an Ed25519 public key has 32, copy it again")
            return Ed25519PublicKey.from_public_bytes(key)
        case KeyText.P256_PUBLIC:
            return _p256(_base64(text, name), name)


def _base64(text: str, name: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{name} is not whole base64; copy it again") from error


def _p256(der: bytes, name: str) -> EllipticCurvePublicKey:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{name} is not a public key; copy the verification key") from error
    match key:
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return key
    raise ValueError(f"{name} is a public key of another kind; an ECDSA P-256 key is needed")
