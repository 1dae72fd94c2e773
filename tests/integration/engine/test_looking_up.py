"""A draft with look-ups: planned, made, written down as they come, and never made twice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from integrations.errors import Temporary
from integrations.models.base import Interrupted, InvalidOutput, Unanswered
from integrations.models.failures import Fruitless, Unserved
from tests.kit.engine import call, refund
from tests.kit.looking import LOOKUPS, looking, lookup
from workers.store import audit, proof, steps
from workers.store.records import ActionState, CaseState


def names(engine):
    with engine.system.db.read() as tx:
        return [step.name for step in steps.of_case(tx, engine.case().id)]


def facts(engine):
    with engine.system.db.read() as tx:
        return steps.facts_of(tx, engine.case().id, up_to_round=9)


def again(engine):
    """Due once more, as after a crash or a pause."""
    engine.clock.on(hours=3)
    engine.sweep()


def test_what_was_looked_up_is_on_record_and_becomes_facts(engine):
    looking(engine, [call("find_charge", charge_id="ch_1b")], [call("find_charge", id="call_2", charge_id="ch_1")])
    engine.event()
    engine.drain()

    assert names(engine) == ["triage", "gather", "plan", "turn-1", "turn-1.1", "turn-2", "turn-2.1", "draft"]
    # `ch_1` was gathered already: a fact that says the same is one fact.
    assert [(f.name, f.ref, f.trusted) for f in facts(engine)][-1] == ("find_charge", "house:charge:ch_1b", True)
    assert len(facts(engine)) == 4
    assert engine.model.tasks() == ["triage", "plan", "draft", "draft+1", "draft+2"]
    with engine.system.db.read() as tx:
        assert [u.step for u in steps.usage_of(tx, engine.case().id)] == ["triage", "plan", "turn-1", "turn-2", "draft"]
    with engine.system.db.read() as tx:
        assert proof.verify(tx) == []


def test_an_action_may_rest_on_what_was_looked_up(engine):
    looking(engine, [call("find_charge", charge_id="ch_1b")])
    found = refund(charge="ch_1b") | {"citations": ["house:charge:ch_1b", "house:charge:ch_9"]}
    engine.model.drafts = [[found]]
    engine.event()
    engine.drain()

    action = engine.action("refund_payment")
    assert action.citations == ["house:charge:ch_1b"]
    assert action.origins["charge_id"] == "record"
    assert action.state == ActionState.PENDING
    with engine.system.db.read() as tx:
        (drafted,) = [e for e in audit.of_chain(tx, engine.case().id) if e.verb == "draft"]
    assert "house:charge:ch_9" in drafted.data["remarks"][0]


@pytest.mark.parametrize("asked", [0, 1, 2, 3])
def test_what_a_model_answered_is_not_asked_again_wherever_it_broke_off(engine, asked):
    """The model is away at the nth call of the draft; what came before is on record and stays the last word."""
    looking(engine, [call("find_charge", charge_id="ch_1b")], [call("find_charge", charge_id="ch_1c")])
    answering = engine.model.turn, engine.model.answer

    def away(request):
        number = 0 if request.task == "plan" else 1 + len(request.turns)
        if request.task != "triage" and number == asked:
            engine.model.turn, engine.model.answer = answering
            raise Temporary("The model is away.")
        return answering[request.task != "draft"](request)

    engine.model.turn = engine.model.answer = away
    engine.event()
    engine.drain()
    assert engine.case().state == CaseState.WAITING

    again(engine)

    assert engine.case().state == CaseState.INBOX
    assert engine.model.tasks() == ["triage", "plan", "draft", "draft+1", "draft+2"]
    assert engine.house.reads.count("charge ch_1b") == 1
    assert engine.house.reads.count("charge ch_1c") == 1


def test_of_look_ups_that_failed_for_now_only_those_are_made_again(engine):
    looking(
        engine,
        [
            call("find_charge", id="a", charge_id="ch_1b"),
            call("away", id="b"),
            call("find_charge", id="c", charge_id="ch_1c"),
        ],
    )
    tries = []

    def away(inquiry, wanted):
        tries.append(1)
        if len(tries) == 1:
            raise Temporary("It does not answer.")
        return []

    looking(engine, *engine.model.turns, lookups=(*LOOKUPS, lookup("away", away)))
    engine.event()
    engine.drain()
    assert (engine.case().state, engine.case().waiting_for) == (CaseState.WAITING, "It does not answer.")
    assert sorted(names(engine)[-2:]) == ["turn-1.1", "turn-1.3"]

    again(engine)

    assert engine.case().state == CaseState.INBOX
    assert (len(tries), engine.house.reads.count("charge ch_1b"), engine.house.reads.count("charge ch_1c")) == (2, 1, 1)
    assert [r.call_id for r in engine.model.asked[-1].turns[0].results] == ["a", "b", "c"]


def test_a_message_that_comes_in_ends_the_looking_up(engine):
    looking(engine, [call("find_charge", charge_id="ch_1b")])
    calls = []

    def during():
        calls.append(1)
        if len(calls) == 3:  # triage, plan, and now the first turn
            engine.event("d2", text="Never mind!")

    engine.model.during = during
    engine.event()
    engine.drain()

    assert engine.case().round == 2
    assert engine.model.tasks() == ["triage", "plan", "draft", "triage", "plan", "draft", "draft+1"]
    assert engine.house.reads.count("charge ch_1b") == 1


def test_a_call_that_gave_nothing_is_on_the_bill(engine):
    looking(engine)
    broken = InvalidOutput("It is no plan.", usage=engine.model.usage)
    plain = engine.model.answer

    def answer(request):
        if request.task == "plan":
            raise broken
        return plain(request)

    engine.model.answer = answer
    engine.event()
    engine.drain()

    assert engine.case().attention == "It is no plan."
    assert isinstance(broken, Unanswered)
    with engine.system.db.read() as tx:
        assert [u.step for u in steps.usage_of(tx, engine.case().id)] == ["triage", "draft"]


def test_a_plan_that_was_paid_for_in_vain_is_on_the_bill_beside_a_draft_that_was(engine):
    """Nobody who plans can be had, and then nobody who drafts either."""
    looking(engine)
    used = engine.model.usage

    def answer(request):
        if request.task == "plan":
            raise Unserved("Nobody plans.", earlier=(used,))
        if request.task == "draft":
            raise Fruitless("Nobody drafts.", earlier=(used, used))
        return plain(request)

    plain, engine.model.answer = engine.model.answer, answer
    engine.event()
    engine.drain()

    assert engine.case().attention == "Nobody drafts."
    with engine.system.db.read() as tx:
        assert sorted(u.step for u in steps.usage_of(tx, engine.case().id)) == ["draft", "draft", "draft", "triage"]


def test_what_failed_tries_cost_counts_against_the_limit_of_the_draft(engine):
    """One dollar holds for all workers that had the draft, whether a call gave something or broke off."""
    looking(engine, [call("find_charge", charge_id="ch_1b")], [call("find_charge", charge_id="ch_1c")])
    broken = Interrupted("It broke off.", usage=replace(engine.model.usage, cost_usd=Decimal("0.60")))
    plain, fails = engine.model.turn, [broken, broken]

    def turn(request):
        if request.turns and fails:
            raise fails.pop()
        return plain(request)

    engine.model.turn = turn
    engine.event()
    engine.drain()
    again(engine)
    assert engine.case().waiting_for == "It broke off."
    again(engine)

    assert engine.case().state == CaseState.INBOX
    assert names(engine) == ["triage", "gather", "plan", "turn-1", "turn-1.1", "draft"]
    told = {material.name: material.data for material in engine.model.asked[-1].material}["limits"]
    assert told["because"] == "The limit of 1 USD was reached."


def test_a_model_without_tools_is_asked_once(engine):
    looking(engine, [call("find_charge", charge_id="ch_1b")])
    engine.model.uses_tools = False
    engine.event()
    engine.drain()

    assert engine.model.tasks() == ["triage", "draft"]
    assert engine.model.asked[-1].tools == ()
    assert names(engine) == ["triage", "gather", "draft"]


def test_changes_that_were_asked_for_rest_on_what_was_looked_up_before(engine):
    """A round that begins with the draft keeps the facts of the one before, look-ups among them."""
    looking(engine, [call("find_charge", charge_id="ch_1b")])
    engine.event()
    engine.drain()

    engine.decide(engine.action("refund_payment"), "request_changes", reason="Less, please")
    engine.drain()

    shown = {material.name: material for material in engine.model.asked[-1].material}
    assert shown["find_charge"].data[0]["ref"] == "house:charge:ch_1b"
    assert {fact.round for fact in facts(engine)} == {1}
    assert engine.case().state == CaseState.INBOX


def test_a_request_says_what_it_is_about(engine):
    looking(engine, [call("find_charge", charge_id="ch_1b")])
    engine.event()
    engine.drain()

    first, *_, last = engine.model.asked
    assert (first.about.case_id, first.about.source, first.about.tier) == (engine.case().id, "house", "")
    assert (last.about.case_id, last.about.language, last.about.tier) == (engine.case().id, "en", "standard")
