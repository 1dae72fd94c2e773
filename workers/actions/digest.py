"""The digest that an approval binds to (DESIGN invariant 6).

Two actions that could differ in any effect have different digests, and one action has one digest whatever the order of
keys or the Unicode form of its text. Floats are refused: they have no single written form.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Any) -> Any:
    """Plain JSON with NFC text and string keys. Raise ValueError for floats and anything that JSON cannot hold."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        plain = {canonical(str(key)): canonical(item) for key, item in value.items()}
        if len(plain) != len(value):
            raise ValueError("two keys are the same text in different Unicode forms")
        return plain
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [canonical(item) for item in value]
    raise ValueError(f"{type(value).__name__} has no canonical form; use integers, strings, lists and mappings")


def digest_of(value: Any) -> str:
    """SHA-256, hex, over the canonical JSON of a value."""
    written = _ENCODER.encode(canonical(value))
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def action_digest(
    *,
    kind: str,
    arguments: Mapping[str, Any],
    target: str,
    target_version: str,
    policy_hash: str,
    revision: int,
    requirements: Sequence[Mapping[str, Any]],
) -> str:
    """What a person approves and what `execute` computes again from the row that it is about to send."""
    return digest_of(
        {
            "kind": kind,
            "arguments": arguments,
            "target": target,
            "target_version": target_version,
            "policy": policy_hash,
            "revision": revision,
            "requirements": [dict(requirement) for requirement in requirements],
        }
    )
