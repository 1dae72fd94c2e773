"""What triage found waits with the case for the log's next entry, which begins with it, whoever writes that."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from integrations.errors import Permanent, Temporary
from tests.kit.died import Died
from tests.kit.engine import reply
from workers.store import audit, flow, proof, schema
from workers.store.audit import Note
from workers.store.audit_tables import audit as log
from workers.store.flow import Caps, Progress
from workers.store.tables import cases


def while_drafting(engine, act):
    asked = engine.model.answer

    def answer(request):
        if request.task == "draft":
            engine.model.answer = asked
            act()
        return asked(request)

    engine.model.answer = answer


def stopped(engine, error):
    """A case whose worker got as far as the question for a draft."""

    def act():
        raise error

    engine.model.drafts = [[reply()]]
    while_drafting(engine, act)
    engine.event()


def told(engine):
    """(number, verb) of all that the case's chain tells; it must prove whole."""
    with engine.system.db.write() as tx:
        assert proof.verify(tx) == []
        return [(one.seq, one.verb) for one in audit.of_chain(tx, engine.case().id)]


def waits(engine):
    with engine.system.db.read() as tx:
        return [note.verb for note in audit.end_of(tx, engine.case().id).waiting]


def test_a_case_that_nothing_disturbs_has_three_entries(engine):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()

    assert [one for one in told(engine) if one[1] != "judged"] == [
        (1, "opened"),
        (2, "triage"),
        (2, "gather"),
        (2, "draft"),
    ]
    assert waits(engine) == []


def test_it_says_what_it_would_have_said_at_once(engine):
    stopped(engine, Died())
    with pytest.raises(Died):
        engine.drain()
    with engine.system.db.read() as tx:
        (waiting,) = audit.end_of(tx, engine.case().id).waiting
    engine.clock.on(hours=1)
    engine.sweep()

    with engine.system.db.read() as tx:
        (triage,) = [one for one in audit.of_chain(tx, engine.case().id) if one.verb == "triage"]
    assert Note(triage.actor, triage.verb, triage.data) == waiting


def test_who_takes_over_from_one_that_died_tells_of_what_that_one_found(engine):
    stopped(engine, Died())
    with pytest.raises(Died):
        engine.drain()
    assert (told(engine), waits(engine)) == ([(1, "opened")], ["triage"])

    engine.clock.on(hours=1)
    engine.sweep()

    assert [verb for _, verb in told(engine)].count("triage") == 1
    assert told(engine)[1] == (2, "triage")
    assert waits(engine) == []


@pytest.mark.parametrize("error", [Temporary("The model is away."), Permanent("The model has nothing to say.")])
def test_where_a_case_stops_it_is_told_before_that(engine, error):
    stopped(engine, error)
    engine.drain()

    assert told(engine)[:2] == [(1, "opened"), (2, "triage")]
    assert waits(engine) == []


def test_a_model_that_is_away_before_anything_was_looked_up_leaves_it_told(engine):
    engine.house.read_faults.append(Temporary("The helpdesk answers 500."))
    engine.event()
    engine.drain()

    assert told(engine) == [(1, "opened"), (2, "triage")]
    engine.clock.on(minutes=1)
    engine.sweep()
    assert [verb for _, verb in told(engine)].count("triage") == 1


def test_who_writes_to_the_chain_meanwhile_tells_it_first_and_it_is_told_once(engine):
    def looks():
        with engine.system.db.write() as tx:
            audit.append(tx, engine.case().id, engine.clock(), Note("person:ana", "looked", {}))

    engine.model.drafts = [[reply()]]
    while_drafting(engine, looks)
    engine.event()
    engine.drain()

    assert told(engine)[:5] == [(1, "opened"), (2, "triage"), (2, "looked"), (3, "gather"), (3, "draft")]
    assert [verb for _, verb in told(engine)].count("triage") == 1


def test_a_message_that_joins_meanwhile_comes_after_it(engine):
    engine.model.drafts = [[reply()], [reply()]]
    while_drafting(engine, lambda: engine.event(delivery="d2"))
    engine.event()
    engine.drain()

    verbs = [verb for _, verb in told(engine)]
    assert verbs[:3] == ["opened", "triage", "joined"]
    assert verbs.count("triage") == 2


def test_one_waits_at_most_and_a_second_is_told_with_the_first(engine):
    engine.event()
    db, now = engine.system.db, engine.clock()
    lease = engine.system.settings.lease
    claimed = flow.claim(db, engine.case().id, worker="w", now=now, lease=lease, caps=Caps())
    case, chain = claimed.case, claimed.chain
    for verb in ("first", "second"):
        progress = Progress({}, notes=[Note("caseworker", verb, {"n": 1})], told_later=True)
        case, chain = flow.record(db, case, chain, progress, now=now)

    assert told(engine) == [(1, "opened"), (2, "first"), (2, "second")]
    assert waits(engine) == []


def test_a_case_that_one_person_decided_has_four_entries(engine):
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()

    with engine.system.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(log)).scalar() == 4
        assert tx.execute(select(cases.c.untold)).scalar() is None


def test_going_back_a_version_tells_what_waits(engine):
    stopped(engine, Died())
    with pytest.raises(Died):
        engine.drain()

    schema.downgrade(engine.system.db, "0014")
    schema.upgrade(engine.system.db)

    assert told(engine) == [(1, "opened"), (2, "triage")]
    assert waits(engine) == []
