"""What nobody foresaw about an action ends with a person, never in a circle; and a deadline holds though nobody wrote it down."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from integrations.errors import Permanent, Temporary
from integrations.registry import Readers
from tests.integration.engine.test_withdrawn import die_in
from tests.kit.engine import START, documents, make_engine, refund, reply
from tests.kit.house import House
from tests.kit.patience import LONG, until, waits_for_a_lock
from workers import execute, renewal, switchboard
from workers.actions.catalogue import CATALOGUE
from workers.inbox.words import AlreadyDecided
from workers.ledger import MOST_TRIES
from workers.preconditions import LONG_BEGUN
from workers.store import cases
from workers.store.cases import LostClaim
from workers.store.records import ActionState


@pytest.fixture
def approved(engine):
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"))
    return engine


def broken(*_):
    raise KeyError("etag")


def go_round(engine, times=MOST_TRIES + 5):
    for _ in range(times):
        engine.clock.on(hours=12)
        engine.sweep()


def test_a_look_that_breaks_each_time_is_given_to_people(engine):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    die_in(engine, "reply_to_customer")
    engine.house.find_reply = broken

    go_round(engine)

    assert engine.action("reply_to_customer").state == ActionState.UNCERTAIN
    assert engine.house.effects == []


@pytest.mark.parametrize("garbage", [False, True, {"ref": "house:reply1"}], ids=repr)
def test_a_look_that_answers_neither_yes_nor_no_is_given_to_people(engine, garbage):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    die_in(engine, "reply_to_customer")
    engine.house.find_reply = lambda *_: garbage

    go_round(engine)

    assert engine.action("reply_to_customer").state == ActionState.UNCERTAIN
    assert engine.house.effects == []


@pytest.mark.parametrize("told", [None, True], ids=repr)
def test_a_write_that_gives_no_receipt_is_done_where_it_can_be_seen_and_else_given_to_people(engine, told, monkeypatch):
    engine.model.drafts = [[refund(), reply()]]
    engine.event()
    engine.drain()
    inner = House._write

    def write(*told_of, **more):
        inner(*told_of, **more)
        return told

    monkeypatch.setattr(House, "_write", write)
    engine.decide(engine.action("refund_payment"))
    engine.drain()

    waiting = engine.action("refund_payment")
    assert (waiting.state, "TypeError" in waiting.waiting_for) == (ActionState.EXECUTING, True)

    go_round(engine)

    assert engine.action("refund_payment").state == ActionState.UNCERTAIN
    assert engine.house.done("refund") == [4000]


@pytest.mark.parametrize("proposed", [refund(), reply(), documents()], ids=lambda one: one["kind"])
def test_a_writer_that_breaks_is_told_at_once_and_its_words_stay_in_the_log(engine, proposed):
    """Nobody knows whether it broke before or after the effect."""
    kind = proposed["kind"]
    engine.model.drafts = [[proposed]]
    engine.alert() if kind == "request_documents" else engine.event()
    engine.drain()
    engine.decide(engine.action(kind))
    engine.house.after = [KeyError("etag")]

    engine.drain()

    action = engine.action(kind)
    once = kind == "request_documents"
    assert action.state == (ActionState.UNCERTAIN if once else ActionState.EXECUTING)
    told = action.reason if once else action.waiting_for
    assert "KeyError" in told
    assert "etag" not in told

    go_round(engine, 2)

    assert engine.action(kind).state == (ActionState.UNCERTAIN if once else ActionState.DONE)
    assert len(engine.house.effects) == 1


TOLD = {
    "nothing that text may hold": {"ref": "house:reply\x001", "data": {"by": "\ud83d"}},
    "no JSON": {
        "ref": "house:reply1",
        "data": {"at": START, "much": Decimal("1.5"), "rate": math.nan, "in": ("a", None)},
    },
}


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
@pytest.mark.parametrize("looked_up", [False, True], ids=["as it answered", "as it was looked up"])
def test_what_is_done_is_done_however_a_system_tells_of_it(engine, told, looked_up, monkeypatch):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    inner = House._write

    def write(house, kind, ref, key, *rest, **more):
        receipt = replace(inner(house, kind, ref, key, *rest, **more), **told)
        house.by_key[key] = receipt
        if looked_up:
            raise Temporary("No answer.", maybe_done=True)
        return receipt

    monkeypatch.setattr(House, "_write", write)
    engine.drain()
    go_round(engine, 2)

    done = engine.action("reply_to_customer")
    assert (done.state, len(engine.house.done("reply"))) == (ActionState.DONE, 1)
    assert done.receipt["ref"].startswith("house:reply")


@pytest.mark.parametrize("error", [Permanent, Temporary])
def test_a_refusal_is_told_whatever_stands_in_its_words(approved, error):
    approved.house.before = [error("The card \x00 is \ud83d closed.")] * (MOST_TRIES + 1)

    approved.drain()
    action = approved.action("refund_payment")

    assert "closed." in (action.reason if error is Permanent else action.waiting_for)
    assert action.state == (ActionState.FAILED if error is Permanent else ActionState.APPROVED)


def test_a_version_that_cannot_be_read_ends_what_rests_on_it(approved):
    approved.house.version = broken
    approved.hints.waiting.clear()

    go_round(approved)

    failed = approved.action("refund_payment")
    assert failed.state == ActionState.FAILED
    assert "KeyError" in failed.reason
    assert "etag" not in failed.reason
    assert approved.case().attention
    assert approved.house.effects == []


def test_a_kind_that_is_gone_fails_also_under_another_policy(approved, monkeypatch):
    others = {kind: one for kind, one in CATALOGUE.items() if kind != "refund_payment"}
    monkeypatch.setattr(execute, "CATALOGUE", others)
    monkeypatch.setattr(renewal, "CATALOGUE", others)
    approved.system = approved.system.under(replace(approved.system.policy, hash="0" * 64))

    go_round(approved, 3)

    assert approved.action("refund_payment").state == ActionState.FAILED
    assert approved.case().attention


@pytest.mark.parametrize("begun", [False, True], ids=["as it was read", "begun with the decision"])
def test_what_no_longer_fits_its_kind_fails_before_anything_is_tried(engine, monkeypatch, begun):
    """As after an upgrade that changed the kind while it waited."""

    class Narrower(CATALOGUE["refund_payment"].arguments):
        why: str

    narrower = {**CATALOGUE, "refund_payment": replace(CATALOGUE["refund_payment"], arguments=Narrower)}
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    if begun:
        engine.begins_at_once()
    monkeypatch.setattr(execute, "CATALOGUE", narrower)
    engine.decide(engine.action("refund_payment"))

    engine.drain()

    failed = engine.action("refund_payment")
    assert failed.state == ActionState.FAILED
    assert "why: Field required" in failed.reason
    assert engine.house.effects == []


@pytest.mark.parametrize("word", ["approve", "reject", "snooze", "request_changes"])
def test_after_its_deadline_nothing_is_decided_though_no_worker_wrote_its_end_down(engine, word):
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    pending = engine.action("refund_payment")
    engine.clock.now = pending.expires_at

    with pytest.raises(AlreadyDecided, match="deadline has passed"):
        engine.decide(pending, word, reason="late")
    assert engine.action("refund_payment") == pending

    engine.sweep()
    assert engine.action("refund_payment").state == ActionState.EXPIRED


def test_a_claim_that_is_lost_to_an_event_is_let_go_of_at_once(engine, monkeypatch):
    """Whoever lost it may still be named on the row, and is alive."""
    engine.event()
    monkeypatch.setattr("workers.pipeline._next_step", lost)

    engine.drain()
    engine.system.leases.close()

    case = engine.case()
    assert case.claimed_by is None
    with engine.system.db.read() as tx:
        assert [row[0] for row in cases.due(tx, engine.clock(), 10)] == [case.id]


def lost(_system, _work):
    raise LostClaim("an event joined")


@pytest.mark.parametrize("known", [False, True], ids=["read and begun", "begun as it was read"])
def test_a_switch_that_is_thrown_while_the_begin_waits_holds_it_back(tmp_path, on_postgresql, monkeypatch, known):
    engine = make_engine(tmp_path, url=on_postgresql)
    if not known:
        monkeypatch.setattr(Readers, "systems", lambda _: [])
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"))
    action = engine.action("refund_payment")
    engine.hints.waiting.clear()

    with psycopg.connect(on_postgresql.replace("+psycopg", "")) as somebody:
        somebody.execute("SELECT 1 FROM actions WHERE id = %s FOR UPDATE", (action.id,))
        begins = threading.Thread(target=execute.carry_out, args=(engine.system, engine.writers, action.id))
        begins.start()
        until(lambda: waits_for_a_lock(engine.system.db), "it does not wait for the row")
        engine.clock.on(seconds=2 * LONG_BEGUN)
        with engine.system.db.write() as tx:
            switchboard.throw(tx, "all", reason="stop", actor="person:lea", now=engine.clock())
        somebody.rollback()
        begins.join(LONG)

    held = engine.action("refund_payment")
    assert engine.house.effects == []
    assert held.state == ActionState.APPROVED
    assert "stop" in (held.waiting_for or "")
    engine.system.close()
