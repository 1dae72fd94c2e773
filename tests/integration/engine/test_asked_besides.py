"""What people did to a draft stays done whoever judges it anew: whom they asked besides is asked, and what they changed was changed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from policies.loader import load
from policies.record import from_json
from tests.integration.limits.house import a_day, asked, fresh, under, within
from tests.kit.engine import POLICY, refund, reply
from workers import renewal
from workers.inbox.words import Invalid
from workers.rehearsal.replay import Result, replay
from workers.settings import SHIPPED_POLICY
from workers.store import actions, decided
from workers.store.records import ActionState


@pytest.fixture
def drafted(engine):
    engine.model.drafts = [[refund(), reply()]]
    engine.event()
    engine.drain()
    return engine.action("refund_payment")


def roles(action):
    return {requirement["role"] for requirement in action.verdict["requirements"]}


def counts_as_edited(engine, action):
    with engine.system.db.read() as tx:
        return from_json(actions.revisions_of(tx, action.id)[-1].record).facts["edited_by_person"]


def test_who_edits_what_was_escalated_does_not_send_it_without_whom_was_asked(engine, drafted):
    bo, fay = engine.person("bo", groups=("support",)), engine.person("fay", groups=("finance",))
    engine.decide(drafted, "escalate", group="finance", by=bo)
    escalated = engine.action("refund_payment")

    edited = engine.decide(escalated, arguments={**escalated.arguments, "amount_minor": 3999}, by=bo)

    assert (edited.state, roles(edited)) == (ActionState.PENDING, {"support", "finance"})
    engine.decide(edited, by=fay)
    engine.drain()
    assert engine.house.done("refund") == [3999]


def test_who_is_asked_second_does_not_take_the_place_of_who_was_asked_first(engine, drafted):
    ana = engine.person("ana", groups=("support", "finance", "lead"))
    engine.decide(drafted, "escalate", group="finance", by=ana)
    engine.decide(engine.action("refund_payment"), "escalate", group="lead", by=ana)

    twice = engine.action("refund_payment")

    assert roles(twice) == {"support", "finance", "lead"}
    with pytest.raises(Invalid, match="waits for 'finance' already"):
        engine.decide(twice, "escalate", group="finance", by=ana)


def test_what_was_edited_counts_as_edited_when_somebody_else_is_asked(engine, drafted):
    support, lead = engine.person("sue", groups=("support",)), engine.person("lee", groups=("lead", "finance"))
    engine.decide(drafted, arguments={**drafted.arguments, "amount_minor": 3999}, by=lead)

    engine.decide(engine.action("refund_payment"), "escalate", group="finance", by=support)

    assert counts_as_edited(engine, engine.action("refund_payment"))


def test_what_rests_on_an_edited_action_stays_edited_and_escalated(engine, drafted):
    support, lead = engine.person("sue", groups=("support",)), engine.person("lee", groups=("lead", "finance"))
    engine.decide(engine.action("reply_to_customer"), arguments={"body": "Hello Ana, it is settled."}, by=lead)
    engine.decide(engine.action("reply_to_customer"), "escalate", group="finance", by=support)

    engine.decide(drafted, arguments={**drafted.arguments, "amount_minor": 3999}, by=support)

    again = engine.action("reply_to_customer")
    assert (again.state, again.revision) == (ActionState.PENDING, 4)
    assert counts_as_edited(engine, again)
    assert "finance" in roles(again)


def test_asking_somebody_besides_lets_nothing_run_by_itself(engine):
    """A rule would allow by now what a limit held back when it was drafted."""
    policy = within(a_day(10_000))
    under(engine, policy)
    waits = [asked(engine, 6_000, ticket) for ticket in "12"][1]
    engine.drain()
    engine.clock.on(days=2)

    engine.decide(waits, "escalate", group="finance")

    escalated = fresh(engine, waits)
    assert (escalated.state, roles(escalated)) == (ActionState.PENDING, {"finance"})
    assert "Somebody asked for finance besides" in escalated.verdict["reasons"]
    with engine.system.db.read() as tx:
        found = [replay(kept, {policy.hash: policy}.get) for kept in decided.records_of(tx, waits.id)]
    assert [one.result for one in found] == [Result.SAME] * 2


def test_what_another_policy_judged_anew_is_reached_again_with_whom_was_asked_besides(engine, drafted):
    engine.decide(drafted, "escalate", group="finance")
    other = within()
    engine.system = engine.system.under(other)

    assert renewal.judge_again(engine.system, engine.action("refund_payment"))

    anew = engine.action("refund_payment")
    assert (anew.state, roles(anew)) == (ActionState.PENDING, {"finance"})
    with engine.system.db.read() as tx:
        known = {POLICY.hash: POLICY, other.hash: other}.get
        assert [replay(kept, known).result for kept in decided.records_of(tx, drafted.id)] == [Result.SAME] * 3


def test_records_of_before_did_not_name_who_was_asked_besides_and_are_reached_again(engine, drafted, tmp_path):
    engine.decide(drafted, "escalate", group="finance")
    for file in SHIPPED_POLICY.iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace("version: 1", "version: 99", 1))
    other = load(tmp_path)
    engine.system = engine.system.under(other)
    assert renewal.judge_again(engine.system, engine.action("refund_payment"))

    with engine.system.db.read() as tx:
        kept = decided.records_of(tx, drafted.id)

    known = {POLICY.hash: POLICY, other.hash: other}.get
    assert len(kept) == 3
    for one in kept:
        record = json.loads(one.record)
        record.pop("escalated_to", None)
        assert replay(replace(one, record=json.dumps(record), digest=None), known).result is Result.SAME
