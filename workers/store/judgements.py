"""Named queries on what the audit log tells of judgements: the digest of each record as it was written, and what no longer fits.

The log's entries are chained and sealed, the records are not: so a record is held against the log, and what was written
before digests were kept is said to be unproved, never to be whole. Reads only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, select

from workers.store import packing
from workers.store.action_rows import record_text
from workers.store.audit import SYSTEM, unfolded
from workers.store.audit_rows import READ, entries
from workers.store.audit_tables import audit
from workers.store.database import Tx
from workers.store.record_digest import digest_of
from workers.store.revision_rows import WRITTEN, revisions
from workers.store.tables import actions

#: cases that are looked at together
PAGE = 500


class Standing(StrEnum):
    """A stored record beside what the log told of it when it was written."""

    AS_WRITTEN = "as_written"
    CHANGED = "changed"
    #: it was written before digests were kept
    NO_DIGEST = "no_digest"
    #: a person's data were taken out
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Told:
    """What the log tells of some cases: digests by action and revision, and which cases were erased."""

    digests: Mapping[tuple[str, int], str] = field(default_factory=dict)
    cases: Mapping[tuple[str, int], str] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()


def told_of(tx: Tx, case_ids: Sequence[str]) -> Told:
    query = select(*READ).where(audit.c.chain.in_(case_ids)).order_by(audit.c.chain, audit.c.seq)
    digests: dict[tuple[str, int], str] = {}
    chains: dict[tuple[str, int], str] = {}
    erased = set()
    for entry in entries(tx.execute(query).all()):
        for note in unfolded(entry):
            if note.verb == "erased":
                erased.add(entry.chain)
            digest, action, revision = note.data.get("record"), note.data.get("action"), note.data.get("revision", 1)
            if isinstance(digest, str) and isinstance(action, str) and isinstance(revision, int):
                # What was told first was told when it was judged; a revision is judged once.
                which = (action, revision)
                digests.setdefault(which, digest)
                chains.setdefault(which, entry.chain)
    return Told(digests, chains, frozenset(erased))


def standing(text: str, digest: str | None, *, erased: bool) -> Standing:
    """How a stored record stands, given as the text of its JSON."""
    try:
        record: Any = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return Standing.CHANGED if digest is not None else Standing.NO_DIGEST
    if erased and record == {}:
        return Standing.ERASED
    if digest is None:
        return Standing.NO_DIGEST
    return Standing.AS_WRITTEN if digest_of(record) == digest else Standing.CHANGED


def unfitting(tx: Tx) -> Iterator[str]:
    """Every record that is not the one that was written, and every one that is gone, in plain words."""
    last = ""
    while True:
        query = select(audit.c.chain).where(audit.c.chain > last, audit.c.chain != SYSTEM).distinct()
        chains = list(tx.execute(query.order_by(audit.c.chain).limit(PAGE)).scalars())
        if chains:
            yield from _unfitting(tx, chains)
        if len(chains) < PAGE:
            return
        last = chains[-1]


def _unfitting(tx: Tx, chains: Sequence[str]) -> Iterator[str]:
    told = told_of(tx, chains)
    left = dict(told.cases)
    record = record_text(revisions.c.record, revisions.c.packed, sqlite=tx.dialect.name == "sqlite")
    query = (
        select(actions.c.case_id, revisions.c.action_id, revisions.c.revision, record)
        .join(actions, actions.c.id == revisions.c.action_id)
        .where(actions.c.case_id.in_(chains), WRITTEN)
        .order_by(actions.c.case_id, revisions.c.action_id, revisions.c.revision)
    )
    for case_id, action_id, revision, text in tx.execute(query):
        left.pop((action_id, revision), None)
        stands = standing(text, told.digests.get((action_id, revision)), erased=case_id in told.erased)
        if stands is Standing.CHANGED:
            yield (
                f"{case_id}: the stored record of {action_id}, revision {revision}, "
                "is not the one that was written when it was judged"
            )
    for (action_id, revision), case_id in left.items():
        yield f"{case_id}: the record of {action_id}, revision {revision}, is gone, and the log tells of it"


def as_text(tx: Tx, column: Column[Any]) -> Any:
    """A column of JSON as text: whoever wants it reads it, once."""
    return packing.as_text(column, sqlite=tx.dialect.name == "sqlite")
