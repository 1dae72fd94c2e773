"""Proving the audit log: every hash, every chain, every anchor, and every archive that took chains out of it.

Of an archived case the log keeps the numbers and hashes of its entries, sealed by a digest that the chain ``system`` tells of.
So anchors still cover what is gone, and nobody can take a chain away and say that it was archived: the digest would not
fit. What the entries said is in the file, which proves itself (`workers.archive.file`).
"""

from __future__ import annotations

import hashlib
import heapq
import struct
from collections.abc import Generator, Iterator
from contextlib import closing

from sqlalchemy import select, text, type_coerce

from workers.store.archive_tables import archived_entries, archives
from workers.store.audit import GENESIS, SYSTEM, ends, entry_hash
from workers.store.audit_rows import DIGEST, NOT_REPEATED, READ, digest_in, entry_in
from workers.store.audit_tables import audit, audit_anchors
from workers.store.database import Tx
from workers.store.unfit import AnyBytes, in_bytes, read_any_text

_PAIR = struct.Struct(">q32s")
_ROWS = {"yield_per": 1000}
_LOTS = {"yield_per": 20}
_ARCHIVE = tuple(archives.c[name] for name in ("id", "month", "part", "sha256", "seal", "cases", "entries"))
_PAIRS = type_coerce(archived_entries.c.pairs, AnyBytes)


def verify(tx: Tx) -> list[str]:
    """Every break found, in plain words; empty when the log is whole. Reads the whole log, row by row.

    On PostgreSQL it must be the transaction's first word: all of it is read as it was at one moment, while work goes on.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    read_any_text(tx)
    return [*_chains(tx), *_archives(tx), *_anchors(tx)]


def _chains(tx: Tx) -> Iterator[str]:
    heads = ends(tx)
    chain, seq, previous = "", 0, GENESIS
    query = select(*READ).order_by(audit.c.chain, audit.c.seq).execution_options(**_ROWS)
    with tx.execute(query) as rows:
        for row in rows:
            entry = entry_in(row)
            if entry.chain != chain:
                yield from _ends(heads, chain, seq, previous)
                chain, seq, previous = entry.chain, 0, GENESIS
            whole = entry.seq == seq + 1
            if not whole:
                yield f"{chain}: entry {seq + 1} is missing"
            # Earlier versions stored the hash of the entry before once more.
            if entry.previous not in (NOT_REPEATED, previous):
                yield f"{chain}: entry {entry.seq} does not follow the one before it"
            content = (entry.at, entry.actor, entry.verb, entry.data, entry.previous or previous)
            # What follows a gap cannot be proved where only the entry that is gone had the hash before.
            if (whole or entry.previous) and entry.hash != entry_hash(chain, entry.seq, *content):
                yield f"{chain}: entry {entry.seq} was changed"
            seq, previous = entry.seq, entry.hash
    yield from _ends(heads, chain, seq, previous)
    for chain, (seq, _) in heads.items():
        yield f"{chain}: the chain does not end where it should (entry {seq})"


def _ends(heads: dict[str, tuple[int, str]], chain: str, seq: int, digest: str) -> Iterator[str]:
    """A chain was read to its end; what is left in `heads` after all of them has no entries."""
    if chain and heads.pop(chain, None) != (seq, digest):
        yield f"{chain}: the chain does not end where it should (entry {seq})"


def _archives(tx: Tx) -> Iterator[str]:
    archived = tx.execute(
        select(*READ).where(audit.c.chain == SYSTEM, audit.c.verb == "archived").order_by(audit.c.seq)
    )
    # One that was changed so that it names no archive is told of with its chain.
    told = {str(entry.data["archive"]): entry.data for entry in map(entry_in, archived) if "archive" in entry.data}
    query = select(*_ARCHIVE).where(archives.c.state != "writing").order_by(archives.c.month, archives.c.part)
    for row in tx.execute(query).mappings().all():
        name, entry = f"archive {row['month']}, part {row['part']}", told.pop(row["id"], None)
        if entry is None:
            yield f"{name}: the log does not tell of it"
            continue
        if any(entry.get(key) != row[key] for key in ("sha256", "seal", "cases", "entries")):
            yield f"{name}: the log tells of it otherwise"
        seal, entries = hashlib.sha256(), 0
        of_it = select(_PAIRS).where(archived_entries.c.archive_id == row["id"])
        with tx.execute(of_it.order_by(archived_entries.c.number).execution_options(**_LOTS)) as lots:
            for (pairs,) in lots:
                kept = in_bytes(pairs)
                seal.update(kept)
                entries += len(kept) // _PAIR.size
        if (seal.hexdigest(), entries) != (row["seal"], row["entries"]):
            yield f"{name}: what was kept of its entries is not what was sealed"
    for entry in told.values():
        yield f"{entry.get('file')}: the log tells of this archive, and the database does not know it"


def _anchors(tx: Tx) -> Iterator[str]:
    sealed = select(
        audit_anchors.c.id, audit_anchors.c.last_audit_id, audit_anchors.c.entries, audit_anchors.c.digest
    ).order_by(audit_anchors.c.id)
    previous = GENESIS
    with closing(_in_order(tx)) as hashes:
        following = next(hashes, None)
        for number, last, entries, digest in tx.execute(sealed).all():
            seal, found = hashlib.sha256(previous.encode()), 0
            while following is not None and following[0] <= last:
                seal.update(following[1].encode())
                found += 1
                following = next(hashes, None)
            if found != entries or seal.hexdigest() != digest:
                yield f"anchor {number}: the entries up to {last} are not those that were sealed"
            previous = digest


def _in_order(tx: Tx) -> Generator[tuple[int, str], None, None]:
    """Number and hash of every entry that is there or was archived, by number.

    One that is in both (removal goes on, or its case changed after its export) comes once; if the two differ it comes twice,
    and no anchor fits.
    """
    query = select(audit.c.id, *DIGEST).order_by(audit.c.id).execution_options(**_ROWS)
    last: tuple[int, str] | None = None
    with tx.execute(query) as live, closing(_archived(tx)) as gone:
        for pair in heapq.merge(((row[0], digest_in(row)) for row in live), gone):
            if pair != last:
                yield pair
            last = pair


def _archived(tx: Tx) -> Generator[tuple[int, str], None, None]:
    """The entries of all archives by number. Lots overlap, so as many are open as reach over the present number."""
    query = (
        select(archived_entries.c.first_id, _PAIRS)
        .join(archives, archives.c.id == archived_entries.c.archive_id)
        .where(archives.c.state != "writing")
        .order_by(archived_entries.c.first_id)
        .execution_options(**_LOTS)
    )
    opened: list[tuple[int, str]] = []
    with tx.execute(query) as lots:
        for first, packed in lots:
            while opened and opened[0][0] < first:
                yield heapq.heappop(opened)
            kept = in_bytes(packed)
            # Of a lot that was cut off: its archive's seal tells of that.
            for number, digest in _PAIR.iter_unpack(kept[: len(kept) // _PAIR.size * _PAIR.size]):
                heapq.heappush(opened, (number, digest.hex()))
    while opened:
        yield heapq.heappop(opened)
