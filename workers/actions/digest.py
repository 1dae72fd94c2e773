"""The digest that an approval binds to (DESIGN invariant 6).

Two actions that could differ in any effect have different digests, and one action has one digest whatever the order of
keys or the Unicode form of its text. Floats are refused: they have no single written form.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class DigestedRow(Protocol):
    """What a digest is computed from; an action's row has it all."""

    @property
    def kind(self) -> str: ...
    @property
    def arguments(self) -> Mapping[str, Any]: ...
    @property
    def target(self) -> str: ...
    @property
    def target_version(self) -> str: ...
    @property
    def policy_hash(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def verdict(self) -> Mapping[str, Any]: ...


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
    terms: Mapping[str, Any] | None = None,
) -> str:
    """What a person approves and what `execute` computes again from the row that it is about to send.

    `terms` are what else the verdict asks for; a digest of a verdict without any is the same as before there were any.
    """
    return digest_of(
        {
            **({"terms": dict(terms)} if terms else {}),
            "kind": kind,
            "arguments": arguments,
            "target": target,
            "target_version": target_version,
            "policy": policy_hash,
            "revision": revision,
            "requirements": [dict(requirement) for requirement in requirements],
        }
    )


#: what a verdict may ask for besides people's yes, and that must be as it was when they said it
_TERMS = ("exclude", "authorised", "obligations", "limits")
#: met when it was judged: whether a person looks was drawn then, and its share is a float, which has no single form
_MET_BEFORE = frozenset({"sample"})


def terms_of(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """What a new digest binds to of a verdict besides its requirements. Its names are kept beside it, under ``bound``."""
    terms = {name: verdict.get(name) for name in _TERMS}
    if terms["obligations"]:
        terms["obligations"] = [o for o in verdict["obligations"] if o.get("kind") not in _MET_BEFORE]
    return {name: value for name, value in terms.items() if value or (name == "authorised" and value is not None)}


def row_digest(row: DigestedRow) -> str:
    """The digest of an action as it stands, whatever it says its digest is.

    A row of before digests covered a verdict's terms names none as bound. Who takes a name away changes the digest.
    """
    named = row.verdict.get("bound", ())
    terms = terms_of(row.verdict)
    return action_digest(
        kind=row.kind,
        arguments=row.arguments,
        target=row.target,
        target_version=row.target_version,
        policy_hash=row.policy_hash,
        revision=row.revision,
        requirements=row.verdict["requirements"],
        terms={name: terms.get(name) for name in named},
    )
