"""What is written once of an action and of its revisions, as PostgreSQL keeps it: packed, in one column of bytes each.

A verdict, why it was proposed, what it rests on, the record of the decision: all of that is read together and never asked
for by itself, and each commit of a decision would write it ahead at its full length. What statements ask for, and what changes
afterwards, stays in columns of its own. A column that is filled goes before what is packed: so a change needs no packing, and
rows of earlier versions, and of SQLite, are read as they are. Called by the records (`Action`, `Revision`), by `flow_postgresql`,
and by whoever reads single columns. It must never lose a value: what does not fit its form is packed as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, cast, func, literal, type_coerce

from workers.store import packing
from workers.store.packing import NUMBER, OF_ACTIONS

#: columns of `actions` that are packed, and of `revisions`
OF_ACTION = ("verdict", "sentence", "rationale", "citations", "origins", "rests_on", "policy_hash")
OF_REVISION = ("arguments", "target", "target_version", "digest", "record")
#: columns of `actions` that are another row's (`revision_rows`)
FIRST_REVISION = ("first_revision", "author")
#: columns that say nothing of an action or a revision but how it is kept, and found while it is open
_KEPT_ALONG = {"actions": ("packed", "standing", "held_until", *FIRST_REVISION), "revisions": ("packed",)}
#: so many letters of an approved digest are kept while it is the action's own
SHORT = 16
#: in place of a hash, which is kept as bytes after what is packed: no JSON has this character
_HASH = "\x01"
_HASH_BYTES = 32
#: what the byte before a policy's hash says: that there are limits, and that the digest comes before it
_LIMITS, _DIGEST = 1, 2
#: what is left out of a receipt that says nothing of it
_NO_RECEIPT: Mapping[str, Any] = {"version_before": "", "version_after": "", "data": {}}
#: how much was packed beside a record where that is the digest, too
_WITH_DIGEST = 4
#: how packed bytes begin as text: no JSON does
_PACKED_TEXT = "\\x"
_is_hash = re.compile(r"[0-9a-f]{64}").fullmatch


def packed_action(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `actions` for a statement that takes it as JSON."""
    once = {name: row[name] for name in OF_ACTION}
    kept = {name: value for name, value in row.items() if name not in once}
    hashed = once["policy_hash"]
    approved, digest = row["approved_digest"], row["digest"]
    tail = b""
    if _is_hash(hashed):
        del once["policy_hash"]
        said = _LIMITS if "limits" in once["verdict"] else 0
        if approved == digest and _is_hash(digest):
            # What waits for a person keeps it in its column: it is what the person's word is of.
            kept["digest"], tail, said = None, bytes.fromhex(digest), said | _DIGEST
        # All of it is asked for by the statements that begin an action and end it.
        tail += bytes([said]) + bytes.fromhex(hashed)
    if approved == digest and len(digest) > SHORT:
        kept["approved_digest"] = digest[:SHORT]
    return {**kept, "packed": _literal(packing.in_bytes(once, OF_ACTIONS) + tail)}


def action_of(packed: bytes | str) -> dict[str, Any]:
    """What was packed of an action, by its columns."""
    stored = _bytes(packed)
    once: dict[str, Any] = packing.of_bytes(stored)
    if "policy_hash" not in once:
        once["policy_hash"] = stored[-_HASH_BYTES:].hex()
        rest = stored[:-_HASH_BYTES]
        if rest[-1] & _DIGEST:
            once["digest"] = rest[-_HASH_BYTES - 1 : -1].hex()
    return once


def digest_in(alias: str) -> str:
    """An action's digest in words of PostgreSQL, wherever it is kept."""
    packed = f"{alias}.packed"
    return f"COALESCE({alias}.digest, encode(substr({packed}, length({packed}) - {2 * _HASH_BYTES}, {_HASH_BYTES}), 'hex'))"


def limited_in(alias: str) -> str:
    """Whether what was packed of an action says that it uses up of limits."""
    return f"get_byte({alias}.packed, length({alias}.packed) - {_HASH_BYTES + 1}) & {_LIMITS} = {_LIMITS}"


