"""Where a case's chain ends is kept with the case; what was kept apart before goes on, and is brought there."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, insert, select, update

from tests.kit.engine import reply
from tests.kit.log import entries
from tests.kit.revisions import in_rows
from workers.store import audit, judgements, proof, schema
from workers.store.audit import Note
from workers.store.audit_tables import audit as log
from workers.store.audit_tables import audit_heads
from workers.store.tables import cases, revisions


def kept_apart(engine):
    """The case as the version before left it: its end is in `audit_heads`."""
    with engine.system.db.write() as tx:
        case_id, seq, digest = tx.execute(select(cases.c.id, cases.c.chain_seq, cases.c.chain_hash)).one()
        tx.execute(insert(audit_heads).values(chain=case_id, seq=seq, hash=digest.hex()))
        tx.execute(update(cases).values(chain_seq=None, chain_hash=None))


def heads(engine):
    with engine.system.db.read() as tx:
        return {row[0]: tuple(row[1:]) for row in tx.execute(select(audit_heads))}


def problems(engine):
    with engine.system.db.write() as tx:
        return proof.verify(tx)


def verbs(engine):
    with engine.system.db.read() as tx:
        return [one.verb for one in audit.of_chain(tx, engine.case().id)]


def worked(engine):
    """Drafted, approved, carried out and closed."""
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()


def test_a_case_has_its_end_with_it_and_no_row_beside(engine):
    worked(engine)

    assert heads(engine) == {}
    with engine.system.db.read() as tx:
        last = entries(tx)[-1]
        seq, digest = tx.execute(select(cases.c.chain_seq, cases.c.chain_hash)).one()
    assert (seq, digest.hex()) == (last["seq"], last["hash"])
    assert problems(engine) == []


@pytest.mark.parametrize("when", ["opened", "drafted", "approved", "joined", "claimed"])
def test_a_chain_of_before_is_gone_on_with_and_its_end_brought_to_the_case(engine, when):
    engine.model.drafts = [[reply()], [reply()]]
    engine.event()
    if when == "opened":
        kept_apart(engine)
    engine.drain()
    if when in ("drafted", "joined"):
        kept_apart(engine)
    if when == "joined":
        engine.event(delivery="d2")
        engine.drain()
    if when == "claimed":
        kept_apart(engine)
        with engine.system.db.write() as tx:
            audit.append(tx, engine.case().id, engine.clock(), Note("person:ana", "looked", {}))
        assert heads(engine) == {}
    engine.decide([one for one in engine.actions() if one.settled_at is None][-1])
    if when == "approved":
        kept_apart(engine)
    engine.drain()

    assert engine.case().state == "closed"
    assert heads(engine) == {}
    assert problems(engine) == []


def test_a_chain_that_nobody_goes_on_with_is_proved_where_it_was(engine):
    worked(engine)
    kept_apart(engine)

    assert list(heads(engine)) == [engine.case().id]
    assert problems(engine) == []


@pytest.mark.parametrize("apart", [False, True])
def test_a_tail_that_was_cut_off_is_missed(engine, apart):
    worked(engine)
    if apart:
        kept_apart(engine)
    with engine.system.db.write() as tx:
        last = tx.execute(select(log.c.id).order_by(log.c.seq.desc()).limit(1)).scalar_one()
        tx.execute(delete(log).where(log.c.id == last))

    assert [problem.partition(" (")[0] for problem in problems(engine)] == [
        f"{engine.case().id}: the chain does not end where it should"
    ]


@pytest.mark.parametrize(
    "forged", [{"chain_seq": 1}, {"chain_hash": bytes(32)}, {"chain_seq": None, "chain_hash": None}]
)
def test_an_end_that_was_changed_is_found(engine, forged):
    worked(engine)
    with engine.system.db.write() as tx:
        tx.execute(update(cases).values(**forged))

    assert any("does not end where it should" in problem for problem in problems(engine))


def test_a_chain_of_which_nothing_is_left_is_missed(engine):
    worked(engine)
    with engine.system.db.write() as tx:
        tx.execute(delete(log))

    assert any("does not end where it should" in problem for problem in problems(engine))


def test_the_record_of_a_case_that_is_gone_is_missed_as_long_as_the_log_tells_of_it(engine):
    worked(engine)
    with engine.system.db.write() as tx:
        tx.execute(update(cases).values(chain_seq=None, chain_hash=None))
        in_rows(tx)
        tx.execute(delete(revisions))

    with engine.system.db.read() as tx:
        (found,) = judgements.unfitting(tx)
    assert found.endswith("is gone, and the log tells of it")


def test_chains_that_are_no_case_s_end_where_they_did(engine):
    with engine.system.db.write() as tx:
        audit.append(tx, audit.SYSTEM, engine.clock(), Note("person:ana", "said", {}))
        end = audit.append(tx, audit.SYSTEM, engine.clock(), Note("person:ana", "said", {"again": True}))

    assert heads(engine) == {audit.SYSTEM: (2, end.hash)}
    assert problems(engine) == []


def test_two_who_add_to_a_chain_at_once_both_do(engine):
    engine.event()
    case_id, begun = engine.case().id, threading.Barrier(2)

    def add(who: str) -> None:
        begun.wait()
        with engine.system.db.write() as tx:
            audit.append(tx, case_id, engine.clock(), Note(who, "looked", {}))

    both = [threading.Thread(target=add, args=(f"person:{name}",)) for name in ("ana", "ben")]
    for one in both:
        one.start()
    for one in both:
        one.join(60)

    assert verbs(engine) == ["opened", "looked", "looked"]
    assert problems(engine) == []


def test_going_back_a_version_puts_the_ends_where_it_looks_for_them(engine):
    worked(engine)
    db = engine.system.db
    with db.read() as tx:
        ends = audit.ends(tx)

    schema.downgrade(db, "0014")
    assert heads(engine) == ends
    schema.upgrade(db)

    assert problems(engine) == []
    assert heads(engine) == ends
