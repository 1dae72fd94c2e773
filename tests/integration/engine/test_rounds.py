"""How often an agent begins again by itself before people are asked, and that what people ask for is begun however often that was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.engine import reply
from workers.inbox import case_service
from workers.store import audit
from workers.store.records import ActionState, CaseState

TICKET = "house:ticket:7"


@pytest.fixture
def restless(engine):
    """A ticket that somebody else writes to after each draft; its reply is approved all the same, and found stale."""
    settings = engine.system.settings.model_copy(update={"max_redrafts": 2})
    engine.system = replace(engine.system, settings=settings)
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    return engine


def one_more(engine):
    engine.house.touched_by_somebody_else(TICKET)
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()


def asked_for_a_draft(engine):
    return [task for task in engine.model.tasks() if task == "draft"]


def test_what_goes_stale_again_and_again_is_given_to_people(restless):
    for _ in range(3):
        one_more(restless)

    case = restless.case()
    assert (case.state, case.round, case.wake_at) == (CaseState.INBOX, 3, None)
    assert "3 rounds did not settle this case" in case.attention
    assert len(asked_for_a_draft(restless)) == 3
    assert {action.state for action in restless.actions()} == {ActionState.STALE}
    assert restless.house.effects == []
    with restless.system.db.read() as tx:
        assert "asked_for_help" in [entry.verb for entry in audit.of_chain(tx, case.id)]


@pytest.mark.parametrize("times", [1, 2])
def test_asked_to_try_again_the_agent_does(restless, times):
    lead = restless.person("lea", ("lead",))
    for _ in range(3):
        one_more(restless)
    for _ in range(times - 1):
        case_service.decide_case(restless.system, lead, restless.case().id, "retry", None)
        restless.drain()
        one_more(restless)
        assert "did not settle" in restless.case().attention

    case_service.decide_case(restless.system, lead, restless.case().id, "retry", "It is quiet now")
    restless.drain()
    assert restless.action("reply_to_customer").state == ActionState.PENDING
    assert restless.case().attention is None

    restless.decide(restless.action("reply_to_customer"))
    restless.drain()
    assert len(restless.house.done("reply")) == 1


def test_a_reviewer_may_ask_for_changes_as_often_as_it_takes(restless):
    for number in range(6):
        restless.decide(restless.action("reply_to_customer"), "request_changes", reason=f"Once more, {number}")
        restless.drain()

        assert restless.action("reply_to_customer").state == ActionState.PENDING
        assert restless.case().attention is None
