"""What the support agent looks up, and that a customer's words never reach anybody else's records."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop_in_memory import Gathered, Shop, charge, customer, gather, order, record, ticket_event, with_ticket

from integrations.errors import Permanent, Temporary
from workers.agents.support import AGENT

OTHERS_ORDER = order("NW-2002", "cu_2", total_minor=38900)
OTHERS_CHARGE = charge("2002", "cu_2", amount_minor=38900)
TWO_CUSTOMERS = [customer(), customer("cu_2", "Viola Rossi")]


def look_up(shop: Shop, text: str, *, intent: str = "refund_request", **entities: Any) -> Gathered:
    event = ticket_event(text)
    return gather(AGENT, with_ticket(shop, event), [event], {"intent": intent, "entities": entities})


def everything(found: Gathered) -> str:
    return repr([(item.ref, item.data) for items in found.found.values() for item in items])


def test_a_known_customer_with_a_named_order_is_looked_up_whole() -> None:
    """Ticket, customer, order, charge, eligibility and request are found, and nothing needed is missing."""
    found = look_up(Shop(), "Please refund NW-1001", order_numbers=["NW-1001"])

    assert found.missing == []
    assert found.refs("order") == ["shop:order:NW-1001"]
    assert found.refs("charge") == ["shop:charge:ch_1001"]
    assert found.data("eligibility")["refundable_minor"] == 6490
    assert found.data("request")["suggested_minor"] == 6490
    assert found.data("request")["order_found_by"] == "named"


@pytest.mark.parametrize("named", ["NW-2002", "2002", "#2002", "nw-2002"])
def test_another_customers_order_never_surfaces(named: str) -> None:
    """An order that is somebody else's leaves no trace but the number that the customer wrote."""
    shop = Shop(customers=TWO_CUSTOMERS, all_orders=[order(), OTHERS_ORDER], all_charges=[charge(), OTHERS_CHARGE])

    found = look_up(shop, f"Refund {named} at once", order_numbers=[named])

    assert found.refs("orders") == ["shop:order:NW-1001"]
    assert "cu_2" not in everything(found)
    assert "38900" not in everything(found)
    assert found.data("request")["not_theirs"] == [named]
    assert found.data("request")["order_found_by"] != "named"


@given(numbers=st.lists(st.sampled_from(["NW-1001", "NW-2002", "NW-1002", "2002", "NW-9999", "", "#"]), max_size=6))
def test_whatever_is_named_only_own_records_are_read(numbers: list[str]) -> None:
    """For any list of named orders, every order and charge found belongs to the requester."""
    shop = Shop(
        customers=TWO_CUSTOMERS,
        all_orders=[order(), order("NW-1002"), OTHERS_ORDER],
        all_charges=[charge(), charge("1002"), OTHERS_CHARGE],
    )

    found = look_up(shop, " ".join(numbers), intent="duplicate_charge", order_numbers=numbers)

    owned = [item for name in ("orders", "order", "charge", "charges", "paid_twice") for item in found.found[name]]
    assert {item.data["customer_id"] for item in owned} == {"cu_1"}


def test_a_second_message_need_not_repeat_the_number() -> None:
    """Order and amount of an earlier message of the case still count; a newer amount replaces an older one."""
    first, second = ticket_event("Order NW-1002, please refund 20 EUR"), ticket_event("When will that be?")
    third = ticket_event("Make it 10 EUR")
    shop = with_ticket(Shop(all_orders=[order(), order("NW-1002")], all_charges=[charge("1002")]), first)

    two = gather(AGENT, shop, [first, second], {"intent": "refund_request"})
    three = gather(AGENT, shop, [first, second, third], {"intent": "refund_request"})

    assert two.refs("order") == ["shop:order:NW-1002"]
    assert [found.data("request")["asked_minor"] for found in (two, three)] == [2000, 1000]


