"""Taking a person's data out of the database: what they wrote, what was gathered, drafted and learned of them.

Rows stay as tombstones, with ids, digests, states and times, so that chains of the audit log, the ledger and counts still
hold. What a column is made of decides what becomes of it, in every table that belongs to a case, so that a table of tomorrow
is not forgotten. Called by `workers.memory.erasing` alone.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    LargeBinary,
    Select,
    Table,
    Text,
    TypeDecorator,
    cast,
    delete,
    func,
    or_,
    select,
    text,
    update,
)

from workers.store import action_rows, audit_rows, closed, findings, limit_cleanup, notices, revision_rows, step_rows
from workers.store.audit_tables import audit
from workers.store.autonomy_tables import autonomy_decisions
from workers.store.columns import metadata
from workers.store.consultation_tables import consultations
from workers.store.database import Database, StoreUnavailable, Tx
from workers.store.learning_tables import examples, shadow_answers
from workers.store.limit_tables import limit_holds
from workers.store.memory_tables import memories, memory_vectors, remembered
from workers.store.notice_tables import notices as notice_table
from workers.store.parcels import data_of
from workers.store.tables import actions, cases, dead_letters, events, facts, revisions, steps

ERASED = "Erased"
#: rows that nothing refers to go as a whole
GONE = (examples, shadow_answers, autonomy_decisions)
#: columns that tell how rows hang together and are left alone, and what others become where that is not seen from their type
KEPT = {"actions.rests_on", "actions.verdict", "cases.chain_hash"}
BECOMES: dict[str, Any] = {
    "cases.title": ERASED,
    "cases.customer": "",
    "facts.title": ERASED,
    "facts.url": None,
    "facts.version": "",
    "actions.sentence": ERASED,
    "actions.rationale": ERASED,
    "actions.citations": [],
    "actions.origins": {},
    "revisions.arguments": {},
    "revisions.record": {},
    "events.data": {},
    "events.raw": b"",
    "events.headers": [],
}
#: names of things at vendors, which say something of a person only where their address is part of them
NAMES = {
    "cases": ("subject",),
    "events": ("subject", "delivery_id"),
    "facts": ("ref",),
    "actions": ("target",),
    consultations.name: ("subject",),
}
#: looked through for an address in cases of others
MENTIONING = (events, facts)
_GATHERED = select(*step_rows.READ).where(step_rows.HAS_GATHERED)
MOST_MENTIONS = 50
_NUMBERED = re.compile(r"\\u([0-9a-fA-F]{4})")


def cases_of(tx: Tx, address: str) -> list[str]:
    """Cases of a customer, oldest first, also those that taught something about them."""
    taught = select(memories.c.case_id).where(memories.c.about_kind == "customer", memories.c.about_key == address)
    query = select(cases.c.id).where(or_(func.lower(cases.c.customer) == address, cases.c.id.in_(taught)))
    return list(tx.execute(query.order_by(cases.c.id)).scalars())


def still_open(tx: Tx, ids: Sequence[str]) -> list[str]:
    return list(tx.execute(select(cases.c.id).where(cases.c.id.in_(ids), cases.c.closed_at.is_(None))).scalars())


def count(tx: Tx, ids: Sequence[str], address: str, *, archived: Sequence[str] = ()) -> dict[str, int]:
    """How many rows hold words or values of these cases, by table; of archived ones, what was learned from them."""
    ever = [*ids, *archived]
    told = {cases.name: len(ids)}
    for table, link in _belonging():
        if not _emptied(table):
            continue
        told[table.name] = _number(tx, select(func.count()).select_from(table).where(link.in_(_linked(link, ids))))
    for table in GONE:
        told[table.name] = _number(tx, select(func.count()).select_from(table).where(_learned_of(table, ever, address)))
    told[revisions.name] += revision_rows.count_in_actions(tx, ids)
    told[notice_table.name] = notices.count_of(tx, ids)
    told[limit_holds.name] = limit_cleanup.count_of(tx, ids)
    told[memories.name] = len(_memories(tx, ever, address))
    told[dead_letters.name] = len(_letters(tx, address))
    return told


def mentions(tx: Tx, ids: Sequence[str], address: str) -> list[str]:
    """Cases of others in which this address stands."""
    found: set[str] = set()
    for table in MENTIONING:
        says = func.lower(cast(table.c.data, Text)).contains(address, autoescape=True)
        others = select(table.c.case_id).where(says, table.c.case_id.is_not(None), table.c.case_id.not_in(ids))
        found |= set(tx.execute(others.distinct().limit(MOST_MENTIONS)).scalars())
    # What is packed nobody can search but who unpacks it.
    came = select(events.c.case_id, events.c.packed).where(events.c.packed.is_not(None), events.c.case_id.not_in(ids))
    with tx.execute(came.execution_options(yield_per=1000)) as rows:
        of_others = (row[0] for row in rows if address in json.dumps(data_of(row[1]), ensure_ascii=False).casefold())
        found |= set(islice(of_others, MOST_MENTIONS))
    gathered = _GATHERED.where(steps.c.case_id.not_in(ids)).execution_options(yield_per=1000)
    with tx.execute(gathered) as rows:
        found_for_others = (step_rows.steps_in(row)[0] for row in rows)
        of_others = (
            step.case_id
            for step in found_for_others
            if address in json.dumps(step.output, ensure_ascii=False).casefold()
        )
        found |= set(islice(of_others, MOST_MENTIONS))
    return sorted(found)[:MOST_MENTIONS]


def named_in_log(tx: Tx, ids: Sequence[str], address: str) -> int:
    """Entries of these cases' audit log in which the address stands. They cannot be changed."""
    query = select(*audit_rows.READ).where(audit.c.chain.in_(ids)).execution_options(yield_per=1000)
    with tx.execute(query) as rows:
        told = (audit_rows.entry_in(row).data for row in rows)
        return sum(address in json.dumps(data, ensure_ascii=False).casefold() for data in told)


