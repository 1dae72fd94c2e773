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

from pydantic_core import PydanticSerializationError, to_json


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
    try:
        written = to_json(_in_order(value))
    except (_Unusual, PydanticSerializationError):
        text = _ENCODER.encode(canonical(value))
        written = text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(written).hexdigest()


def rough_digest_of(value: Any) -> str:
    """As `digest_of`, of values with floats in them, confidences above all: each counts as the text that Python writes for it,
    as a digest must not depend on how a float is printed elsewhere."""
    try:
        written = to_json(_in_order(value, floats=True))
    except (_Unusual, PydanticSerializationError):
        return digest_of(_without_floats(value))
    return hashlib.sha256(written).hexdigest()


class _Unusual(Exception):
    """A value that takes the long way to its canonical form."""


def _in_order(value: Any, *, floats: bool = False) -> Any:
    """What `canonical` makes of plain values, keys in order: nearly all are, and a dozen of them are digested in each case.
    Raise `_Unusual`, also for what has no canonical form."""
    kind = value.__class__
    if kind is dict:
        made: dict[str, Any] = {}
        try:
            names = sorted(value)
        except TypeError as error:
            raise _Unusual from error
        for name in names:
            if name.__class__ is not str or not name.isascii():
                raise _Unusual
            item = value[name]
            inner = item.__class__
            if (inner is str and item.isascii()) or inner is int:
                made[name] = item
            else:
                made[name] = _in_order(item, floats=floats)
        return made
    if kind is str:
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if kind is int or kind is bool or value is None:
        return value
    if kind is list:
        return [_in_order(item, floats=floats) for item in value]
    if floats and kind is float:
        return repr(value)
    raise _Unusual


def _without_floats(value: Any) -> Any:
    if value.__class__ is float:
        return repr(value)
    if isinstance(value, Mapping):
        return {key: _without_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_floats(item) for item in value]
    return value


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