def test_a_charge_of_somebody_else_on_an_own_order_is_left_out() -> None:
    """A shop that names a wrong charge on an order does not lead to a stranger's money."""
    shop = Shop(all_orders=[order(charge_id="ch_2002")], all_charges=[OTHERS_CHARGE])

    found = look_up(shop, "Refund please")

    assert found.refs("charge") == []
    assert found.refs("eligibility") == []


def test_named_orders_come_first_even_when_they_are_old() -> None:
    """An order beyond the latest five is found by its number and is the one in question."""
    recent = [order(f"NW-10{n}0") for n in range(1, 7)]
    shop = Shop(all_orders=[*recent, order("NW-1001", delivered=200)])

    found = look_up(shop, "NW-1001 is broken", order_numbers=["NW-1001"])

    assert found.refs("orders")[0] == "shop:order:NW-1001"
    assert len(found.refs("orders")) == 5
    assert found.refs("order") == ["shop:order:NW-1001"]


def test_an_unknown_requester_gets_no_records() -> None:
    """Without a customer there are no orders, and `customer` is told as missing."""
    found = look_up(Shop(customers=[]), "Refund NW-1001", order_numbers=["NW-1001"])

    assert found.missing == ["customer"]
    assert [found.refs(name) for name in ("orders", "order", "charge", "charges", "eligibility")] == [
        [],
        [],
        [],
        [],
        [],
    ]


def test_a_ticket_that_is_gone_is_missing_context() -> None:
    """A Permanent answer means missing; what the event says about the requester still serves."""
    found = look_up(Shop(down={"ticket": Permanent("no such ticket")}), "Refund please")

    assert found.missing == ["ticket"]
    assert found.refs("customer") == ["shop:customer:cu_1"]


def test_a_system_that_is_down_is_not_missing_context() -> None:
    """A Temporary error stops the gathering: the case waits instead of being judged on half of the facts."""
    with pytest.raises(Temporary):
        look_up(Shop(down={"orders_of": Temporary("the shop is down")}), "Refund please")


def test_a_system_without_readers_gives_nothing_and_says_so() -> None:
    """Tickets of a source that has no readers are worked with what the event says."""
    event = ticket_event("Refund please")
    elsewhere = type(event)(event.type, "github:ticket:7", event.data)

    found = gather(AGENT, Shop(), [elsewhere], {"intent": "refund_request"})

    assert found.missing == ["ticket", "customer"]


def test_payments_are_listed_only_where_money_is_the_question() -> None:
    """A question about a product does not read the customer's payments."""
    shop = Shop()

    look_up(shop, "Is it waterproof?", intent="product_question")

    assert "charges_of" not in [name for name, _ in shop.read]


def test_earlier_tickets_are_excerpts_without_the_present_one() -> None:
    """Of earlier tickets the beginning and the end are kept; the present ticket is not its own history."""
    messages = [{"author": "customer", "body": "x" * 5000, "at": "2026-01-01T00:00:00Z"}] * 4
    data = {
        "ticket_id": "3",
        "title": "Old",
        "status": "solved",
        "created_at": "",
        "requester_email": "ana@example.com",
        "messages": messages,
    }
    shop = Shop(tickets=[record("ticket", "3", data, trusted=False)])

    found = look_up(shop, "Hello again")

    assert found.refs("earlier_tickets") == ["shop:ticket:3"]
    assert sum(len(m["body"]) for m in found.data("earlier_tickets")["messages"]) == 1200


def test_what_the_customer_says_stays_untrusted_and_what_records_say_is_trusted() -> None:
    """Computed evidence is trusted only where nothing in it came from the customer."""
    found = look_up(Shop(), "Refund 20 EUR", amounts=[{"amount_minor": 2000, "currency": "EUR"}])

    assert found.found["eligibility"][0].trusted is True
    assert found.found["request"][0].trusted is False
    assert 2000 not in found.data("eligibility").values()
    assert found.data("request")["suggested_minor"] == 2000
