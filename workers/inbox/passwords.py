"""Passwords: argon2id hashes made and checked, for the sign-in page and ``caseworker user add``.

Checking costs the same whether the account exists or not, and few checks run at once, because each takes 64 MiB. Never
logs, never stores, never compares a password itself.
"""

from __future__ import annotations

import secrets
import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10
MAX_LENGTH = 1024

_HASHER = PasswordHasher()
_TURN = threading.BoundedSemaphore(2)


class UnfitPassword(ValueError):
    """The password cannot be used; the message says why."""


def hash_password(plain: str) -> str:
    """The hash to keep. Raise `UnfitPassword`."""
    if not MIN_LENGTH <= len(plain) <= MAX_LENGTH:
        raise UnfitPassword(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters; this one has {len(plain)}.")
    with _TURN:
        return _HASHER.hash(_as_bytes(plain))


def verify(plain: str, kept: str | None) -> bool:
    """Whether the password fits the kept hash. None, where there is no account, takes as long and is False."""
    known = kept is not None and kept.startswith("$argon2")
    against = kept if kept is not None and known else _nobody()
    with _TURN:
        try:
            fits = _HASHER.verify(against, _as_bytes(plain[: MAX_LENGTH + 1]))
        except (VerificationError, InvalidHashError):
            return False
    return fits and known and len(plain) <= MAX_LENGTH


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with weaker parameters than those in force."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobody() -> str:
    """A hash that no password fits, made with the parameters in force so that checking it takes as long."""
    return _HASHER.hash(secrets.token_bytes(32))


def _as_bytes(plain: str) -> bytes:
    # One password typed on two keyboards can differ in its Unicode form.
    return unicodedata.normalize("NFC", plain).encode("utf-8", "surrogatepass")
