"""Named queries on the audit log: one hash chain per case, and anchors over all of them.

Each entry's hash covers its content and the hash before it, so a changed, removed or inserted entry breaks its chain. An
anchor's digest covers every entry since the anchor before, in order, so a chain cut at its end (or dropped whole) shows
too, as long as an anchor was copied elsewhere: anchors are also written to the process log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from workers.store.database import Tx
from workers.store.records import AuditEntry
from workers.store.rows import columns, many
from workers.store.tables import audit, audit_anchors, audit_heads

GENESIS = "0" * 64
SYSTEM = "system"
_ENTRY = columns(audit, AuditEntry)

_HEAD = select(audit_heads.c.seq, audit_heads.c.hash).where(audit_heads.c.chain == bindparam("chain")).with_for_update()
_ADD = insert(audit)


def _set_head(make: Callable[..., Any]) -> Any:
    changed = make(audit_heads)
    return changed.on_conflict_do_update(
        index_elements=[audit_heads.c.chain], set_={"seq": changed.excluded.seq, "hash": changed.excluded.hash}
    )


_SET_HEAD = {"sqlite": _set_head(sqlite_insert), "postgresql": _set_head(pg_insert)}


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


def append(tx: Tx, chain: str, now: datetime, *notes: Note) -> Chain:
    """Add notes to a chain, in order, in the same transaction as what they tell of. Returns where it ends now."""
    head = tx.execute(_HEAD, {"chain": chain}).first()
    rows, end = linked(chain, Chain(*head) if head else Chain(), now, notes)
    if rows:
        tx.execute(_ADD, rows)
        tx.execute(_SET_HEAD[tx.dialect.name], {"chain": chain, "seq": end.seq, "hash": end.hash})
    return end


def linked(chain: str, end: Chain, now: datetime, notes: Sequence[Note]) -> tuple[list[dict[str, Any]], Chain]:
    """Rows for notes that follow the end of a chain, and the new end."""
    seq, previous = end.seq, end.hash or GENESIS
    rows = []
    for note in notes:
        seq += 1
        digest = entry_hash(chain, seq, now, note.actor, note.verb, note.data, previous)
        rows.append(
            {
                "chain": chain,
                "seq": seq,
                "at": now,
                "actor": note.actor,
                "verb": note.verb,
                "data": dict(note.data),
                "previous": previous,
                "hash": digest,
            }
        )
        previous = digest
    return rows, Chain(seq, previous)


def entry_hash(
    chain: str, seq: int, at: datetime, actor: str, verb: str, data: Mapping[str, Any], previous: str
) -> str:
    content = json.dumps(
        [chain, seq, at.isoformat(), actor, verb, data, previous],
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def of_chain(tx: Tx, chain: str) -> list[AuditEntry]:
    return many(AuditEntry, tx.execute(select(*_ENTRY).where(audit.c.chain == chain).order_by(audit.c.seq)).all())


def since(tx: Tx, last_id: int, limit: int = 200) -> list[AuditEntry]:
    """Entries after an id, of all chains: what the live view follows."""
    query = select(*_ENTRY).where(audit.c.id > last_id).order_by(audit.c.id).limit(limit)
    return many(AuditEntry, tx.execute(query).all())


def last_id(tx: Tx) -> int:
    return int(tx.execute(select(func.coalesce(func.max(audit.c.id), 0))).scalar_one())


def anchor(tx: Tx, now: datetime) -> tuple[int, str] | None:
    """Seal what came since the last anchor. Returns (last entry id, digest), or None when nothing came."""
    last = tx.execute(
        select(audit_anchors.c.last_audit_id, audit_anchors.c.digest).order_by(audit_anchors.c.id.desc()).limit(1)
    ).first()
    sealed_to, previous = (last[0], last[1]) if last else (0, GENESIS)
    hashes = list(tx.execute(select(audit.c.id, audit.c.hash).where(audit.c.id > sealed_to).order_by(audit.c.id)))
    if not hashes:
        return None
    digest = _seal(previous, (row[1] for row in hashes))
    tx.execute(insert(audit_anchors).values(at=now, last_audit_id=hashes[-1][0], entries=len(hashes), digest=digest))
    return hashes[-1][0], digest


def verify(tx: Tx) -> list[str]:
    """Every break found, in plain words; empty when the log is whole. Reads the whole log, row by row."""
    problems: list[str] = []
    heads: dict[str, tuple[int, str]] = {}
    query = select(*_ENTRY).order_by(audit.c.chain, audit.c.seq).execution_options(yield_per=1000)
    for row in tx.execute(query):
        entry = AuditEntry(*row)
        seq, previous = heads.get(entry.chain, (0, GENESIS))
        if entry.seq != seq + 1:
            problems.append(f"{entry.chain}: entry {seq + 1} is missing")
        if entry.previous != previous:
            problems.append(f"{entry.chain}: entry {entry.seq} does not follow the one before it")
        if entry.hash != entry_hash(
            entry.chain, entry.seq, entry.at, entry.actor, entry.verb, entry.data, entry.previous
        ):
            problems.append(f"{entry.chain}: entry {entry.seq} was changed")
        heads[entry.chain] = (entry.seq, entry.hash)
    for chain, seq, digest in tx.execute(select(audit_heads.c.chain, audit_heads.c.seq, audit_heads.c.hash)):
        if heads.get(chain) != (seq, digest):
            problems.append(f"{chain}: the chain does not end where it should (entry {seq})")
    problems.extend(_verify_anchors(tx))
    return problems


def count(tx: Tx) -> int:
    return int(tx.execute(select(func.count()).select_from(audit)).scalar_one())


def _verify_anchors(tx: Tx) -> Iterator[str]:
    sealed_to, previous = 0, GENESIS
    for number, last_audit_id, entries, digest in tx.execute(
        select(
            audit_anchors.c.id, audit_anchors.c.last_audit_id, audit_anchors.c.entries, audit_anchors.c.digest
        ).order_by(audit_anchors.c.id)
    ).all():
        hashes = tx.execute(
            select(audit.c.hash).where(audit.c.id > sealed_to, audit.c.id <= last_audit_id).order_by(audit.c.id)
        ).all()
        if len(hashes) != entries or _seal(previous, (row[0] for row in hashes)) != digest:
            yield f"anchor {number}: the entries up to {last_audit_id} are not those that were sealed"
        sealed_to, previous = last_audit_id, digest


def _seal(previous: str, hashes: Iterator[str]) -> str:
    seal = hashlib.sha256(previous.encode())
    for item in hashes:
        seal.update(item.encode())
    return seal.hexdigest()
