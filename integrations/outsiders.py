"""What outsiders wrote into the company's own records: names, addresses, notes.

A customer's record is the company's, and the name in it was typed by the customer, who may have typed an instruction or a
link. A record vouches for its numbers and ids, never for such a text. Origins of arguments, the checks of outgoing text and
prompts go by this one list. A new integration that reads more such fields names them here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_PERSON: Final = frozenset(
    {
        "name",
        "first_name",
        "last_name",
        "company",
        "address",
        "address_line1",
        "address_line2",
        "shipping_address",
        "billing_address",
        "billing_name",
        "shipping_name",
        "note",
        "notes",
        "comment",
        "message",
        "gift_message",
        "description",
        "title",
    }
)
#: fields that outsiders write, by the kind of the record that holds them
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "customer": _PERSON,
    "order": _PERSON,
    "charge": _PERSON,
    "dispute": frozenset({"note", "notes", "comment", "message", "description"}),
    "watch_hit": frozenset({"term"}),
}
#: what only a record of the kind has
_TELLING: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("order", frozenset({"order_number", "items"})),
    ("charge", frozenset({"charge_id", "card_last4"})),
    ("dispute", frozenset({"dispute_id"})),
    ("customer", frozenset({"customer_id", "email"})),
    ("watch_hit", frozenset({"matched_field", "term"})),
)
#: values that hold no others; asked first, since nearly all are of these
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
ELSEWHERE: Final = "(written by outsiders, see below)"


def written(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record's data that outsiders wrote, in the same nesting; empty where there is none."""
    names = FIELDS.get(kind)
    return _part(data, names) if names else {}


def _part(data: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        if key in names and value not in ("", None):
            found[key] = value
        elif type(value) in _PLAIN:
            continue
        elif isinstance(value, Mapping):
            if inner := _part(value, names):
                found[key] = inner
        elif isinstance(value, Sequence) and not isinstance(value, str):
            parts = [part for item in value if isinstance(item, Mapping) and (part := _part(item, names))]
            if parts:
                found[key] = parts
    return found


def apart(data: Any) -> tuple[Any, Any]:
    """A record's data, or a list of them, for a prompt: what the company says, with a remark in place of what outsiders
    wrote, and what outsiders wrote, None where that is nothing. Records are known by the fields that only they have."""
    if isinstance(data, Sequence) and not isinstance(data, str):
        pairs = [apart(item) for item in data]
        theirs = {str(place): part for place, (_, part) in enumerate(pairs) if part is not None}
        return [own for own, _ in pairs], theirs or None
    if not isinstance(data, Mapping):
        return data, None
    kind = _kind_of(data)
    theirs = written(kind, data) if kind else {}
    return (_without(data, FIELDS[kind]), theirs) if theirs else (data, None)


def _kind_of(data: Mapping[str, Any]) -> str:
    names = data.keys()
    for kind, fields in _TELLING:
        if fields <= names:
            return kind
    return ""


def _without(value: Any, names: frozenset[str]) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {
            key: ELSEWHERE if key in names and item not in ("", None) else _without(item, names)
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without(item, names) for item in value]
    return value
