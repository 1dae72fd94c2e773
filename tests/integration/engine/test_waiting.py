"""When something outside is not available: the case waits, says why, and goes on by itself."""

from __future__ import annotations

import random
import sqlite3

import pytest
from sqlalchemy import event

from integrations.errors import Permanent, Postponed, Temporary
from integrations.models.base import InvalidOutput, Usage
from tests.kit.engine import make_engine, reply
from workers import pipeline
from workers.backoff import LONGEST, pause
from workers.inbox.case_service import decide_case
from workers.store import outage, steps
from workers.store.database import Database, StoreUnavailable
from workers.store.records import CaseState


def test_a_model_that_is_down_for_an_hour_loses_nothing(engine):
    engine.model.faults.extend([Temporary("The model is overloaded.")] * 12)
    engine.event()
    engine.drain()
    assert (engine.case().state, engine.case().waiting_for) == (CaseState.WAITING, "The model is overloaded.")

    for _ in range(12):
        engine.clock.on(minutes=6)
        engine.sweep()

    assert engine.case().state == CaseState.INBOX
    assert engine.case().waiting_for is None


def test_a_model_that_stays_down_is_asked_ever_more_seldom(engine):
    engine.model.faults = [Temporary("Overloaded")] * 6
    engine.event()
    pauses = []
    for _ in range(6):
        engine.sweep()
        pauses.append((engine.case().wake_at - engine.clock()).total_seconds())
        engine.clock.on(seconds=pauses[-1])

    # Each is half to the whole of twice the one before.
    assert pauses == sorted(pauses)
    assert pauses[0] <= 1
    assert pauses[-1] >= 16


def test_what_was_not_even_asked_makes_no_later_failure_a_longer_one(engine):
    engine.model.faults = [*[Postponed("It asked us to wait.", retry_after=1)] * 8, Temporary("Overloaded")]
    engine.event()
    for _ in range(9):
        engine.sweep()
        pause_after = (engine.case().wake_at - engine.clock()).total_seconds()
        engine.clock.on(seconds=pause_after)

    assert engine.case().waiting_for == "Overloaded"
    assert pause_after <= 1


def test_retry_after_is_honoured(engine):
    engine.model.faults.append(Temporary("Too many requests.", retry_after=90))
    engine.event()
    engine.drain()

    engine.clock.on(seconds=89)
    engine.sweep()
    assert engine.case().state == CaseState.WAITING
    engine.clock.on(seconds=2)
    engine.sweep()
    assert engine.case().state == CaseState.INBOX


def test_a_reader_that_is_down_is_waited_for_and_recorded_answers_are_not_asked_again(engine):
    engine.house.read_faults.append(Temporary("The helpdesk answers 500."))
    engine.event()
    engine.drain()
    assert engine.case().waiting_for == "The helpdesk answers 500."

    engine.clock.on(minutes=1)
    engine.sweep()

    assert engine.case().state == CaseState.INBOX
    assert [r.task for r in engine.model.asked] == ["triage", "draft"]


def test_a_refusal_of_the_model_asks_for_a_person_and_retrying_goes_on(engine):
    engine.model.faults.append(Permanent("The model refused to answer."))
    engine.event()
    engine.drain()
    assert (engine.case().state, engine.case().attention) == (CaseState.INBOX, "The model refused to answer.")

    decide_case(engine.system, engine.person(), engine.case().id, "retry", None)
    engine.drain()

    assert engine.case().attention is None
    assert len(engine.actions()) == 2


def test_what_people_were_asked_is_over_when_a_new_message_is_worked_on(engine):
    engine.model.faults = [Permanent("The request is too long.")]
    engine.event()
    engine.drain()
    assert engine.case().attention == "The request is too long."

    engine.model.drafts = [[reply()]]
    engine.event("d2", text="Shorter now")
    engine.drain()
    assert engine.case().attention is None

    engine.decide(engine.action("reply_to_customer"))
    engine.drain()
    assert engine.case().state == CaseState.CLOSED


def test_an_answer_that_cannot_be_used_is_on_the_bill_all_the_same(engine):
    paid = Usage("scripted", "script-1", 700, 30, 0, 0, 5, None, "req_9", "end_turn")
    engine.model.faults.append(InvalidOutput("The answer does not fit.", usage=paid))
    engine.event()
    engine.drain()

    with engine.system.db.read() as tx:
        assert [(u.step, u.input_tokens) for u in steps.usage_of(tx, engine.case().id)] == [("triage", 700)]
    assert engine.case().attention == "The answer does not fit."


def test_a_case_that_kills_its_workers_ends_with_a_person(engine):
    class Bug(Exception):
        pass

    engine.model.faults.extend([Bug()] * 10)
    engine.event()
    for _ in range(8):
        try:
            engine.sweep()
        except Bug:
            engine.clock.on(minutes=5)

    assert engine.case().state == CaseState.INBOX
    assert "tries" in engine.case().attention
    assert len(engine.model.asked) == engine.system.settings.max_claims


def test_a_locked_database_is_named_and_nothing_of_the_commit_is_kept(tmp_path):
    path = tmp_path / "locked.db"
    holder = sqlite3.connect(path)
    holder.execute("PRAGMA journal_mode=WAL")
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN IMMEDIATE")
    db = Database(f"sqlite:///{path}", busy_seconds=0.2)
    with pytest.raises(StoreUnavailable, match="locked"), db.write():
        pass
    holder.rollback()
    with db.write():
        pass
    db.dispose()
    holder.close()


def test_a_full_disk_keeps_nothing_of_the_event_and_frees_itself(tmp_path):
    engine = make_engine(tmp_path)
    # No packing makes it small.
    text = random.Random(7).randbytes(1_000_000).hex()
    limit = f"PRAGMA max_page_count = {_pages(tmp_path / 'engine.db')}"
    event.listen(engine.system.db.engine, "checkout", lambda connection, *_: connection.execute(limit))
    with pytest.raises(StoreUnavailable, match="full"):
        engine.event(text=text)

    limit = "PRAGMA max_page_count = 1000000"
    engine.event(text=text)
    engine.drain()

    assert engine.case().events_total == 1
    engine.system.close()


def test_a_database_that_locks_in_the_middle_of_a_case_delays_it_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(outage, "PATIENCE_SECONDS", 0.5)
    engine = make_engine(tmp_path, busy_seconds=0.2)
    engine.event()
    holder = sqlite3.connect(tmp_path / "engine.db", check_same_thread=False)
    engine.model.during = lambda: holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        engine.drain()
    holder.rollback()
    holder.close()
    engine.model.during = lambda: None

    engine.clock.on(minutes=2)
    engine.sweep()

    assert engine.case().state == CaseState.INBOX
    engine.system.close()


def _pages(path):
    connection = sqlite3.connect(path)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    return pages


def test_the_wait_doubles_up_to_a_bound_and_is_never_shorter_than_asked():
    assert 0.5 <= pause(0).total_seconds() <= 1
    assert LONGEST / 2 <= pause(50).total_seconds() <= LONGEST
    assert pause(0, retry_after=120).total_seconds() == 120


def test_finding_nothing_to_do_is_normal(engine):
    pipeline.advance(engine.system, "case_that_is_not_there")
    engine.event()
    engine.drain()
    pipeline.advance(engine.system, engine.case().id)
    assert engine.case().state == CaseState.INBOX
