"""Whose yes counts, on both databases: stages, exclusions, authority, and one yes for one person."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from tests.kit.engine import documents, refund
from tests.kit.house import timed_out
from tests.kit.rules import asking
from workers.inbox.words import AlreadyDecided, DecisionError, Invalid, NotAllowed
from workers.store import actions, audit, people
from workers.store.records import ActionState


@pytest.fixture
def drafted(engine, tmp_path):
    """Make the policy ask for this, and let the agent draft a refund under it."""

    def draft(*, amount=4000, delivery="d1", ticket="7", secret_id=None, **rule):
        engine.system = engine.system.under(asking(tmp_path, **rule))
        engine.house.refundable = 1_000_000
        engine.model.drafts = [[refund(amount)]]
        engine.event(delivery=delivery, ticket=ticket, secret_id=secret_id)
        engine.drain()
        return engine.action("refund_payment")

    return draft


def test_stages_are_decided_in_order_by_different_people(engine, drafted):
    action = drafted(stages=[[{"role": "lead"}], [{"role": "finance", "n": 2}]])
    lea, fin, flo = (
        engine.person(name, (group,)) for name, group in (("lea", "lead"), ("fin", "finance"), ("flo", "finance"))
    )

    with pytest.raises(Invalid, match="not your turn yet: first it needs 1 of lead"):
        engine.decide(action, by=fin)
    engine.decide(action, by=lea)
    engine.decide(engine.action("refund_payment"), by=fin)
    engine.drain()
    assert engine.house.effects == []
    assert engine.action("refund_payment").waiting_for == "Approved in part. Still needed: 1 of finance."
    engine.decide(engine.action("refund_payment"), by=flo)
    engine.drain()

    assert engine.house.done("refund") == [4000]


def test_a_second_yes_of_the_same_person_is_refused_at_every_stage(engine, drafted):
    action = drafted(stages=[[{"role": "lead"}], [{"role": "finance"}]])
    ana = engine.person("ana", ("lead", "finance"))
    engine.person("fin", ("finance",))

    engine.decide(action, by=ana)
    with pytest.raises(Invalid, match="approved this already"):
        engine.decide(engine.action("refund_payment"), by=ana)

    assert engine.action("refund_payment").state == ActionState.PENDING


def test_an_approval_is_used_once(engine, drafted):
    action = drafted(approvers=[{"role": "lead"}])
    ana, bo = engine.person("ana"), engine.person("bo")

    engine.decide(action, by=ana)
    for again in (ana, bo):
        with pytest.raises(AlreadyDecided, match=r"Already decided: ana@firm\.example"):
            engine.decide(engine.action("refund_payment"), by=again)
    engine.drain()

    assert engine.house.done("refund") == [4000]


def test_an_edit_voids_what_was_approved_so_far(engine, drafted):
    action = drafted(approvers=[{"role": "lead", "n": 2}])
    ana, bo, cy = (engine.person(name) for name in ("ana", "bo", "cy"))

    engine.decide(action, by=ana)
    half = engine.action("refund_payment")
    engine.decide(half, by=bo, arguments={**half.arguments, "amount_minor": 4001})
    edited = engine.action("refund_payment")
    assert (edited.state, edited.revision) == (ActionState.PENDING, 2)
    engine.drain()
    assert engine.house.effects == []
    engine.decide(edited, by=cy)
    engine.drain()

    assert engine.house.done("refund") == [4001]


def test_whoever_the_mail_came_from_cannot_approve_what_it_asks_for(engine, drafted):
    action = drafted(approvers=[{"role": "support"}], exclude=["initiator"])
    with engine.system.db.write() as tx:
        customer = people.add(
            tx, email="Ana@Example.com", name="Ana", password_hash="-", groups=["support"], now=engine.clock()
        )

    with pytest.raises(NotAllowed, match="You brought this about"):
        engine.decide(action, by=customer)
    engine.decide(action, by=engine.person("bo", ("support",)))
    engine.drain()

    assert engine.house.done("refund") == [4000]


def test_whoever_sent_the_event_with_their_token_cannot_approve_it(engine, drafted):
    bo = engine.person("bo", ("support",))
    with engine.system.db.write() as tx:
        token = people.add_token(
            tx, name="script", token_hash="0" * 64, scopes=["events"], person_id=bo.id, now=engine.clock()
        )
    action = drafted(approvers=[{"role": "support"}], exclude=["initiator"], secret_id=token.id)

    with pytest.raises(NotAllowed, match="You brought this about"):
        engine.decide(action, by=bo)
    assert engine.decide(action, by=engine.person("cy", ("support",))).state == ActionState.APPROVED


def test_nobody_approves_twice_in_a_row_for_one_customer_where_a_rule_says_so(engine, drafted):
    asked = {"approvers": [{"role": "support"}], "exclude": ["last_approver"]}
    ana, bo = engine.person("ana"), engine.person("bo")
    engine.decide(drafted(**asked), by=ana)
    engine.drain()
    assert engine.house.done("refund") == [4000]
    engine.clock.on(minutes=1)

    second = drafted(**asked, amount=3000, delivery="d2", ticket="8")
    with pytest.raises(NotAllowed, match="You approved the one before this for the same customer"):
        engine.decide(second, by=ana)
    engine.decide(second, by=bo)
    engine.drain()
    engine.clock.on(minutes=1)
    third = drafted(**asked, amount=2000, delivery="d3", ticket="9")
    with pytest.raises(NotAllowed, match="the one before"):
        engine.decide(third, by=bo)

    assert engine.decide(third, by=ana).state == ActionState.APPROVED


def test_what_was_approved_and_never_done_excludes_nobody(engine, drafted):
    asked = {"approvers": [{"role": "support"}], "exclude": ["last_approver"]}
    ana = engine.person("ana")
    engine.decide(drafted(**asked), "reject", by=ana, reason="No")
    engine.drain()

    second = drafted(**asked, delivery="d2", ticket="8")
    assert engine.decide(second, by=ana).state == ActionState.APPROVED


@pytest.mark.parametrize(("amount", "passes"), [(20_000, True), (20_001, False)])
def test_a_yes_counts_up_to_what_somebody_may_approve(engine, drafted, amount, passes):
    action = drafted(
        amount=amount,
        approvers=[{"role": "support"}],
        authority=[{"role": "support", "up_to": {"EUR": 20_000}}, {"role": "lead", "up_to": {"EUR": 1_000_000}}],
    )
    sue, sal = engine.person("sue", ("support",)), engine.person("sal", ("support", "lead"))

    if passes:
        assert engine.decide(action, by=sue).state == ActionState.APPROVED
        return
    with pytest.raises(NotAllowed, match="Only somebody of lead may approve so much"):
        engine.decide(action, by=sue)
    assert engine.decide(action, by=sal).state == ActionState.APPROVED


def test_raising_the_amount_beyond_ones_authority_leaves_it_to_others(engine, drafted):
    action = drafted(
        approvers=[{"role": "support"}],
        authority=[{"role": "support", "up_to": {"EUR": 20_000}}, {"role": "lead", "up_to": {"EUR": 1_000_000}}],
    )
    sue = engine.person("sue", ("support",))

    engine.decide(action, by=sue, arguments={**action.arguments, "amount_minor": 30_000})

    raised = engine.action("refund_payment")
    assert (raised.state, raised.revision) == (ActionState.PENDING, 2)


def test_a_lead_can_say_no_to_what_others_must_approve(engine, drafted):
    action = drafted(approvers=[{"role": "finance", "n": 2}])
    lea = engine.person("lea", ("lead",))

    with pytest.raises(NotAllowed, match="This needs somebody of: finance"):
        engine.decide(action, by=lea)
    assert engine.decide(action, "reject", by=lea, reason="No").state == ActionState.REJECTED


def test_who_was_put_out_of_the_group_no_longer_counts(engine, drafted):
    action = drafted(approvers=[{"role": "finance", "n": 2}])
    fin, flo = engine.person("fin", ("finance",)), engine.person("flo", ("finance",))
    engine.decide(action, by=fin)
    with engine.system.db.write() as tx:
        people.change(tx, fin.id, {"groups": ["support"]})

    engine.decide(engine.action("refund_payment"), by=flo)

    assert engine.action("refund_payment").state == ActionState.PENDING


def test_the_yes_of_somebody_whose_account_was_closed_since_no_longer_counts(engine, drafted):
    action = drafted(approvers=[{"role": "finance", "n": 2}])
    fin, flo, fay = (engine.person(name, ("finance",)) for name in ("fin", "flo", "fay"))
    engine.decide(action, by=fin)
    with engine.system.db.write() as tx:
        people.change(tx, fin.id, {"active": False})

    engine.decide(engine.action("refund_payment"), by=flo)

    assert engine.action("refund_payment").state == ActionState.PENDING
    assert engine.decide(engine.action("refund_payment"), by=fay).state == ActionState.APPROVED


@pytest.mark.parametrize("since", [{"groups": ["support"]}, {"active": False}])
def test_who_may_decide_is_asked_as_it_is_now_not_as_they_came_in(engine, drafted, since):
    """Whoever decides may have waited for the case, and a lead have put them out of the group meanwhile."""
    action = drafted(approvers=[{"role": "finance", "n": 2}])
    fin, flo, fay = (engine.person(name, ("finance",)) for name in ("fin", "flo", "fay"))
    engine.decide(action, by=fin)
    with engine.system.db.write() as tx:
        people.change(tx, flo.id, since)

    with pytest.raises(NotAllowed):
        engine.decide(engine.action("refund_payment"), by=flo)

    assert engine.action("refund_payment").state == ActionState.PENDING
    assert engine.decide(engine.action("refund_payment"), by=fay).state == ActionState.APPROVED


def test_a_closed_account_decides_nothing_whatever_its_groups_are(engine, drafted):
    action = drafted(approvers=[{"role": "support"}])
    ana = engine.person("ana")
    with engine.system.db.write() as tx:
        people.change(tx, ana.id, {"active": False})
    closed = engine.person("ana")

    with pytest.raises(NotAllowed, match="not active"):
        engine.decide(action, by=closed)

    assert engine.action("refund_payment").state == ActionState.PENDING


def test_escalating_to_a_group_where_nobody_is_is_refused(engine, drafted):
    action = drafted(approvers=[{"role": "support"}])
    ana = engine.person("ana", ("support",))

    with pytest.raises(Invalid, match="Nobody who is here"):
        engine.decide(action, "escalate", by=ana, group="legal")


def test_every_refusal_leaves_nothing_behind(engine, drafted):
    action = drafted(stages=[[{"role": "lead"}], [{"role": "finance"}]])
    with engine.system.db.read() as tx:
        before = audit.of_chain(tx, action.case_id)

    with pytest.raises(Invalid):
        engine.decide(action, by=engine.person("fin", ("finance",)))

    with engine.system.db.read() as tx:
        assert audit.of_chain(tx, action.case_id) == before
    assert engine.action("refund_payment") == action


def test_however_many_say_yes_at_once_it_takes_as_many_different_people_as_were_asked(engine, drafted):
    action = drafted(stages=[[{"role": "lead", "n": 2}], [{"role": "finance", "n": 2}]])
    people_ = [engine.person(f"p{n}", ("lead", "finance")) for n in range(6)]
    barrier = threading.Barrier(12)

    def insist(person):
        barrier.wait()
        for _ in range(3):
            with suppress(DecisionError):
                engine.decide(action, by=person)

    threads = [threading.Thread(target=insist, args=(person,)) for person in people_ for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.drain()

    assert engine.house.done("refund") == [4000]
    with engine.system.db.read() as tx:
        said = [d.person_id for d in actions.decisions_of(tx, action.id)]
    assert len(said) == len(set(said)) == 4


def test_what_may_have_been_done_takes_as_many_yeses_to_try_again_as_it_took_the_first_time(engine, tmp_path):
    """Those that led to the attempt are used up by it, though they were said in the very moment in which it began."""
    engine.system = engine.system.under(asking(tmp_path, approvers=[{"role": "support", "n": 2}]))
    engine.model.drafts = [[documents()]]
    engine.alert()
    engine.drain()
    sue, sam = (engine.person(name, ("support",)) for name in ("sue", "sam"))
    engine.decide(engine.action("request_documents"), by=sue)
    engine.decide(engine.action("request_documents"), by=sam)
    engine.house.after.append(timed_out(maybe_done=True))
    engine.drain()
    assert engine.action("request_documents").state == ActionState.UNCERTAIN
    engine.clock.on(minutes=1)

    again = engine.decide(engine.action("request_documents"), by=sue)
    engine.drain()
    assert again.state == ActionState.UNCERTAIN
    assert again.waiting_for == "Approved in part. Still needed: 1 of support."
    assert len(engine.house.done("mail")) == 1

    assert engine.decide(engine.action("request_documents"), by=sam).state == ActionState.APPROVED
    engine.drain()
    assert len(engine.house.done("mail")) == 2
