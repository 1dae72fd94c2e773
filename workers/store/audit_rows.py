"""How an entry of the audit log is kept: on PostgreSQL a case's entries in one column of bytes, all others as they always were.

The bytes are the entry's hash, then what the hash is made of besides place, time and the hash before: actor, verb and data, as
the same text, packed with words that most of them are made of. Digests and ids, which are half of it and cannot be packed, are
taken out and follow as bytes. The columns that said all this before are empty beside it. An entry that nobody can read, or that
says something in both places, is told as such and as nothing else, so that no reader stumbles over it and the proof finds it.

Called by `audit`, `flow_postgresql` and `arrivals`, which write entries, and by all that read them.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from sqlalchemy import RowMapping, func, type_coerce

from workers.store.audit_tables import audit
from workers.store.ids import number_in, spelled
from workers.store.packing import OF_NOTES, deflated, reinflated
from workers.store.records import AuditEntry
from workers.store.unfit import NEVER, AnyBytes, AnyJson, AnyMoment, in_bytes

#: what an entry is read from
READ = (
    audit.c.id,
    audit.c.chain,
    audit.c.seq,
    type_coerce(audit.c.at, AnyMoment).label("at"),
    audit.c.actor,
    audit.c.verb,
    type_coerce(audit.c.data, AnyJson).label("data"),
    audit.c.previous,
    audit.c.hash,
    type_coerce(audit.c.packed, AnyBytes).label("packed"),
)
_HASH = 32
#: where an entry has its hash
DIGEST = (audit.c.hash, func.substr(audit.c.packed, 1, _HASH, type_=AnyBytes))
#: in place of the hash of the entry before, which stands in that entry; this one's own hash covers it all the same
NOT_REPEATED = ""
#: what the other columns of a packed entry are
EMPTY: Mapping[str, Any] = {"actor": "", "verb": "", "data": {}, "previous": NOT_REPEATED, "hash": ""}
#: the verb of an entry that cannot be read
UNREADABLE = "unreadable"

# What is packed begins with the number of its words. This is none, and says that an event opened the case: it is written at
# the door, where packing lets go of the interpreter that everybody there waits for.
_OPENED = 0
_EVENT = re.compile(r"evt_([0-7][0-9a-hjkmnp-tv-z]{25})")
_ID = 16
# No JSON holds these: each stands for what was taken out there.
_LONG, _SHORT, _SPELLED = "\1", "\2", "\3"
#: without digests and ids most entries of an installation are one of so few texts; one that was packed lately is not packed again,
#: which would let go of the interpreter twice each time
_KNOWN = 256
_SIZES = {_LONG: 32, _SHORT: 8, _SPELLED: _ID}
_PLAIN = re.compile(r':"([0-9a-f]{64}|[0-9a-f]{16}|[a-z]{3,5}_[0-7][0-9a-hjkmnp-tv-z]{25})"')
_TAKEN = re.compile(f"[{_LONG}{_SHORT}{_SPELLED}]")


def packed(digest: str, told: str) -> bytes:
    """The bytes of an entry: its hash, and the JSON of its actor, verb and data as it was hashed."""
    return bytes.fromhex(digest) + _shortened(told)


def packed_text(told: str) -> str:
    """Any JSON of notes, for a column of text."""
    return b64encode(_shortened(told)).decode()


def text_in(kept: str) -> str:
    """What `packed_text` packed, or what stands there as it is. Raise `ValueError` for what is neither."""
    return kept if kept.startswith("[") else _restored(b64decode(kept, validate=True))


def _shortened(told: str) -> bytes:
    parts, taken = _PLAIN.split(told), [b""]
    for place in range(1, len(parts), 2):
        text = parts[place]
        if len(text) == 16:
            mark = _SHORT
            taken.append(bytes.fromhex(text))
        elif len(text) == 64:
            mark = _LONG
            taken.append(bytes.fromhex(text))
        else:
            prefix, _, number = text.partition("_")
            mark = f"{prefix}_{_SPELLED}"
            taken.append(number_in(number).to_bytes(_ID))
        parts[place] = f':"{mark}"'
    taken[0] = _deflated("".join(parts))
    return b"".join(taken)


@lru_cache(maxsize=_KNOWN)
def _deflated(text: str) -> bytes:
    return deflated(text.encode("utf-8", "surrogatepass"), OF_NOTES)


def packed_opening(digest: str, told: str, event: str, kind: str, source: str) -> bytes:
    """The same for the first entry of a case that an event of this kind opened."""
    spelt = _EVENT.fullmatch(event)
    if spelt is None or "\0" in kind:
        return packed(digest, told)
    rest = f"{kind}\0{source}".encode("utf-8", "surrogatepass")
    return b"%b%c%b%b" % (bytes.fromhex(digest), _OPENED, number_in(spelt[1]).to_bytes(_ID), rest)


def opening(event: str, kind: str, source: str) -> tuple[str, str, dict[str, Any]]:
    """Actor, verb and data of that entry."""
    return f"source:{source}", "opened", {"event": event, "type": kind}


def opening_told(event: str, kind: str, source: str) -> str:
    """The JSON of that, as an entry's is hashed: written out, which takes a fifth of the time."""
    actor = encode_basestring(f"source:{source}")
    return f'[{actor},"opened",{{"event":{encode_basestring(event)},"type":{encode_basestring(kind)}}}]'


