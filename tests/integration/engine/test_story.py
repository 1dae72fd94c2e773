"""The flow from event to effect, as `pipeline` tells it."""

from __future__ import annotations

from dataclasses import replace

from integrations.errors import Permanent
from tests.kit.engine import refund, reply, tags
from workers.agents.base import Draft
from workers.store import actions, audit, proof, steps
from workers.store.records import ActionState, CaseState


def test_a_draft_that_needs_a_person_waits_in_the_inbox_and_nothing_is_done(engine):
    engine.event()
    engine.drain()

    assert engine.case().state == CaseState.INBOX
    assert {a.kind: a.state for a in engine.actions()} == {
        "refund_payment": ActionState.PENDING,
        "reply_to_customer": ActionState.PENDING,
    }
    assert engine.house.effects == []


def test_what_was_approved_is_done_once_and_the_case_closes(engine):
    engine.event()
    engine.drain()

    engine.decide(engine.action("refund_payment"))
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()
    engine.sweep()

    assert engine.house.done("refund") == [4000]
    assert engine.house.done("reply") == ["Hello Ana, we are on it."]
    assert (engine.case().state, engine.case().outcome) == (CaseState.CLOSED, "done")


def test_a_reply_that_rests_on_a_refund_waits_for_it(engine):
    engine.event()
    engine.drain()

    engine.decide(engine.action("reply_to_customer"))
    engine.drain()
    engine.sweep()
    assert engine.house.effects == []

    engine.decide(engine.action("refund_payment"))
    engine.drain()
    assert [kind for kind, _, _ in engine.house.effects] == ["refund", "reply"]


def test_a_reply_is_withdrawn_when_the_refund_it_speaks_of_is_refused(engine):
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))

    engine.decide(engine.action("refund_payment"), "reject", reason="Outside the window")
    engine.drain()

    assert engine.action("reply_to_customer").state == ActionState.CANCELLED
    assert "rested on" in engine.action("reply_to_customer").reason
    assert engine.case().state == CaseState.INBOX
    assert "Withdrawn" in engine.case().attention
    assert engine.house.effects == []


def test_an_approved_reply_is_withdrawn_when_the_refund_it_speaks_of_fails(engine):
    engine.event()
    engine.drain()
    for kind in ("reply_to_customer", "refund_payment"):
        engine.decide(engine.action(kind))
    engine.house.before = [Permanent("The card was closed.")]

    engine.drain()

    assert engine.action("refund_payment").state == ActionState.FAILED
    assert engine.action("reply_to_customer").state == ActionState.CANCELLED
    assert engine.case().state == CaseState.INBOX
    assert engine.house.effects == []


