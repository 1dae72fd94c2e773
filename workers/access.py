"""Tokens for machines: made once, shown once, kept only as a hash, each with its scopes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from enum import StrEnum

from workers.store import people
from workers.store.records import Person, Token
from workers.wiring import System

PREFIX = "cw_"


class Scope(StrEnum):
    EVENTS = "events"
    READ = "read"
    DECIDE = "decide"


def make_token() -> tuple[str, str]:
    """A new token and the hash to keep. 256 random bits need no slow hash."""
    plain = PREFIX + secrets.token_urlsafe(32)
    return plain, hash_token(plain)


def hash_token(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogateescape")).hexdigest()


def bearer(system: System, headers: Iterable[tuple[bytes, bytes]], scope: Scope) -> Token | None:
    """The token that a request shows, if it may be used for `scope`. Exactly one Authorization header counts."""
    found = bearer_of(system, headers, scope)
    return found[0] if found is not None else None


def bearer_of(
    system: System, headers: Iterable[tuple[bytes, bytes]], scope: Scope
) -> tuple[Token, Person | None] | None:
    """As `bearer`, with the person for whom the token was made."""
    shown = shown_token(headers)
    found = people.token_at_once(system.db, shown) if shown is not None else None
    return found if found is not None and scope.value in found[0].scopes else None


def shown_token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The hash of the token that a request shows, whatever it is good for; None of anything else."""
    shown = [value for name, value in headers if name.lower() == b"authorization"]
    if len(shown) != 1 or len(shown[0]) > 500:
        return None
    kind, _, plain = shown[0].decode("latin-1").partition(" ")
    if kind.lower() != "bearer" or not plain.startswith(PREFIX):
        return None
    return hash_token(plain.strip())
