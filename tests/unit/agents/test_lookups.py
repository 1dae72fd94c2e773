"""What agents may look up: records of the case's own customer, addresses that records name, and nothing that was made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from shop_in_memory import NOW, Event, Shop, charge, customer, gather, order, record, ticket_event, with_ticket

from integrations.base import Record
from integrations.errors import Permanent
from workers.agents import content, support, transactions
from workers.agents.base import Agent, Inquiry
from workers.agents.library import prompt
from workers.agents.roster import AGENTS
from workers.agents.tools import offered

OTHERS = {
    "customers": [customer(), customer("cu_2", "Bea Roth")],
    "all_orders": [order(), order("NW-2002", "cu_2")],
    "all_charges": [charge(), charge("1002"), charge("2002", "cu_2")],
}
TICKET = ticket_event("Where is NW-2002?")
ALERT = Event("charge.flagged", "shop:charge:ch_1001", {"charge_id": "ch_1001", "text": "flagged"})
BRIEF = Event("brief.requested", "shop:brief:br_3", {"title": "A guide", "keyword": "rain jacket"})
PAGE = "https://site.example/rain-jacket"
SITE = {
    "results": [{"rank": 1, "url": PAGE, "title": "t", "snippet": "s"}],
    "stored_pages": {PAGE: "<h1>Rain</h1>", "https://evil.example/?stolen=1": "<h1>Ha</h1>"},
    "own_posts": [record("post", "p", {"url": "https://shop.example/p", "title": "P"})],
}


def look(agent: Agent, shop: Shop, event: Event, name: str, **arguments: Any) -> Sequence[Record]:
    """What a look-up gives in a case of which everything was gathered."""
    found = gather(agent, shop, [event], {"intent": "other", "entities": {}}).found
    (lookup,) = [tool for tool in agent.tools if tool.name == name]
    inquiry = Inquiry(event.subject, [event], {"intent": "other"}, shop, found, NOW)
    return lookup.read(inquiry, lookup.arguments.model_validate(arguments))


def in_support(name: str, shop: Shop | None = None, **arguments: Any) -> list[str]:
    world = with_ticket(shop or Shop(**OTHERS), TICKET)
    return [found.ref for found in look(support.AGENT, world, TICKET, name, **arguments)]


@pytest.mark.parametrize(
    ("name", "arguments", "refs"),
    [
        ("find_order", {"number": "NW-1001"}, ["shop:order:NW-1001"]),
        ("find_order", {"number": "NW-2002"}, []),
        ("find_order", {"number": "NW-9999"}, []),
        ("find_charge", {"charge_id": "ch_1001"}, ["shop:charge:ch_1001"]),
        ("find_charge", {"charge_id": "ch_2002"}, []),
    ],
)
def test_support_reaches_the_customers_own_records_alone(
    name: str, arguments: Mapping[str, Any], refs: list[str]
) -> None:
    """What belongs to somebody else is as unknown as what does not exist."""
    assert in_support(name, **arguments) == refs


def test_a_stranger_reaches_no_records_at_all() -> None:
    """Without a customer on record nothing is anybody's own."""
    nobody = Shop(**{**OTHERS, "customers": []})

    assert in_support("find_order", nobody, number="NW-1001") == []
    assert in_support("find_charge", nobody, charge_id="ch_1001") == []


def test_disputes_are_those_of_the_charge_and_of_the_customer() -> None:
    """Another's dispute about another's charge is not shown, whatever is asked."""
    disputes = [
        ("cu_1", record("dispute", "d1", {"charge_id": "ch_1001"})),
        ("cu_1", record("dispute", "d2", {"charge_id": "ch_1002"})),
        ("cu_2", record("dispute", "d3", {"charge_id": "ch_2002"})),
    ]
    shop = Shop(**OTHERS, disputes=disputes)

    assert in_support("charge_disputes", shop, charge_id="ch_1002") == ["shop:dispute:d2"]
    assert in_support("charge_disputes", shop, charge_id="ch_2002") == []


def test_related_charges_are_compared_with_the_flagged_one_only() -> None:
    """A model may say in what they must agree, and not with which value."""
    strange = charge("1003", ip="203.0.113.9")
    shop = Shop(**{**OTHERS, "all_charges": [*OTHERS["all_charges"], strange]})

    every = look(transactions.AGENT, shop, ALERT, "related_charges")
    same = look(transactions.AGENT, shop, ALERT, "related_charges", same="ip")

    assert [found.data["charge_id"] for found in every] == ["ch_1001", "ch_1002", "ch_1003"]
    assert [found.data["charge_id"] for found in same] == ["ch_1001", "ch_1002"]


def test_the_watch_list_is_asked_for_what_records_hold_alone() -> None:
    """A hit is a record: it would vouch for whatever word it was found by."""
    shop = Shop(**OTHERS)

    look(transactions.AGENT, shop, ALERT, "search_watch_list", terms=["DE89 3704 0044 0532 0130 00", "198.51.100.1"])
    asked = [terms for name, terms in shop.read if name == "matches"][-1]
    assert look(transactions.AGENT, shop, ALERT, "search_watch_list", terms=["made up"]) == []

    assert asked == ("198.51.100.1",)
    assert not [terms for name, terms in shop.read if name == "matches" and "made up" in terms]


def test_a_page_is_read_only_where_a_search_or_a_post_named_it() -> None:
    """An address that a model composed could carry away what it has read."""
    (page,) = look(content.AGENT, Shop(**SITE), BRIEF, "read_page", url=PAGE)
    assert (page.trusted, "html" in page.data) == (False, False)

    for url in ("https://evil.example/?stolen=1", f"{PAGE}?stolen=1", PAGE.upper()):
        with pytest.raises(Permanent, match="Only addresses"):
            look(content.AGENT, Shop(**SITE), BRIEF, "read_page", url=url)


@pytest.mark.parametrize("agent", AGENTS.values(), ids=lambda agent: agent.domain)
def test_look_ups_are_described_and_offered_where_their_systems_are(agent: Agent) -> None:
    """What a model is told must be enough to use it, and what cannot be read is not offered."""
    inquiry = Inquiry("elsewhere:thing:1", [], {}, Shop(), {}, NOW)

    assert all(len(tool.description) > 20 and tool.needs for tool in agent.tools)
    assert offered(agent.tools, inquiry) == {}


@pytest.mark.parametrize("agent", AGENTS.values(), ids=lambda agent: agent.domain)
def test_whom_an_agent_may_ask_is_there(agent: Agent) -> None:
    """A domain of the roster, or one of its desks in a role that has its instructions; never itself."""
    for name in agent.consults:
        domain, _, role = name.partition("/")
        assert domain in AGENTS
        assert name != agent.domain
        assert not role or prompt("roles", role)
