"""What an agent puts before a model: the events, the facts by name, the house, a reviewer's request, what went before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from shop_in_memory import Event, Fact, Shop, gather, ticket_event, with_ticket

from integrations.models.base import Material, ModelRequest
from workers.agents.base import Agent, computed
from workers.agents.roster import AGENTS, _by_domain
from workers.agents.support import AGENT

FIRST = ticket_event("My pack is torn.")
SECOND = Event("ticket.commented", FIRST.subject, {**FIRST.data, "text": "Order NW-1001, please refund."})
TRIAGE = {"intent": "refund_request", "entities": {"order_numbers": ["NW-1001"]}}


def draft_request(**changes: Any) -> ModelRequest[Any]:
    facts = gather(AGENT, with_ticket(Shop(), FIRST), [FIRST, SECOND], TRIAGE).facts
    asked = {"facts": facts, "instruction": None, "earlier": [], **changes}
    return AGENT.ask_draft([FIRST, SECOND], TRIAGE, asked["facts"], asked["instruction"], asked["earlier"])


def material(request: ModelRequest[Any], name: str) -> Material:
    return next(piece for piece in request.material if piece.name == name)


def test_a_triage_is_asked_on_the_newest_event_with_its_thread() -> None:
    """The newest message is the event, what came before is its thread, and all of it is untrusted."""
    request = AGENT.ask_triage([FIRST, SECOND])

    (event,) = request.material
    assert (event.name, event.trusted) == ("event", False)
    assert event.data["text"] == "Order NW-1001, please refund."
    assert event.data["thread"] == [{"type": "ticket.created", "text": "My pack is torn."}]
    assert request.output is AGENT.triage


def test_facts_come_by_name_single_ones_with_their_ref_and_groups_with_each_ones() -> None:
    """What a model cites are refs, so each fact brings its own."""
    request = draft_request()

    assert material(request, "charge").ref == "shop:charge:ch_1001"
    assert [item["ref"] for item in material(request, "orders").data] == ["shop:order:NW-1001"]
    assert material(request, "disputes").data == []


def test_trust_is_told_piece_by_piece() -> None:
    """The company's records and the house are trusted; messages, triage and what was made of them are not."""
    trusted = {piece.name: piece.trusted for piece in draft_request().material}

    assert [trusted[name] for name in ("customer", "order", "charge", "eligibility", "house")] == [True] * 5
    assert [trusted[name] for name in ("event", "triage", "ticket", "request")] == [False] * 4


def test_one_untrusted_fact_makes_its_group_untrusted() -> None:
    """A list is as trustworthy as its worst entry."""
    facts = [
        Fact("articles", "shop:article:a", "article", True, {}),
        Fact("articles", "shop:article:b", "article", False, {}),
    ]

    assert material(draft_request(facts=facts), "articles").trusted is False


def test_what_was_not_found_is_not_there() -> None:
    """A single fact that is missing has no name that a macro could trip over."""
    names = [piece.name for piece in draft_request(facts=[]).material]

    assert "charge" not in names
    assert names == ["event", "triage", "orders", "charges", "disputes", "earlier_tickets", "articles", "house"]


def test_a_reviewers_request_and_the_history_are_put_before_the_model() -> None:
    """Both are the company's own words and therefore trusted."""
    history = [{"kind": "refund_payment", "state": "done", "sentence": "Refund", "reason": None}]

    request = draft_request(instruction="Please say sorry.", earlier=history)

    assert material(request, "reviewer") == Material("reviewer", "reviewer", True, {"instruction": "Please say sorry."})
    assert material(request, "history") == Material("history", "history", False, history)


def test_an_agent_with_a_kind_that_does_not_exist_is_refused() -> None:
    """A spelling mistake stops the start."""
    with pytest.raises(ValueError, match="proposes kinds that the catalogue lacks: refund_paymnt"):
        replace(AGENT, kinds=("refund_paymnt",))


def test_two_agents_for_one_domain_are_refused() -> None:
    """Which of them worked would depend on the order of a list."""
    assert list(AGENTS) == ["support", "transactions", "content"]
    with pytest.raises(ValueError, match="two agents work in the domain 'support'"):
        _by_domain(AGENT, AGENT)


@pytest.mark.parametrize("agent", AGENTS.values(), ids=lambda a: a.domain)
def test_the_primary_field_is_one_that_triage_fills(agent: Agent) -> None:
    """Its confidence decides whether the agent understood."""
    assert agent.primary in agent.triage.model_fields


def test_computed_evidence_has_a_ref_that_no_system_has() -> None:
    """It can be cited and never be a target of an action."""
    made = computed("signals", "ch_1", "Score 3", {"score": 3}, trusted=True, kind="signals")

    assert (made.ref, made.version) == ("computed:signals:ch_1", "")