def short_receipt(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """A receipt without what says nothing."""
    return {name: value for name, value in receipt.items() if name not in _NO_RECEIPT or value}


def full_receipt(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {**_NO_RECEIPT, **kept}


def approved_digest(kept: str, digest: str) -> str:
    """An approved digest in full. Where the action has another one by now, nothing completes it, and it fits nothing."""
    return digest if len(kept) == SHORT and digest.startswith(kept) else kept


def packed_revision(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `revisions` for a statement that takes it as JSON."""
    kept = {name: value for name, value in row.items() if name not in OF_REVISION}
    record, hashed = packing.written(row["record"]), row["record"].get("policy_hash")
    tail = b""
    if isinstance(hashed, str) and _is_hash(hashed):
        record = record.replace(f'"{hashed}"'.encode(), _HASH.encode(), 1)
        tail = bytes.fromhex(hashed)
    told = [row["arguments"], row["target"], row["target_version"]]
    if _is_hash(row["digest"]):
        tail += bytes.fromhex(row["digest"])
    else:
        told.append(row["digest"])
    text = b"%b\n%b" % (record, packing.written(told))
    return {**kept, "packed": _literal(packing.deflated(text, NUMBER) + tail)}


def revision_of(packed: bytes | str) -> dict[str, Any]:
    """What was packed of a revision, by its columns."""
    record, told, digest = _parted(_bytes(packed))
    arguments, target, version, *_ = told
    found = {"arguments": arguments, "target": target, "target_version": version, "digest": digest}
    return {**found, "record": json.loads(record)}


def _parted(stored: bytes) -> tuple[str, list[Any], str]:
    """The text of a revision's record, what else was packed with it, and its digest."""
    record, _, rest = packing.inflated(stored).decode().partition("\n")
    told = json.loads(rest)
    if len(told) == _WITH_DIGEST:
        digest = told[-1]
    else:
        digest, stored = stored[-_HASH_BYTES:].hex(), stored[:-_HASH_BYTES]
    return record.replace(_HASH, f'"{stored[-_HASH_BYTES:].hex()}"', 1), told, digest


def empty_of(name: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    """The columns of a row that are empty because they are packed, or short, with what they are."""
    made = {"actions": action_of, "revisions": revision_of}
    if name not in made:
        return {}
    packed, short = row["packed"], row.get("approved_digest")
    found = {} if packed is None else {n: value for n, value in made[name](packed).items() if row[n] is None}
    if short is None:
        return found
    return {**found, "approved_digest": approved_digest(short, found.get("digest", row["digest"]))}


def whole(name: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a table as its columns were before anything was packed: for files that are read without this code."""
    dropped = _KEPT_ALONG.get(name, ())
    made = {n: value for n, value in row.items() if n not in dropped} | empty_of(name, row)
    return made | {"receipt": full_receipt(made["receipt"])} if made.get("receipt") else made


def column_of(value: Any, packed: bytes | None, name: str) -> Any:
    """One column of an action that may be packed."""
    return action_of(packed)[name] if value is None and packed is not None else value


def record_of(record: Any, packed: bytes | None) -> Any:
    """A revision's record that may be packed."""
    return revision_of(packed)["record"] if record is None and packed is not None else record


class _KeptText(packing.RecordText):
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or not value.startswith(_PACKED_TEXT):
            return super().process_result_value(value, dialect)
        try:
            return _parted(bytes.fromhex(value[len(_PACKED_TEXT) :]))[0]
        except ValueError:
            # Whoever holds a record against the log must be told what is there, whatever somebody made of it.
            return value


def record_text(record: ColumnElement[Any], packed: ColumnElement[Any], *, sqlite: bool) -> Any:
    """A revision's record as text: whoever wants the values reads it, once."""
    if sqlite:
        return type_coerce(record, Text)
    return type_coerce(
        func.coalesce(cast(record, Text), literal(_PACKED_TEXT).concat(func.encode(packed, "hex"))), _KeptText
    )


def _literal(stored: bytes) -> str:
    return _PACKED_TEXT + stored.hex()


def _bytes(packed: bytes | str) -> bytes:
    return bytes.fromhex(packed[len(_PACKED_TEXT) :]) if isinstance(packed, str) else bytes(packed)
