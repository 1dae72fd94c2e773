"""Identifiers: a readable prefix, 48 bits of milliseconds, 80 random bits, in Crockford's base 32.

Sortable by time, so primary-key inserts land at the end of the index; unguessable enough to show in an address.
"""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    digits = [_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5)]
    return f"{prefix}_{''.join(digits)}"
