"""Standing in for somebody who is away: with their groups, for a time, once, and never around an exclusion."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.engine import refund
from tests.kit.rules import asking
from workers.inbox import lists
from workers.inbox.absence import Absence, arrange, call_off
from workers.inbox.lists import Tab
from workers.inbox.words import Invalid, NotAllowed
from workers.store import actions, audit, people
from workers.store.audit import SYSTEM
from workers.store.records import ActionState


@pytest.fixture
def drafted(engine, tmp_path):
    def draft(*, delivery="d1", ticket="7", **rule):
        engine.system = engine.system.under(asking(tmp_path, **rule))
        engine.model.drafts = [[refund()]]
        engine.event(delivery=delivery, ticket=ticket)
        engine.drain()
        return engine.action("refund_payment")

    return draft


@pytest.fixture
def away(engine):
    """Say that somebody is away from now on, for so many days, and who stands in."""

    def go(person, stand_in, *, days=3, starts=0):
        now = engine.clock()
        absence = Absence(now + timedelta(days=starts), now + timedelta(days=starts + days))
        with engine.system.db.write() as tx:
            return arrange(
                tx, person.id, stand_in.id, absence, by=None, reason="holiday", actor="operator:test", now=now
            )

    return go


@pytest.fixture
def ada(engine):
    return engine.person("ada", ("finance",))


@pytest.fixture
def bo(engine):
    return engine.person("bo", ("support",))


FINANCE = {"approvers": [{"role": "finance"}]}
TWO = {"approvers": [{"role": "finance"}, {"role": "support"}]}


def test_a_stand_in_decides_with_the_groups_of_the_other_and_both_names_are_kept(engine, drafted, away, ada, bo):
    action = drafted(**FINANCE)
    with pytest.raises(NotAllowed, match="This needs somebody of: finance"):
        engine.decide(action, by=bo)
    away(ada, bo)

    engine.decide(action, by=bo)
    engine.drain()

    assert engine.house.done("refund") == [4000]
    with engine.system.db.read() as tx:
        (decision,) = actions.decisions_of(tx, action.id)
        told = [entry.data for entry in audit.of_chain(tx, action.case_id) if entry.verb == "decided"]
    assert (decision.actor, decision.on_behalf_of) == ("person:bo@firm.example", ada.id)
    assert told[0]["for"] == "ada@firm.example"


def test_it_holds_between_its_dates_alone(engine, drafted, away, ada, bo):
    action = drafted(**FINANCE)
    away(ada, bo, starts=1, days=2)

    with pytest.raises(NotAllowed):
        engine.decide(action, by=bo)
    engine.clock.on(days=3)
    with pytest.raises(NotAllowed):
        engine.decide(action, by=bo)
    engine.clock.on(seconds=-1)
    assert engine.decide(action, by=bo).state == ActionState.APPROVED


def test_it_ends_when_it_is_called_off(engine, drafted, away, ada, bo):
    action = drafted(**FINANCE)
    made = away(ada, bo)
    engine.clock.on(hours=1)
    with engine.system.db.write() as tx:
        call_off(tx, made.id, actor="person:ada@firm.example", by=ada, now=engine.clock())

    with pytest.raises(NotAllowed):
        engine.decide(action, by=bo)
    with engine.system.db.write() as tx, pytest.raises(Invalid, match="over already"):
        call_off(tx, made.id, actor="person:ada@firm.example", by=ada, now=engine.clock())
    with engine.system.db.read() as tx:
        log = [e.verb for e in audit.of_chain(tx, SYSTEM) if e.verb.startswith("stand_in")]
    assert log == ["stand_in_named", "stand_in_ended"]


def test_nobody_speaks_for_themselves_and_for_another_on_one_action(engine, drafted, away, ada, bo):
    action = drafted(**TWO)
    away(ada, bo)

    engine.decide(action, by=bo)
    half = engine.action("refund_payment")
    with pytest.raises(Invalid, match="already"):
        engine.decide(half, by=bo)

    assert engine.action("refund_payment").state == ActionState.PENDING


def test_who_was_spoken_for_cannot_speak_again(engine, drafted, away, ada, bo):
    action = drafted(approvers=[{"role": "finance", "n": 2}])
    fin = engine.person("fin", ("finance",))
    away(ada, bo)
    engine.decide(action, by=bo)

    with pytest.raises(Invalid, match="Bo has approved this already for you"):
        engine.decide(engine.action("refund_payment"), by=ada)
    assert engine.decide(engine.action("refund_payment"), by=fin).state == ActionState.APPROVED


def test_nobody_speaks_for_somebody_whose_account_was_closed(engine, drafted, away, ada, bo):
    action = drafted(approvers=[{"role": "finance", "n": 2}])
    fin, flo = engine.person("fin", ("finance",)), engine.person("flo", ("finance",))
    away(ada, bo)
    away(flo, bo)
    engine.decide(action, by=bo)
    with engine.system.db.write() as tx:
        (said,) = actions.decisions_of(tx, action.id)
        for gone in (ada, flo):
            people.change(tx, gone.id, {"active": False})

    engine.decide(engine.action("refund_payment"), by=fin)

    assert said.on_behalf_of in (ada.id, flo.id)
    assert engine.action("refund_payment").state == ActionState.PENDING
    with pytest.raises(NotAllowed, match="This needs somebody of: finance"):
        engine.decide(engine.action("refund_payment"), by=bo)


def test_what_a_stand_in_said_whose_account_was_closed_counts_for_nobody(engine, drafted, away, ada, bo):
    action = drafted(approvers=[{"role": "finance", "n": 2}])
    fin = engine.person("fin", ("finance",))
    away(ada, bo)
    engine.decide(action, by=bo)
    with engine.system.db.write() as tx:
        people.change(tx, bo.id, {"active": False})

    engine.decide(engine.action("refund_payment"), by=fin)

    assert engine.action("refund_payment").state == ActionState.PENDING
    # Nobody has spoken for her then.
    assert engine.decide(engine.action("refund_payment"), by=ada).state == ActionState.APPROVED


def test_a_stand_in_cannot_pass_it_on(engine, drafted, away, ada, bo):
    cy = engine.person("cy", ("support",))
    action = drafted(**FINANCE)
    away(ada, bo)
    away(bo, cy)

    with pytest.raises(NotAllowed):
        engine.decide(action, by=cy)
    # Who is away may still do what is theirs.
    assert engine.decide(action, by=bo).state == ActionState.APPROVED


def test_a_stand_in_is_no_way_around_an_exclusion(engine, drafted, away, ada, bo):
    action = drafted(**FINANCE, exclude=["editor"])
    engine.decide(action, by=ada, arguments={**action.arguments, "amount_minor": 3999})
    edited = engine.action("refund_payment")
    away(ada, bo)

    with pytest.raises(NotAllowed, match="Ada edited this draft"):
        engine.decide(edited, by=bo)


def test_an_editor_does_not_approve_for_another_either(engine, drafted, away, ada, bo):
    action = drafted(**FINANCE, exclude=["editor"])
    away(ada, bo)
    engine.decide(action, by=bo, arguments={**action.arguments, "amount_minor": 3999})

    edited = engine.action("refund_payment")
    assert (edited.state, edited.revision) == (ActionState.PENDING, 2)
    with pytest.raises(NotAllowed, match="You edited this draft"):
        engine.decide(edited, by=bo)


def test_the_last_approver_is_excluded_through_a_stand_in_too(engine, drafted, away, ada, bo):
    rule = {**FINANCE, "exclude": ["last_approver"]}
    away(ada, bo)
    engine.decide(drafted(**rule), by=bo)
    engine.drain()
    engine.clock.on(minutes=1)

    second = drafted(**rule, delivery="d2", ticket="8")
    for one in (ada, bo):
        with pytest.raises(NotAllowed, match="approved the one before this"):
            engine.decide(second, by=one)


@pytest.mark.parametrize(
    ("who", "stand_in", "days", "why"),
    [
        ("ada", "ada", 3, "Nobody stands in for themselves"),
        ("ada", "bo", 0, "must not be over"),
        ("ada", "bo", 500, "longer than 366 days"),
    ],
)
def test_what_cannot_be_meant_is_refused(engine, away, ada, bo, who, stand_in, days, why):
    names = {"ada": ada, "bo": bo}

    with pytest.raises(Invalid, match=why):
        away(names[who], names[stand_in], days=days)


def test_one_stand_in_at_a_time_who_is_there(engine, away, ada, bo):
    cy = engine.person("cy", ("support",))
    away(ada, bo)

    with pytest.raises(Invalid, match="in that time already"):
        away(ada, cy, starts=1)
    with pytest.raises(Invalid, match="Ada is away in that time too"):
        away(cy, ada)
    assert away(ada, cy, starts=3).stand_in_id == cy.id


def test_only_those_two_or_a_lead_end_it(engine, away, ada, bo):
    cy, lea = engine.person("cy", ("support",)), engine.person("lea", ("lead",))
    made = away(ada, bo)

    with engine.system.db.write() as tx, pytest.raises(NotAllowed):
        call_off(tx, made.id, actor="person:cy@firm.example", by=cy, now=engine.clock())
    engine.clock.on(minutes=1)
    with engine.system.db.write() as tx:
        ended = call_off(tx, made.id, actor="person:lea@firm.example", by=lea, now=engine.clock())
    assert ended.until == engine.clock()


def test_what_nobody_here_can_approve_is_in_the_leads_list_with_the_reason(engine, drafted, away, ada, bo):
    lea = engine.person("lea", ("lead",))
    drafted(approvers=[{"role": "finance", "n": 2}])
    fin = engine.person("fin", ("finance",))

    def rows(person):
        with engine.system.db.read() as tx:
            return lists.load(tx, person, tab=Tab.MINE, domain="", domains=["support"], now=engine.clock()).rows

    assert rows(lea) == ()
    away(fin, ada)
    (row,) = rows(lea)
    assert row.why.startswith("The people who are here cannot approve this as the policy asks: 1 of finance missing.")
    engine.clock.on(days=3)
    assert rows(lea) == ()
