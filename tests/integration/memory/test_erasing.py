"""Erasing a person: nothing of theirs is left in any column, and the audit log still proves what happened."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, insert, select, update

from tests.kit.engine import refund, reply
from workers.archive import monthly
from workers.inbox import timeline
from workers.memory import erasing
from workers.memory.erasing import Archiving, StillOpen, erase, survey
from workers.memory.keeping import note
from workers.store import archive, audit, database, proof
from workers.store.audit_rows import laid_open
from workers.store.audit_tables import audit as log
from workers.store.children import BETWEEN
from workers.store.columns import metadata
from workers.store.consultation_tables import consultations
from workers.store.database import Database
from workers.store.ids import new_id
from workers.store.learning_tables import examples
from workers.store.memory_tables import memories
from workers.store.packing import inflated
from workers.store.tables import actions, cases, dead_letters, events

ANA = "ana@example.com"
#: words that only Ana's cases hold, as they came in, were drafted, were said by colleagues and were remembered
WORDS = ("ana@example.com", "zanzibar", "quetzal", "marzipan", "xylophone", "Ana Diaz", "wombat")


def everything(db) -> str:
    """Every value of every column of every table, as text; what is packed, as it is read."""
    told = []
    with db.read() as tx:
        for table in metadata.sorted_tables:
            for row in tx.execute(select(table)).mappings():
                read = laid_open(row) | {"packed": None} if table is log else row
                for column, value in zip(table.c, map(read.__getitem__, table.c.keys()), strict=True):
                    kept = inflated(value) if column.name == "packed" and isinstance(value, bytes) else value
                    plain = bytes(kept).decode("latin-1") if isinstance(column.type, LargeBinary) and kept else kept
                    told.append(f"{table.name}.{column.name}: {json.dumps(plain, default=str, ensure_ascii=False)}")
    return "\n".join(told)


def left(db) -> list[str]:
    return [line for line in everything(db).splitlines() for word in WORDS if word.casefold() in line.casefold()]


@pytest.fixture
def full(house):
    """Cases of Ana with something of everything, learned from; their ids."""
    house.engine.model.triage["summary"] = "The zanzibar lamp broke"
    first = house.closed("7", refund(), reply("Dear Ana, about the quetzal."), text="The zanzibar lamp")
    second = house.closed("8", refund(), word="reject", reason="No marzipan today", text="xylophone")
    house.learn()
    with house.db.write() as tx:
        note(tx, ("customer", ANA), "Likes a wombat", by="person:ben@firm.example", now=house.engine.clock())
        tx.execute(insert(examples).values(example(first, house.engine.clock())))
        tx.execute(insert(consultations).values(question(first, house.engine.clock())))
        tx.execute(insert(dead_letters).values(letter(house.engine.clock())))
    return [first, second]


def example(case_id: str, now: datetime) -> dict:
    made = {column.name: "" for column in examples.c if not column.nullable}
    told = {"text": "zanzibar", "situation": {"said": "quetzal"}, "proposed": {}, "diff": {}, "groups": []}
    return {**made, **told, "id": new_id("act"), "case_id": case_id, "customer": ANA, "decided_at": now}


def question(case_id: str, now: datetime) -> dict:
    made = {column.name: "" for column in consultations.c if not column.nullable}
    told = {
        "round": 1,
        "state": "answered",
        "path": BETWEEN.join(("support", "transactions")),
        "question": "Is the zanzibar lamp stolen?",
        "answer": {"said": "marzipan"},
        "subject": f"mail:{ANA}",
    }
    return {**made, **told, "id": new_id("ask"), "case_id": case_id, "asked_at": now, "deadline": now}


def letter(now: datetime) -> dict:
    told = {"door": "task", "reason": "malformed", "detail": "no type", "headers": {}}
    return {"id": new_id("dead"), "received_at": now, "body": b'{"from": "Ana@example.com"}', **told}


def forget(house) -> object:
    return erase(house.db, "Ana@Example.com", Path("nowhere"), by="operator:test", clock=house.engine.clock)


def test_a_dry_run_counts_what_would_go_and_changes_nothing(house, full):
    before = everything(house.db)

    found = survey(house.db, ANA, Path("nowhere"))

    assert everything(house.db) == before
    assert (found.cases, found.rows["events"], found.rows["examples"], found.rows["dead_letters"]) == (2, 2, 1, 1)
    assert found.rows["memories"] == len([m for m in house.ever() if m.erased_at is None])


def test_nothing_of_the_person_is_left_in_any_column_and_the_log_still_verifies(house, full):
    assert {word for word in WORDS if word.casefold() in everything(house.db).casefold()} == set(WORDS)
    with house.db.write() as tx:
        audit.anchor(tx, house.engine.clock() + timedelta(minutes=1))

    forget(house)

    assert left(house.db) == []
    with house.db.read() as tx:
        assert proof.verify(tx) == []
        kept = tx.execute(select(cases.c.id, cases.c.outcome).where(cases.c.id.in_(full)).order_by(cases.c.id)).all()
    assert [tuple(row) for row in kept] == [(full[0], "done"), (full[1], "rejected")]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_nor_in_the_pages_of_the_file_where_the_database_is_one(house, full, tmp_path):
    assert forget(house).compacted

    raw = b"".join(path.read_bytes() for path in tmp_path.glob("engine.db*")).lower()
    assert [word for word in WORDS if word.lower().encode() in raw] == []


def test_what_was_erased_is_not_learned_again(house, full):
    forget(house)
    house.engine.clock.on(minutes=1)

    assert house.learn() == 0
    assert house.of() == []


def test_a_case_that_nobody_learned_from_yet_is_not_learned_from_afterwards(house):
    house.closed("7", text="The zanzibar lamp")

    forget(house)

    assert house.learn() == 0
    assert left(house.db) == []


def test_open_cases_are_refused_and_nothing_is_touched(house, full):
    house.engine.event(delivery="d9", ticket="9")
    house.engine.drain()
    before = everything(house.db)

    with pytest.raises(StillOpen, match=house.engine.case().id):
        forget(house)

    assert everything(house.db) == before


def test_a_case_that_is_opened_while_archives_are_read_is_left_alone_and_named(house, full, monkeypatch):
    def read(*_: object) -> tuple:
        house.engine.event(delivery="d9", ticket="9", text="Another lamp")
        house.engine.drain()
        return ()

    monkeypatch.setattr(erasing, "_archives", read)

    found = forget(house)

    assert (found.cases, found.open) == (2, (house.engine.case().id,))
    assert house.engine.case().customer == ANA
    assert {action.state for action in house.engine.actions()} == {"pending"}


def test_nobody_is_erased_while_cases_go_into_files(house, full):
    before = everything(house.db)

    with archive.alone(house.db), pytest.raises(Archiving, match="try again"):
        forget(house)

    assert everything(house.db) == before


def test_others_cases_are_left_alone_and_those_that_name_the_person_are_listed(house, full):
    with house.db.write() as tx:
        tx.execute(cases.update().where(cases.c.id == full[1]).values(customer="bo@example.com"))
        tx.execute(memories.update().where(memories.c.case_id == full[1]).values(about_key="bo@example.com"))

    found = forget(house)

    assert (found.cases, found.mentioned_in) == (1, (full[1],))
    assert "marzipan" in everything(house.db)


def test_archives_that_hold_the_person_are_named(house, full, tmp_path):
    house.engine.clock.on(days=90)
    run = monthly.Run(house.db, tmp_path / "archive", "operator:test", house.engine.clock)
    list(monthly.archive(run, before=house.engine.clock() - timedelta(days=40)))
    house.engine.event(delivery="d9", ticket="9")
    house.engine.drain()
    for action in house.engine.actions():
        house.engine.decide(action)
        house.engine.drain()

    found = forget(house)

    assert [(Path(one.file).name, one.cases) for one in found.archives] == [("cases-2026-11.jsonl.gz", tuple(full))]


def test_archives_that_take_long_to_read_keep_no_transaction_open(house, full, tmp_path, monkeypatch):
    """The server would end it, and nobody could be erased any more of whom there are great archives."""
    house.engine.clock.on(days=90)
    run = monthly.Run(house.db, tmp_path / "archive", "operator:test", house.engine.clock)
    (written,) = monthly.archive(run, before=house.engine.clock() - timedelta(days=40))
    Path(written.file).unlink()
    os.mkfifo(written.file)  # whoever reads it waits for whoever writes it
    monkeypatch.setattr(database, "IDLE_MILLISECONDS", 1000)
    db = Database(house.db.url)
    slow = threading.Timer(3.0, lambda: Path(written.file).write_bytes(b""))
    slow.start()

    found = survey(db, ANA, run.folder)

    slow.join()
    db.dispose()
    assert [Path(one.file).name for one in found.archives] == ["cases-2026-11.jsonl.gz"]
    assert found.cases == 0


def test_an_erased_case_can_still_be_looked_at(house, full):
    forget(house)

    with house.db.read() as tx:
        life = timeline.load(tx, full[0])

    assert life.case.title == "Erased"
    assert {entry.kind for entry in life.entries} >= {"event", "step", "action", "attempt", "closed"}
    assert "erased" in [entry.verb for entry in life.audit]


def test_run_again_there_is_nothing_left_to_do(house, full):
    forget(house)

    assert forget(house).cases == 0


@pytest.mark.parametrize("spelled", ["Ana@Straße.example", "ANA@Übersee.example"])
def test_an_address_with_letters_that_databases_do_not_fold_leaves_no_name_behind(house, full, spelled):
    with house.db.write() as tx:
        tx.execute(
            update(cases).where(cases.c.id == full[0]).values(subject=f"mail:{spelled}", customer=spelled.casefold())
        )
        for table in (events, actions):
            name = "target" if table is actions else "subject"
            tx.execute(update(table).where(table.c.case_id == full[0]).values({name: f"mail:{spelled}"}))
        body = json.dumps({"from": spelled}).encode()
        tx.execute(insert(dead_letters).values({**letter(house.engine.clock()), "id": new_id("dead"), "body": body}))

    erase(house.db, spelled, Path("nowhere"), by="operator:test", clock=house.engine.clock)

    told = everything(house.db).casefold()
    assert spelled.casefold() not in told
    assert json.dumps(spelled)[1:-1].casefold() not in told


def test_what_was_learned_of_a_vendor_from_a_case_that_is_archived_is_taken_away_too(house, full, tmp_path):
    with house.db.write() as tx:
        told = note(
            tx, ("vendor", "house:V-3"), "Ana's wombat again", by="person:ben@firm.example", now=house.engine.clock()
        )
        tx.execute(update(memories).where(memories.c.id == told.id).values(case_id=full[0]))
    house.engine.clock.on(days=90)
    run = monthly.Run(house.db, tmp_path / "archive", "operator:test", house.engine.clock)
    assert [outcome.removed for outcome in monthly.archive(run, before=house.engine.clock(), force=True)] == [2]
    held = len([memory for memory in house.ever() if memory.erased_at is None])  # of the customer
    assert survey(house.db, ANA, run.folder).rows["memories"] == held + 1

    erase(house.db, ANA, run.folder, by="operator:test", clock=house.engine.clock)

    assert [line for line in left(house.db) if line.startswith("memories")] == []
    assert survey(house.db, ANA, run.folder).rows["memories"] == 0