def erase_cases(tx: Tx, ids: Sequence[str], address: str, now: datetime) -> None:
    """Empty every row of these closed cases. Nothing is learned from them afterwards."""
    closings = {row[0]: row[1] for row in tx.execute(select(cases.c.id, cases.c.closed_at).where(cases.c.id.in_(ids)))}
    # The mark comes first: whoever is learning from one of them is waited for, and what that left is erased after.
    closed.take(tx, closings, erased=True)
    tx.execute(update(remembered).where(remembered.c.case_id.in_(ids)).values(erased=True))
    # An archive that is being written must not take the case for unchanged.
    tx.execute(update(cases).where(cases.c.id.in_(ids)).values(version=cases.c.version + 1, updated_at=now))
    tx.execute(update(cases).where(cases.c.id.in_(ids)).values(_emptied(cases)))
    _write_out(tx, ids)
    gathered = tx.execute(_GATHERED.where(steps.c.case_id.in_(ids))).all()
    for table, link in _belonging():
        if emptied := _emptied(table):
            tx.execute(update(table).where(link.in_(_linked(link, ids))).values(emptied))
    for row in gathered:
        step, *rest = step_rows.steps_in(row)
        bare_output = findings.emptied(step, address, ERASED)
        # What was gathered together with a draft is in its row.
        kept = {step_rows.GATHERED: bare_output} if rest else bare_output
        of_row = [steps.c.case_id == row.case_id, steps.c.round == row.round, steps.c.name == row.name]
        tx.execute(update(steps).where(*of_row).values(output=kept))
    for action_id, verdict in tx.execute(
        select(actions.c.id, actions.c.verdict).where(actions.c.case_id.in_(ids))
    ).all():
        bare = {**verdict, "reasons": [], "requirements": [], "exclude": []}
        tx.execute(update(actions).where(actions.c.id == action_id).values(verdict=bare))
    _rename(tx, ids, address)
    limit_cleanup.forget(tx, ids, now)
    notices.drop_of(tx, ids)


def erase_rest(tx: Tx, ids: Sequence[str], address: str | None, by: str, now: datetime) -> None:
    """What is kept beside the cases: memories, what was learned for drafts, and what could not be read. Without an address
    only what came from these cases."""
    for table in GONE:
        tx.execute(delete(table).where(_learned_of(table, ids, address)))
    held = _memories(tx, ids, address)
    tx.execute(delete(memory_vectors).where(memory_vectors.c.memory_id.in_(held)))
    nobody = {
        "about_key": ERASED,
        "slot": ERASED,
        "text": "",
        "data": {},
        "refs": [],
        "signature": "",
        "erased_by": by,
        "erased_at": now,
    }
    tx.execute(update(memories).where(memories.c.id.in_(held)).values(nobody))
    if address is not None:
        tx.execute(delete(dead_letters).where(dead_letters.c.id.in_(_letters(tx, address))))


def compact(db: Database) -> None:
    """Let the space of what was erased be used anew; on SQLite the file holds nothing of it afterwards. Raise
    `StoreUnavailable` where others use the database so much that it cannot be done now."""
    if not db.is_sqlite:
        with db.direct() as cursor:
            for table in sorted({table.name for table, _ in _belonging()} | {cases.name, memories.name}):
                cursor.execute(f'VACUUM "{table}"'.encode())
        return
    with db.write() as tx:
        # Words of what was taken away stay in the index until its pieces are joined.
        tx.execute(text("INSERT INTO memories_text(memories_text) VALUES ('optimize')"))
    raw = db.engine.raw_connection()
    try:
        raw.cursor().execute("VACUUM")
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(str(error)) from error
    finally:
        raw.close()


