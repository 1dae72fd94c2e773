"""Named queries on the audit log: one hash chain per case, and anchors over all of them.

Each entry's hash covers its content and the hash before it, so a changed, removed or inserted entry breaks its chain.
What one commit tells of a case is one entry, with all its notes under one hash; `unfolded` tells them apart again. An
anchor's digest covers every entry since the anchor before, in order, so a chain cut at its end (or dropped whole) shows
too, as long as an anchor was copied elsewhere: anchors are also written to the process log. `proof` checks all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from json.encoder import encode_basestring
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, text, type_coerce, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from workers.store import audit_rows
from workers.store.audit_tables import audit, audit_anchors, audit_heads
from workers.store.database import Tx
from workers.store.records import AuditEntry
from workers.store.tables import cases
from workers.store.unfit import AnyBytes, in_bytes

GENESIS = "0" * 64
#: what a hash is made of, written the same way for ever
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
SYSTEM = "system"
#: the verb of an entry that holds several notes
SEVERAL = "several"
#: entries younger than this may have older ones behind them whose transaction is still open
SETTLING_SECONDS = 10
#: what those who seal agree on; any number that nothing else in the database uses
_SEALING = 5_107_418_226_730_543
_SEAL_ALONE = text("SELECT pg_advisory_xact_lock(:number)")
_SEAL_IF_ALONE = text("SELECT pg_try_advisory_xact_lock(:number)")

_HEAD = select(audit_heads.c.seq, audit_heads.c.hash).where(audit_heads.c.chain == bindparam("of"))
_OF_CASE = (
    select(cases.c.chain_seq, cases.c.chain_hash, audit_heads.c.seq, audit_heads.c.hash, cases.c.untold)
    .select_from(cases.outerjoin(audit_heads, audit_heads.c.chain == cases.c.id))
    .where(cases.c.id == bindparam("of"))
)
_ADD = insert(audit)
_LONG_WRITER = text(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL "
    "AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - make_interval(secs => :seconds) LIMIT 1"
)

#: Written by a transaction that is older than every one which is still open. An entry's time is that of its machine's clock, which
#: may be behind ours: it would make old what was written just now.
_OVER = text(
    "age(audit.xmin) > (SELECT coalesce(max(age(backend_xid)), -1) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid())"
)


def _set_head(make: Callable[..., Any]) -> Any:
    changed = make(audit_heads)
    return changed.on_conflict_do_update(
        index_elements=[audit_heads.c.chain], set_={"seq": changed.excluded.seq, "hash": changed.excluded.hash}
    )


_SET_HEAD = {"sqlite": _set_head(sqlite_insert), "postgresql": _set_head(pg_insert)}
_SET_ON_CASE = (
    update(cases)
    .where(cases.c.id == bindparam("of"))
    .values(chain_seq=bindparam("seq"), chain_hash=bindparam("digest", type_=cases.c.chain_hash.type), untold=None)
)
_NO_HEAD = delete(audit_heads).where(audit_heads.c.chain == bindparam("of"))
_READ = (_OF_CASE, _HEAD)
#: the row is held until the commit
_HELD = (_OF_CASE.with_for_update(of=cases), _HEAD.with_for_update())
_HEADS = select(audit_heads.c.chain, audit_heads.c.seq, audit_heads.c.hash)
_ENDS = select(cases.c.id, cases.c.chain_seq, type_coerce(cases.c.chain_hash, AnyBytes)).where(
    cases.c.chain_seq.is_not(None)
)


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to be written down: who did what, with ids and digests, never payload text."""

    actor: str
    verb: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a chain ends: the number and hash of its last entry. Number 0 is a chain without entries."""

    seq: int = 0
    hash: str | None = None
    #: kept in `audit_heads`: whoever adds to the chain of a case moves that to the case
    apart: bool = False
    #: what is written down with the case and not in the log yet: the next entry begins with it, whoever writes it
    waiting: tuple[Note, ...] = ()


def append(tx: Tx, chain: str, now: datetime, *notes: Note, plain: bool = False) -> Chain:
    """Add notes to a chain, in order, in the same transaction as what they tell of. Returns where it ends now.

    Without notes only what waits to be told is added. `plain` keeps them as earlier versions do.
    """
    before, of_case = _end(tx, chain, _HELD)
    made = link(chain, before, now, notes)
    if made is None:
        return before
    end = Chain(made.seq, made.hash)
    tx.execute(_ADD, made.packed_row() if of_case and not plain and tx.dialect.name == "postgresql" else made.row())
    if not of_case:
        tx.execute(_SET_HEAD[tx.dialect.name], {"chain": chain, "seq": end.seq, "hash": end.hash})
        return end
    tx.execute(_SET_ON_CASE, {"of": chain, "seq": end.seq, "digest": bytes.fromhex(made.hash)})
    if before.apart:
        tx.execute(_NO_HEAD, {"of": chain})
    return end


def end_of(tx: Tx, chain: str) -> Chain:
    """Where a chain ends just now."""
    return _end(tx, chain, _READ)[0]


def _end(tx: Tx, chain: str, queries: tuple[Any, Any]) -> tuple[Chain, bool]:
    """Where a chain ends, and whether that is kept with a case."""
    of_case, head = queries
    row = tx.execute(of_case, {"of": chain}).first() if chain != SYSTEM else None
    if row is not None:
        return _of_case(*row), True
    row = tx.execute(head, {"of": chain}).first()
    return (Chain(*row) if row is not None else Chain()), False


def _of_case(
    seq: int | None, digest: bytes | None, apart_seq: int | None, apart_hash: str | None, untold: str | None
) -> Chain:
    waiting = told_later(untold)
    if seq is not None and digest is not None:
        return Chain(seq, digest.hex(), waiting=waiting)
    return Chain(apart_seq or 0, apart_hash, apart=apart_seq is not None, waiting=waiting)


def ends(tx: Tx, case_ids: Sequence[str] | None = None) -> dict[str, tuple[int, str]]:
    """Number and hash of the last entry of each chain, or of these cases' chains."""
    heads, on_cases = _HEADS, _ENDS
    if case_ids is not None:
        heads, on_cases = heads.where(audit_heads.c.chain.in_(case_ids)), on_cases.where(cases.c.id.in_(case_ids))
    found = {chain: (seq, digest) for chain, seq, digest in tx.execute(heads)}
    found.update((case_id, (seq, in_bytes(digest).hex())) for case_id, seq, digest in tx.execute(on_cases))
    return found


