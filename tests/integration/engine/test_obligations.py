"""What a rule obliges to is done before anybody sees the action, or the action is refused; nothing is done without it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.engine import refund, reply
from tests.kit.rules import asking
from workers.rulebook.book import Fixed
from workers.store import notices
from workers.store.records import ActionState
from workers.store.tables import actions as table

SAID = "This answer was drafted by a machine and read by a person."
DISCLOSE = {"kind": "disclose", "text": SAID}


@pytest.fixture
def judged(engine, tmp_path):
    """The action that the agent proposes, under a rule that obliges to this."""

    def draft(proposal, *obligations, **rule):
        policy = asking(tmp_path, obligations=list(obligations), **rule)
        object.__setattr__(engine.system, "rulebook", Fixed(policy))
        engine.model.drafts = [[proposal]]
        engine.event()
        engine.drain()
        return engine.actions()[0]

    return draft


def test_what_must_be_said_stands_in_what_a_person_approves_and_leaves_so(engine, judged):
    action = judged(reply("Hello Ana."), DISCLOSE)

    assert action.arguments["body"] == f"Hello Ana.\n\n{SAID}"
    assert any(SAID in line for line in action.verdict["changed"])
    engine.decide(action)
    engine.drain()
    assert engine.action("reply_to_customer").state == ActionState.DONE
    assert engine.house.done("reply") == [f"Hello Ana.\n\n{SAID}"]


def test_it_is_said_once_however_often_the_draft_is_edited(engine, judged):
    action = judged(reply("Hello Ana."), DISCLOSE)

    edited = engine.decide(action, arguments={"body": f"Hello.\n\n{SAID}\n\nBye."})

    assert engine.action("reply_to_customer").arguments["body"] == f"Hello.\n\nBye.\n\n{SAID}"
    assert edited.revision == 2


def test_an_action_that_cannot_say_it_is_refused_with_the_reason(engine, judged):
    action = judged(refund(), DISCLOSE)

    assert action.state == ActionState.DENIED
    assert "sends no text" in action.reason
    engine.drain()
    assert engine.house.effects == []


def test_what_must_be_masked_is_nowhere_in_what_leaves(engine, judged):
    action = judged(reply("Your card 4242 4242 4242 4242 was charged."), {"kind": "mask", "what": ["card"]})

    assert action.arguments["body"] == "Your card [card ending 4242] was charged."
    assert action.verdict["changed"] == ["Masked in the body: 1 card number"]


def test_an_approved_action_cools_off_before_it_is_carried_out(engine, judged):
    action = judged(refund(), {"kind": "delay", "minutes": 30})
    approved = engine.decide(action)

    assert approved.wake_at == engine.clock() + timedelta(minutes=30)
    engine.drain()
    engine.clock.on(minutes=29)
    engine.sweep()
    assert engine.house.effects == []
    engine.clock.on(minutes=1)
    engine.sweep()
    assert engine.house.done("refund") == [4000]


def test_a_delay_that_is_taken_away_after_the_approval_is_not_sent(engine, judged):
    action = engine.decide(judged(refund(), {"kind": "delay", "minutes": 30}))
    with engine.system.db.write() as tx:
        tx.execute(table.update().values(verdict={**action.verdict, "obligations": []}, wake_at=engine.clock()))

    engine.sweep()

    assert engine.house.effects == []


def test_a_group_is_told_once_it_is_done_and_not_before(engine, judged):
    action = judged(refund(), {"kind": "notify", "role": "lead"})
    lead, other = engine.person("lee", groups=("lead",)), engine.person("sam", groups=("support",))

    def unread(person):
        with engine.system.db.read() as tx:
            return notices.unread(tx, notices.reader(tx, person, engine.clock()))

    engine.clock.on(seconds=1)
    engine.decide(action)
    assert unread(lead) == 0
    engine.drain()

    assert (unread(lead), unread(other)) == (1, 0)
    with engine.system.db.write() as tx:
        who = notices.reader(tx, lead, engine.clock())
        (notice,) = notices.listing(tx, who)
        assert (notice.action_id, notice.role, notice.read) == (action.id, "lead", False)
        assert notices.mark_read(tx, who, [notice.id], engine.clock()) == 1
    assert unread(lead) == 0
