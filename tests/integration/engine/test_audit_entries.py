"""What one commit tells is one entry of the log: one number, one hash, and each thing still told by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from tests.kit import log
from tests.kit.engine import reply
from workers.actions.digest import rough_digest_of
from workers.journal import entry
from workers.store import audit, audit_rows, flow, proof, steps
from workers.store.audit import Note
from workers.store.audit_tables import audit as audit_table
from workers.store.flow import Caps, Progress
from workers.store.record_digest import DIGITS
from workers.store.tables import cases


@pytest.fixture
def worked(engine):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()
    return engine


def stored(engine):
    with engine.system.db.read() as tx:
        return log.entries(tx)


def test_the_end_of_a_case_is_one_entry_that_tells_two_things(worked):
    with worked.system.db.read() as tx:
        told = audit.of_chain(tx, worked.case().id)

    assert [one.verb for one in told[-2:]] == ["executed", "closed"]
    assert told[-1].data == {"outcome": "done"}
    assert len({(one.id, one.seq, one.hash) for one in told[-2:]}) == 1
    assert stored(worked)[-1]["verb"] == audit.SEVERAL


def test_what_a_step_read_and_found_is_told_by_the_beginnings_of_its_digests(worked):
    with worked.system.db.read() as tx:
        told = {one.verb: one.data for one in audit.of_chain(tx, worked.case().id)}
        made = {step.name: step for step in steps.of_case(tx, worked.case().id)}

    for name in ("triage", "gather", "draft"):
        assert (len(told[name]["input"]), len(told[name]["output"])) == (DIGITS, DIGITS)
    assert told["triage"]["output"] == rough_digest_of(made["triage"].output)[:DIGITS]


def test_of_later_rounds_the_log_says_which(engine):
    engine.event()
    engine.drain()
    engine.event(delivery="d2")
    engine.drain()

    with engine.system.db.read() as tx:
        told = audit.of_chain(tx, engine.case().id)
    assert [one.data.get("round") for one in told if one.verb == "triage"] == [None, 2]


def test_who_did_each_thing_is_told_of_each(engine):
    with engine.system.db.write() as tx:
        audit.append(
            tx, "case_x", engine.clock(), Note("caseworker", "draft", {}), Note("policy:p", "judged", {"n": 1})
        )
        told = audit.of_chain(tx, "case_x")

    assert [(one.actor, one.verb, one.data) for one in told] == [
        ("caseworker", "draft", {}),
        ("policy:p", "judged", {"n": 1}),
    ]


def test_an_entry_of_one_thing_is_kept_as_it_always_was(engine):
    with engine.system.db.write() as tx:
        audit.append(tx, "case_x", engine.clock(), Note("person:ana", "decided", {"decision": "approve"}))
        audit.append(tx, "case_x", engine.clock())
        (one,) = audit.of_chain(tx, "case_x")

    assert (one.actor, one.verb, one.data, one.seq) == ("person:ana", "decided", {"decision": "approve"}, 1)


def test_a_change_to_one_of_several_things_is_found(worked):
    last = stored(worked)[-1]
    (executed, closed) = last["data"]["notes"]
    forged = {"notes": [executed, [closed[0], {"outcome": "nothing_done"}]]}
    with worked.system.db.write() as tx:
        assert proof.verify(tx) == []
    with worked.system.db.write() as tx:
        log.rewrite(tx, last, data=forged)

    with worked.system.db.write() as tx:
        found = proof.verify(tx)
    assert found == [f"{last['chain']}: entry {last['seq']} was changed"]


@pytest.mark.parametrize("begun", [True, False])
def test_what_somebody_else_wrote_meanwhile_comes_first_and_nothing_is_lost(engine, begun):
    engine.event()
    now, db = engine.clock(), engine.system.db
    if not begun:
        with db.write() as tx:
            tx.execute(delete(audit_table))
            tx.execute(update(cases).values(chain_seq=None, chain_hash=None))
    claimed = flow.claim(db, engine.case().id, worker="w", now=now, lease=timedelta(minutes=1), caps=Caps())
    made = entry(claimed.case, "triage", (now, now), {}, {"intent": "other"})
    with db.write() as tx:
        audit.append(tx, claimed.case.id, now, Note("person:ana", "looked", {}))

    flow.record(db, claimed.case, claimed.chain, Progress({"step": "gather"}, [made.step], notes=[made.note]), now=now)

    with db.write() as tx:
        assert proof.verify(tx) == []
        assert [one.verb for one in audit.of_chain(tx, claimed.case.id)][-2:] == ["looked", "triage"]


def test_entries_that_repeat_the_hash_before_them_are_proved_as_ever(worked):
    """As earlier versions wrote them: the first beside zeros, each other one beside the hash of the one before."""
    with worked.system.db.write() as tx:
        before = audit.GENESIS
        for entry in stored(worked):
            assert entry["previous"] == audit_rows.NOT_REPEATED
            log.rewrite(tx, entry, previous=before)
            before = entry["hash"]

    with worked.system.db.write() as tx:
        assert proof.verify(tx) == []
    with worked.system.db.write() as tx:
        tx.execute(update(audit_table).where(audit_table.c.seq == 3).values(previous="f" * 64))
    with worked.system.db.write() as tx:
        found = proof.verify(tx)
    chain = worked.case().id
    assert found == [f"{chain}: entry 3 does not follow the one before it", f"{chain}: entry 3 was changed"]


def test_a_chain_goes_on_from_entries_that_repeat_the_hash_before_them(engine):
    with engine.system.db.write() as tx:
        end = audit.append(tx, "case_x", engine.clock(), Note("person:ana", "said", {}))
        tx.execute(update(audit_table).values(previous=audit.GENESIS))
        audit.append(tx, "case_x", engine.clock(), Note("person:ben", "said", {}))

    with engine.system.db.write() as tx:
        assert proof.verify(tx) == []
        entries = log.entries(tx, "case_x")
    assert entries[1]["hash"] == audit.entry_hash("case_x", 2, engine.clock(), "person:ben", "said", {}, str(end.hash))


def test_an_entry_that_is_gone_is_missed_and_none_that_follows_is_called_changed(worked):
    chain = worked.case().id
    with worked.system.db.write() as tx:
        tx.execute(delete(audit_table).where(audit_table.c.chain == chain, audit_table.c.seq == 2))

    with worked.system.db.write() as tx:
        assert proof.verify(tx) == [f"{chain}: entry 2 is missing"]


def test_an_entry_in_the_place_of_one_that_is_gone_is_found(worked):
    """The numbers fit again; the hashes, each over the one before, do not."""
    chain = worked.case().id
    with worked.system.db.write() as tx:
        tx.execute(delete(audit_table).where(audit_table.c.chain == chain, audit_table.c.seq == 2))
        tx.execute(update(audit_table).where(audit_table.c.chain == chain, audit_table.c.seq == 3).values(seq=2))

    with worked.system.db.write() as tx:
        assert f"{chain}: entry 2 was changed" in proof.verify(tx)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_an_anchor_waits_for_an_entry_that_another_overtook_whatever_their_clocks_say(engine):
    now, hour = engine.clock(), timedelta(hours=1)
    with engine.system.db.write() as slow:
        audit.append(slow, "one", now, Note("test", "first", {}))
        with engine.system.db.write() as quick:
            # By a machine whose clock is behind, and ahead of which that of the sweeper may be.
            audit.append(quick, "two", now - hour, Note("test", "second", {}))
        with engine.system.db.write() as sweeper:
            assert audit.anchor(sweeper, now + hour) is None

    with engine.system.db.write() as sweeper:
        assert audit.anchor(sweeper, now + hour) is not None
    with engine.system.db.read() as tx:
        assert proof.verify(tx) == []