@dataclass(frozen=True, slots=True)
class Link:
    """The next entry of a chain."""

    chain: str
    seq: int
    at: datetime
    note: Note
    #: the JSON of what it says, as it was hashed
    told: str
    hash: str

    @property
    def packed(self) -> bytes:
        """What it says and its hash, as PostgreSQL keeps them of a case."""
        return audit_rows.packed(self.hash, self.told)

    def row(self) -> dict[str, Any]:
        """A row in which each column says what it is called."""
        told = {"actor": self.note.actor, "verb": self.note.verb, "data": dict(self.note.data)}
        return {**self._place(), **audit_rows.EMPTY, **told, "hash": self.hash}

    def packed_row(self) -> dict[str, Any]:
        return {**self._place(), **audit_rows.EMPTY, "packed": self.packed}

    def _place(self) -> dict[str, Any]:
        return {"chain": self.chain, "seq": self.seq, "at": self.at}


def link(chain: str, end: Chain, now: datetime, notes: Sequence[Note]) -> Link | None:
    """What waits at the end of a chain and notes that follow, as one entry. None for none."""
    notes = [*end.waiting, *notes]
    if not notes:
        return None
    note, seq, previous = _folded(notes), end.seq + 1, end.hash or GENESIS
    told = _ENCODER.encode([note.actor, note.verb, dict(note.data)])
    return Link(chain, seq, now, note, told, _hash(chain, seq, now, told, previous))


def first_link(chain: str, now: datetime, note: Note, told: str) -> Link:
    """The first entry of a chain by somebody who knows its JSON: the door writes it for each event."""
    return Link(chain, 1, now, note, told, _hash(chain, 1, now, told, GENESIS))


def untold(notes: Sequence[Note], *, packed: bool) -> str:
    """Notes that wait, as the case keeps them: packed on PostgreSQL."""
    told = _ENCODER.encode([[note.actor, note.verb, dict(note.data)] for note in notes])
    return audit_rows.packed_text(told) if packed else told


def told_later(kept: str | None) -> tuple[Note, ...]:
    return tuple(Note(*note) for note in json.loads(audit_rows.text_in(kept))) if kept else ()


def _folded(notes: Sequence[Note]) -> Note:
    """Notes of one commit as one. Whoever did the first did the others, where they do not say otherwise."""
    first = notes[0]
    if len(notes) == 1:
        return first
    told = [
        [note.verb, dict(note.data)] if note.actor == first.actor else [note.verb, dict(note.data), note.actor]
        for note in notes
    ]
    return Note(first.actor, SEVERAL, {"notes": told})


def unfolded(entry: AuditEntry) -> list[AuditEntry]:
    """What an entry tells, one thing each, in order. All of them have the entry's number and hash."""
    notes = notes_of(entry.actor, entry.verb, entry.data)
    return [replace(entry, actor=note.actor, verb=note.verb, data=note.data) for note in notes]