def entry_in(row: Sequence[Any]) -> AuditEntry:
    """A row of `READ`."""
    number, chain, seq, at, *beside, kept = row
    actor, verb, data, previous, digest = beside if kept is None else _opened(in_bytes(kept), beside)
    if (
        not isinstance(data, dict)
        or at == NEVER
        or any(type(one) is not str for one in (actor, verb, previous, digest))
    ):
        actor, verb, data, previous, digest = "", UNREADABLE, {}, NOT_REPEATED, str(digest)
    return AuditEntry(number, str(chain), seq if isinstance(seq, int) else 0, at, actor, verb, data, previous, digest)


def entries(rows: Iterable[Sequence[Any]]) -> list[AuditEntry]:
    return [entry_in(row) for row in rows]


def digest_in(row: Sequence[Any]) -> str:
    """The hash in a row that ends with `DIGEST`."""
    plain, kept = row[-2:]
    return str(plain) if kept is None else in_bytes(kept).hex()


def laid_open(row: RowMapping | Mapping[str, Any]) -> dict[str, Any]:
    """A whole row as it is kept where nothing is packed."""
    opened = {name: value for name, value in row.items() if name != "packed"}
    if row["packed"] is not None:
        told = _opened(in_bytes(row["packed"]), [row[name] for name in EMPTY])
        opened |= dict(zip(EMPTY, told, strict=True))
    return opened


def _opened(kept: bytes, beside: Sequence[Any]) -> tuple[str, str, Any, str, str]:
    """Actor, verb, data, the hash before and the hash."""
    try:
        actor, verb, data = _told(kept[_HASH:])
    except (ValueError, TypeError):
        beside = ()
    if list(beside) != list(EMPTY.values()):
        actor, verb, data = "", UNREADABLE, {}
    return actor, verb, data, NOT_REPEATED, kept[:_HASH].hex()


def _told(kept: bytes) -> Sequence[Any]:
    """Actor, verb and data. Raise `ValueError` or `TypeError` for what nobody wrote."""
    if kept[:1] == b"%c" % _OPENED:
        kind, _, source = kept[1 + _ID :].decode("utf-8", "surrogatepass").partition("\0")
        return opening(f"evt_{spelled(int.from_bytes(kept[1 : 1 + _ID]))}", kind, source)
    actor, verb, data = json.loads(_restored(kept))
    return actor, verb, {**data}


def _restored(kept: bytes) -> str:
    """What `_shortened` made shorter. Raise `ValueError` for what nobody did."""
    text, taken = reinflated(kept)
    place = 0

    def put_back(found: re.Match[str]) -> str:
        nonlocal place
        begin, place = place, place + _SIZES[found[0]]
        part = taken[begin:place]
        return spelled(int.from_bytes(part)) if found[0] == _SPELLED else part.hex()

    told = _TAKEN.sub(put_back, text.decode("utf-8", "surrogatepass"))
    if place != len(taken):
        raise ValueError("what was taken out is not what is missing")
    return told