@cache
def _belonging() -> tuple[tuple[Table, Column[Any]], ...]:
    """Every table whose rows belong to a case, or to an action of one, with the column that says to which."""
    found = []
    for table in metadata.sorted_tables:
        if table in (cases, *GONE) or table.name in (memories.name, remembered.name):
            continue
        for column in table.c:
            targets = {key.target_fullname for key in column.foreign_keys}
            if targets & {"cases.id", "actions.id"} or column.name == "case_id":
                found.append((table, column))
    return tuple(found)


def _linked(link: Column[Any], ids: Sequence[str]) -> Any:
    if any(key.target_fullname == "actions.id" for key in link.foreign_keys):
        return select(actions.c.id).where(actions.c.case_id.in_(ids))
    return ids


def _emptied(table: Table) -> dict[str, Any]:
    """What each column becomes that holds words or values: by its name where that is said, else by its type."""
    made: dict[str, Any] = {}
    for column in table.c:
        name = f"{table.name}.{column.name}"
        if name in BECOMES:
            made[column.name] = BECOMES[name]
        elif name in KEPT:
            continue
        elif isinstance(_made_of(column), JSON | Text | LargeBinary):
            made[column.name] = None if column.nullable else _empty(column)
    return made


def _empty(column: Column[Any]) -> Any:
    if isinstance(_made_of(column), JSON):
        return {}
    return b"" if isinstance(_made_of(column), LargeBinary) else ""


def _made_of(column: Column[Any]) -> Any:
    """A column's own type, also where it is kept in another form (`packing`)."""
    return column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type


def _write_out(tx: Tx, ids: Sequence[str]) -> None:
    """Put what is packed of these cases' actions into the columns that it is of: some of it stays."""
    # Their first revisions become rows, of which the same is done.
    revision_rows.set_apart(tx, ids)
    theirs = select(actions).where(actions.c.case_id.in_(ids), actions.c.packed.is_not(None))
    of_theirs = select(revisions).where(
        revisions.c.action_id.in_(select(actions.c.id).where(actions.c.case_id.in_(ids))),
        revisions.c.packed.is_not(None),
    )
    for row in tx.execute(theirs).mappings().all():
        filled = action_rows.empty_of(actions.name, row)
        tx.execute(update(actions).where(actions.c.id == row["id"]).values(**filled, packed=None))
    for row in tx.execute(of_theirs).mappings().all():
        one = [revisions.c.action_id == row["action_id"], revisions.c.revision == row["revision"]]
        filled = action_rows.empty_of(revisions.name, row)
        tx.execute(update(revisions).where(*one).values(**filled, packed=None))


def _rename(tx: Tx, ids: Sequence[str], address: str) -> None:
    """Names of things that an address is part of (``mail:ana@example.com``), however it is spelled: databases fold fewer letters
    than addresses have."""
    for table_name, names in NAMES.items():
        table = metadata.tables[table_name]
        theirs = (table.c.id if table is cases else table.c.case_id).in_(ids)
        for row_id, *held in tx.execute(select(table.c.id, *(table.c[name] for name in names)).where(theirs)).all():
            renamed = {
                n: f"erased:{row_id}" for n, value in zip(names, held, strict=True) if address in value.casefold()
            }
            if renamed:
                tx.execute(update(table).where(theirs, table.c.id == row_id).values(renamed))
    of_them = revisions.c.action_id.in_(select(actions.c.id).where(actions.c.case_id.in_(ids)))
    for action_id, target in tx.execute(select(revisions.c.action_id, revisions.c.target).where(of_them)).all():
        if address in (target or "").casefold():
            one = [revisions.c.action_id == action_id, revisions.c.target == target]
            tx.execute(update(revisions).where(*one).values(target=f"erased:{action_id}"))


def _learned_of(table: Table, ids: Sequence[str], address: str | None) -> Any:
    of_cases = table.c.case_id.in_(ids)
    return of_cases if address is None else or_(of_cases, func.lower(table.c.customer) == address)


def _memories(tx: Tx, ids: Sequence[str], address: str | None) -> list[str]:
    """Of this person, and whatever else was learned from their cases: a topic or a vendor may be told of in their words."""
    of_cases = memories.c.case_id.in_(ids)
    theirs = (memories.c.about_kind == "customer") & (memories.c.about_key == address)
    query = select(memories.c.id).where(
        of_cases if address is None else or_(theirs, of_cases), memories.c.about_key != ERASED
    )
    return list(tx.execute(query).scalars())


def _letters(tx: Tx, address: str) -> list[str]:
    rows = tx.execute(select(dead_letters.c.id, dead_letters.c.body, dead_letters.c.detail))
    return [row[0] for row in rows if address in _spelled_out(bytes(row[1])) or address in row[2].casefold()]


def _spelled_out(body: bytes) -> str:
    """What was sent, folded, and with the letters that JSON may write as their numbers."""
    return _NUMBERED.sub(lambda found: chr(int(found[1], 16)), body.decode("utf-8", "replace")).casefold()


def _number(tx: Tx, query: Select[Any]) -> int:
    return int(tx.execute(query).scalar_one())