def test_a_case_is_called_by_the_best_that_came_of_it(engine):
    engine.model.drafts = [[refund(), tags()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"), "reject", reason="Outside the window")
    engine.drain()

    assert {a.kind: a.state for a in engine.actions()} == {
        "refund_payment": ActionState.REJECTED,
        "add_tags": ActionState.DONE,
    }
    assert (engine.case().state, engine.case().outcome) == (CaseState.CLOSED, "done")


def test_what_the_policy_allows_runs_without_a_person_and_says_which_rule(engine):
    engine.model.drafts = [[refund(amount=1200)]]
    engine.event()
    engine.drain()

    action = engine.action("refund_payment")
    assert action.decided_by.startswith("policy:")
    assert engine.house.done("refund") == [1200]
    assert engine.case().state == CaseState.CLOSED


def test_what_the_policy_forbids_is_never_done_and_the_case_says_why(engine):
    engine.model.drafts = [[refund(charge="ch_2")]]
    engine.event()
    engine.drain()

    action = engine.action("refund_payment")
    assert action.state == ActionState.DENIED
    assert action.reason
    assert (engine.case().state, engine.case().outcome) == (CaseState.CLOSED, "denied")
    assert engine.house.effects == []


def test_an_agent_may_not_propose_kinds_beyond_its_declaration(engine):
    engine.system.agents["support"] = replace(engine.system.agents["support"], kinds=("reply_to_customer",))
    engine.model.answer = _lax(engine.model)
    engine.event()
    engine.drain()

    assert engine.actions() == []
    assert "may not" in engine.case().attention


def test_an_agent_that_proposes_nothing_asks_for_a_person(engine):
    engine.model.drafts = [[]]
    engine.event()
    engine.drain()

    assert engine.case().state == CaseState.INBOX
    assert engine.case().attention == "The agent proposed nothing."


def test_an_edit_is_judged_anew_and_done_as_edited(engine):
    engine.event()
    engine.drain()
    action = engine.action("refund_payment")

    engine.decide(action, arguments={**action.arguments, "amount_minor": 3000})
    engine.drain()

    edited = engine.action("refund_payment")
    assert edited.revision == 2
    assert engine.house.done("refund") == [3000]
    with engine.system.db.read() as tx:
        assert [r.author for r in actions.revisions_of(tx, edited.id)] == [
            "agent:support",
            "person:ana@firm.example",
        ]


def test_an_edit_beyond_the_editors_rights_waits_for_somebody_else(engine):
    engine.house.refundable = 100_000
    engine.event()
    engine.drain()
    action = engine.action("refund_payment")
    helper = engine.person("helper", groups=("support",))

    engine.decide(action, arguments={**action.arguments, "amount_minor": 50_000}, by=helper)
    engine.drain()
    edited = engine.action("refund_payment")
    assert (edited.state, edited.revision) == (ActionState.PENDING, 2)

    engine.decide(edited)
    engine.drain()
    assert engine.house.done("refund") == [50_000]


def test_a_reply_that_was_approved_for_another_amount_must_be_read_again(engine):
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    refunding = engine.action("refund_payment")

    engine.decide(refunding, arguments={**refunding.arguments, "amount_minor": 3000})
    engine.drain()

    answer = engine.action("reply_to_customer")
    assert engine.house.done("refund") == [3000]
    assert engine.house.done("reply") == []
    assert (answer.state, answer.revision) == (ActionState.PENDING, 2)
    assert "30.00 EUR" in answer.waiting_for


def test_requested_changes_go_back_to_the_agent_with_the_instruction(engine):
    engine.model.drafts = [[refund(), reply()], [reply("A shorter one.")]]
    engine.event()
    engine.drain()

    engine.decide(engine.action("reply_to_customer"), "request_changes", reason="Shorter, please")
    engine.drain()

    material = {m.name: m.data for m in engine.model.asked[-1].material}
    assert material["reviewer"] == {"instruction": "Shorter, please"}
    states = {(a.round, a.kind): a.state for a in engine.actions()}
    assert states[1, "refund_payment"] == ActionState.SUPERSEDED
    assert states[2, "reply_to_customer"] == ActionState.PENDING
    assert engine.case().instruction is None


def test_taken_over_means_that_the_agent_stops(engine):
    engine.event()
    engine.drain()

    engine.decide(engine.action("refund_payment"), "take_over")
    engine.drain()
    engine.event("d2", text="Hello?")
    engine.drain()
    engine.sweep()

    assert engine.case().state == CaseState.TAKEN_OVER
    assert engine.case().attention == "A new message came in."
    assert len(engine.model.asked) == 2
    assert {a.state for a in engine.actions()} == {ActionState.CANCELLED}


def test_every_step_is_on_record_with_its_cost_and_the_audit_chain_holds(engine):
    engine.event()
    engine.drain()
    engine.decide(engine.action("refund_payment"))
    engine.decide(engine.action("reply_to_customer"))
    engine.drain()

    with engine.system.db.read() as tx:
        case = engine.case()
        assert [s.name for s in steps.of_case(tx, case.id)] == ["triage", "gather", "draft"]
        assert [(u.step, u.input_tokens) for u in steps.usage_of(tx, case.id)] == [("triage", 10), ("draft", 10)]
        verbs = [e.verb for e in audit.of_chain(tx, case.id)]
        assert verbs[0] == "opened"
        assert verbs[-1] == "closed"
        assert verbs.count("executed") == 2
    with engine.system.db.read() as tx:
        assert proof.verify(tx) == []


def _lax(model):
    """A model interface that lets anything through, as a broken one might."""
    strict = type(model).answer

    def answer(request):
        return strict(model, replace(request, output=Draft) if request.task == "draft" else request)

    return answer