def notes_of(actor: str, verb: str, data: Mapping[str, Any]) -> list[Note]:
    """The notes in an entry's content, here or in an archive's file."""
    if verb != SEVERAL:
        return [Note(actor, verb, data)]
    try:
        return [Note(other[0] if other else actor, told, {**about}) for told, about, *other in data["notes"]]
    except (LookupError, TypeError, ValueError):
        # Nobody wrote it so. The proof finds what was changed, and whoever only reads goes on.
        return [Note("", audit_rows.UNREADABLE, {})]


def entry_hash(
    chain: str, seq: int, at: datetime, actor: str, verb: str, data: Mapping[str, Any], previous: str
) -> str:
    return _hash(chain, seq, at, _ENCODER.encode([actor, verb, data]), previous)


def _hash(chain: str, seq: int, at: datetime, told: str, previous: str) -> str:
    """Of one list: chain, number and time, what is told, and the hash before."""
    content = f'[{encode_basestring(chain)},{seq},"{at.isoformat()}",{told[1:-1]},{encode_basestring(previous)}]'
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def of_chain(tx: Tx, chain: str) -> list[AuditEntry]:
    """All that a chain tells, each thing by itself."""
    query = select(*audit_rows.READ).where(audit.c.chain == chain).order_by(audit.c.seq)
    return [told for row in tx.execute(query).all() for told in unfolded(audit_rows.entry_in(row))]


def since(tx: Tx, last_id: int, limit: int = 200) -> list[AuditEntry]:
    """Entries after an id, of all chains, as they are stored: what the live view follows."""
    query = select(*audit_rows.READ).where(audit.c.id > last_id).order_by(audit.c.id).limit(limit)
    return audit_rows.entries(tx.execute(query).all())


def last_id(tx: Tx) -> int:
    return int(tx.execute(select(func.coalesce(func.max(audit.c.id), 0))).scalar_one())


def anchor(tx: Tx, now: datetime, *, wait: bool = False) -> tuple[int, str] | None:
    """Seal what came since the last anchor. Returns (last entry id, digest), or None when nothing came, or when somebody else
    seals just now, unless that is waited for."""
    if not _seals_alone(tx, wait=wait):
        return None
    settled_to = _settled_to(tx, now)
    last = tx.execute(
        select(audit_anchors.c.last_audit_id, audit_anchors.c.digest).order_by(audit_anchors.c.id.desc()).limit(1)
    ).first()
    sealed_to, previous = (last[0], last[1]) if last else (0, GENESIS)
    unsealed = select(audit.c.id, *audit_rows.DIGEST).where(audit.c.id > sealed_to, audit.c.id <= settled_to)
    hashes = list(tx.execute(unsealed.order_by(audit.c.id)))
    if not hashes:
        return None
    digest = _seal(previous, map(audit_rows.digest_in, hashes))
    tx.execute(insert(audit_anchors).values(at=now, last_audit_id=hashes[-1][0], entries=len(hashes), digest=digest))
    return hashes[-1][0], digest


def _seals_alone(tx: Tx, *, wait: bool) -> bool:
    """Until this transaction ends. Of two anchors that begin at the same one, the second would never fit again: an archive seals
    too, and a sweeper that stood still may go on when another leads."""
    if tx.dialect.name != "postgresql":
        return True
    if wait:
        tx.execute(_SEAL_ALONE, {"number": _SEALING})
        return True
    return bool(tx.execute(_SEAL_IF_ALONE, {"number": _SEALING}).scalar())


def _settled_to(tx: Tx, now: datetime) -> int:
    """The number up to which no entry can still come.

    PostgreSQL gives a number out before its transaction commits. So the newest entries are left to the next anchor, with all that
    came since the oldest open transaction began to write, and all of them while one has been writing for longer than that.
    """
    if tx.dialect.name != "postgresql":
        return last_id(tx)
    if tx.execute(_LONG_WRITER, {"seconds": SETTLING_SECONDS}).first() is not None:
        return 0
    old = select(audit.c.id).where(audit.c.at <= now - timedelta(seconds=SETTLING_SECONDS), _OVER)
    return int(tx.execute(old.order_by(audit.c.id.desc()).limit(1)).scalar() or 0)


def count(tx: Tx) -> int:
    return int(tx.execute(select(func.count()).select_from(audit)).scalar_one())


def _seal(previous: str, hashes: Iterator[str]) -> str:
    seal = hashlib.sha256(previous.encode())
    for item in hashes:
        seal.update(item.encode())
    return seal.hexdigest()
