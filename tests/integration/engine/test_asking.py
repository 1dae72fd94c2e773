"""One agent asks others: each question a case of its own, the asking case parked until they answered or the time is up."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal

import pytest

from integrations.errors import Permanent, Temporary
from tests.kit.engine import AGENT, call
from workers import pipeline
from workers.agents.transactions import AGENT as TRANSACTIONS
from workers.inbox import case_service
from workers.store import bill, cases, children, events, proof, steps
from workers.store.records import CaseState

CHARGE = "house:charge:ch_1"


def ask(agent="transactions", question="Does it look stolen?", name="ask_1", subject=CHARGE):
    return call("ask_agent", id=name, agent=agent, question=question, subject=subject)


@pytest.fixture
def asking(engine):
    """Support may ask transactions, and transactions support."""
    engine.model.uses_tools = True
    engine.model.turns = [[ask()]]
    engine.system.agents["support"] = replace(AGENT, consults=("transactions", "support/writer", "support/analyst"))
    engine.system.agents["transactions"] = replace(AGENT, domain="transactions", consults=("support",))
    return engine


def parent(engine):
    with engine.system.db.read() as tx:
        return cases.on_subject(tx, "house:ticket:7")


def asked(engine, case_id=None):
    with engine.system.db.read() as tx:
        return children.of_case(tx, case_id or parent(engine).id)


def child(engine, number=0):
    with engine.system.db.read() as tx:
        return cases.get(tx, asked(engine)[number].child_id)


def until_parked(engine):
    engine.event()
    engine.drain(1)


def last_results(engine):
    drafts = [r for r in engine.model.asked if r.domain == "support" and r.turns]
    return drafts[-1].turns[-1].results


def test_the_asking_case_is_parked_and_the_question_waits_on_the_others_queue(asking):
    until_parked(asking)

    case, question = parent(asking), child(asking)
    assert (case.state, case.waiting_for, case.claimed_by) == (CaseState.WAITING, "Answers of transactions.", None)
    assert case.wake_at == asking.clock() + (asked(asking)[0].deadline - asked(asking)[0].asked_at)
    assert (question.domain, question.source, question.customer) == ("transactions", "caseworker", "ana@example.com")
    assert asking.hints.waiting[-1] == ("case", question.id)


def test_whose_case_it_is_the_question_knows_too_and_a_name_of_a_source_is_asked_about_as_no_address(asking):
    asking.event(data={"title": "Broken", "text": "It is broken", "ticket_id": "7", "requester": "house:41"})
    asking.drain(1)

    assert (parent(asking).customer, child(asking).customer) == ("house:41", "house:41")
    with asking.system.db.read() as tx:
        (event,) = events.of_case(tx, child(asking).id)
    assert (event.data["requester_email"], event.data["customer_email"]) == ("", "")
    asking.drain(1)
    assert child(asking).step != "triage"
    assert child(asking).customer == "house:41"


def test_the_answer_comes_back_with_the_records_that_it_rests_on(asking):
    asking.event()
    asking.drain()

    assert parent(asking).state == CaseState.INBOX
    (result,) = last_results(asking)
    finding, charge = result.content
    assert (finding["finding"], finding["agent"]) == ("The charge does not look stolen.", "transactions")
    assert charge["charge_id"] == "ch_1"
    assert result.trusted is False  # a finding is a model's text
    with asking.system.db.read() as tx:
        facts = {f.ref: f.trusted for f in steps.facts_of(tx, parent(asking).id, up_to_round=9)}
        assert facts[f"caseworker:answer:{child(asking).id}"] is False
        assert facts[CHARGE] is True
    with asking.system.db.read() as tx:
        assert proof.verify(tx) == []
    assert (child(asking).state, child(asking).outcome) == (CaseState.CLOSED, "answered")
    assert asked(asking)[0].state == "answered"


def test_what_an_agent_keeps_is_handed_to_no_other_desk(asking):
    """Telling the subject of a suspicion can be a crime, and support writes to the very person."""
    asking.system.agents["transactions"] = replace(AGENT, domain="transactions", keeps=frozenset({"charge"}))
    asking.system.agents["support"] = replace(asking.system.agents["support"], keeps=frozenset({"charge"}))
    asking.model.turns = [[ask(), ask("support/writer", "How to say it?", "ask_2", None)]]
    asking.event()
    asking.drain()

    assert TRANSACTIONS.keeps >= {"watch_hit", "signals"}
    strange, own = last_results(asking)
    assert [part.get("charge_id") for part in strange.content] == [None]
    assert [part.get("charge_id") for part in own.content] == [None, "ch_1"]


@pytest.mark.parametrize(("price", "below"), [("0.01", 1), ("0.11", 0)])
def test_what_is_asked_in_turn_is_paid_out_of_the_share_of_the_answer(asking, price, below):
    """A quarter of a dollar each: three calls at 11 cents before the question are more."""
    asking.system.agents["transactions"] = replace(AGENT, domain="transactions", consults=("content",))
    asking.system.agents["content"] = replace(AGENT, domain="content")
    asking.model.asks, asking.model.price = {"transactions": [[ask("content")]]}, Decimal(price)
    asking.event()
    asking.drain()

    assert len(asked(asking, child(asking).id)) == below
    assert asked(asking)[0].state == "answered"


def test_what_was_asked_in_turn_counts_for_the_case_that_asked_first(asking):
    asking.system.agents["transactions"] = replace(AGENT, domain="transactions", consults=("content",))
    asking.system.agents["content"] = replace(AGENT, domain="content")
    asking.model.asks, asking.model.price = {"transactions": [[ask("content")]]}, Decimal("0.01")
    asking.event()
    asking.drain()

    (below,) = asked(asking, child(asking).id)
    with asking.system.db.read() as tx:
        own, others = bill.spent_on(tx, child(asking).id), bill.spent_on(tx, below.child_id)
        assert children.cost(tx, [child(asking).id]) == own + others > own


def test_a_question_is_as_private_as_what_it_is_about(asking):
    """Rules by source hold for it, too: it is not of a source of its own."""
    asking.event()
    asking.drain()

    assert {request.about.source for request in asking.model.asked} == {"house"}


def test_a_question_brings_about_no_actions(asking):
    asking.event()
    asking.drain()

    with asking.system.db.read() as tx:
        names = [step.name for step in steps.of_case(tx, child(asking).id)]
    assert names == ["triage", "gather", "plan", "answer"]
    assert {action.case_id for action in asking.actions()} <= {parent(asking).id}


def test_several_are_asked_at_once_and_the_last_answer_wakes(asking):
    roles = [ask("support/writer", "How to say it?", "a", None), ask("support/analyst", "What counts?", "b", None)]
    asking.model.turns = [roles]
    until_parked(asking)
    first, second = child(asking, 0), child(asking, 1)
    assert {first.step, second.step} == {"draft"}  # colleagues of one desk begin with what is gathered

    asking.drain(1)
    assert parent(asking).wake_at > asking.clock()
    assert [row.state for row in asked(asking)].count("answered") == 1

    asking.drain()
    assert [row.state for row in asked(asking)] == ["answered", "answered"]
    assert parent(asking).state == CaseState.INBOX
    writer = next(r for r in asking.model.asked if "The writer says" in r.instructions)
    assert writer.domain == "support"


def test_a_question_that_is_not_answered_in_time_is_gone_on_without_and_a_late_answer_is_kept(asking):
    until_parked(asking)
    late = asking.hints.waiting.pop()

    asking.clock.on(hours=1)
    asking.hints.waiting = [("case", parent(asking).id)]
    asking.drain()

    assert parent(asking).state == CaseState.INBOX
    assert "did not answer in time" in last_results(asking)[0].content["problem"]
    assert asked(asking)[0].state == "timed_out"

    asking.hints.waiting = [late]
    asking.drain()

    (row,) = asked(asking)
    assert (row.state, row.answer["answer"]["confidence"]) == ("late", 0.8)
    assert parent(asking).state == CaseState.INBOX


def test_who_cannot_answer_says_so_at_once_and_no_person_is_troubled(asking):
    plain = asking.model.turn

    def turn(request):
        if request.domain == "transactions":
            raise Permanent("The model declined to answer.")
        return plain(request)

    asking.model.turn = turn
    asking.event()
    asking.drain()

    assert (child(asking).state, child(asking).outcome, child(asking).attention) == (
        CaseState.CLOSED,
        "unanswered",
        None,
    )
    assert "The model declined" in last_results(asking)[0].content["problem"]
    assert parent(asking).state == CaseState.INBOX


def test_asking_in_circles_is_refused(asking):
    """Support asks transactions, which would ask support back: that would never end."""
    asking.model.asks = {"transactions": [[ask("support", subject=None)]]}
    asking.event()
    asking.drain()

    assert parent(asking).state == CaseState.INBOX
    assert asked(asking, child(asking).id) == []
    assert asked(asking)[0].state == "answered"


def test_questions_go_so_deep_and_no_deeper(asking):
    asking.system.agents["transactions"] = replace(AGENT, domain="transactions", consults=("content",))
    asking.system.agents["content"] = replace(AGENT, domain="content", consults=("supply",))
    asking.system.agents["supply"] = replace(AGENT, domain="supply")
    asking.model.asks = {"transactions": [[ask("content")]], "content": [[ask("supply")]]}
    asking.event()
    asking.drain()

    below = asked(asking, child(asking).id)
    assert [row.path for row in below] == ["support > transactions > content"]
    assert asked(asking, below[0].child_id) == []
    assert parent(asking).state == CaseState.INBOX


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        ([ask(question=f"Number {n}?", name=f"ask_{n}") for n in range(5)], "At most 4 questions"),
        ([ask(subject="house:charge:ch_9")], "must be the ref of one of the company's own records"),
        ([ask("accounting")], "These arguments cannot be used"),
    ],
)
def test_a_question_that_may_not_be_asked_is_told_back(asking, turn, said):
    asking.model.turns = [turn]
    asking.event()
    asking.drain()

    assert said in last_results(asking)[-1].content["problem"]
    assert len(asked(asking)) == len(turn) - 1
    assert parent(asking).state == CaseState.INBOX


def test_a_case_that_is_closed_by_hand_withdraws_its_questions(asking):
    until_parked(asking)
    case_service.decide_case(asking.system, asking.person(), parent(asking).id, "close", "Not needed")
    asked_before = len(asking.model.asked)
    asking.drain()

    assert (child(asking).state, child(asking).outcome) == (CaseState.CLOSED, "cancelled")
    assert asked(asking)[0].state == "cancelled"
    assert len(asking.model.asked) == asked_before


def test_a_new_message_begins_again_without_the_old_questions(asking):
    until_parked(asking)
    asking.event("d2", text="One more thing")
    asking.hints.waiting.reverse()
    asking.drain()

    assert [(row.round, row.state) for row in asked(asking)] == [(1, "cancelled"), (2, "answered")]
    assert parent(asking).state == CaseState.INBOX


def test_what_was_answered_is_not_asked_again_when_the_asking_case_breaks_off(asking):
    plain, broken = asking.model.turn, []

    def turn(request):
        if request.domain == "support" and request.turns and not broken:
            broken.append(1)
            raise Temporary("The model is away.")
        return plain(request)

    asking.model.turn = turn
    asking.event()
    asking.drain()
    assert parent(asking).state == CaseState.WAITING

    asking.clock.on(hours=1)
    asking.sweep()

    assert parent(asking).state == CaseState.INBOX
    assert len(asked(asking)) == 1
    assert [r.domain for r in asking.model.asked].count("transactions") == 3  # triage, plan, answer


def test_of_two_answers_at_once_exactly_one_wakes_the_case(asking):
    """Each must see the other: else both would think that one is still missing, and the case waits for its deadline."""
    asking.model.turns = [
        [ask("support/writer", "How to say it?", "a", None), ask("support/analyst", "What counts?", "b", None)]
    ]
    until_parked(asking)
    asking.hints.waiting.clear()
    asking.model.uses_tools = False
    meet = threading.Barrier(2, timeout=60)
    asking.model.during = meet.wait
    workers = [threading.Thread(target=pipeline.advance, args=(asking.system, row.child_id)) for row in asked(asking)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(90)

    assert [row.state for row in asked(asking)] == ["answered", "answered"]
    assert asking.hints.waiting == [("case", parent(asking).id)]
    assert parent(asking).wake_at <= asking.clock()


@pytest.mark.parametrize("said", ["did not answer in time", "could not answer"])
def test_what_was_asked_twice_at_once_is_asked_once_also_where_no_answer_came(asking, said):
    asking.model.turns = [[ask(name="ask_1"), ask(name="ask_2")]]
    until_parked(asking)
    if said == "could not answer":
        asking.model.faults = [Permanent("No.")]
        asking.drain()
    else:
        asking.clock.on(seconds=200)
        asking.hints.waiting.clear()
        pipeline.advance(asking.system, parent(asking).id)

    assert parent(asking).state == CaseState.INBOX
    assert len(asked(asking)) == 1
    assert [said in result.content["problem"] for result in last_results(asking)] == [True, True]
