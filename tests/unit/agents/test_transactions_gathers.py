"""What the transactions agent looks up about a flagged charge."""

from __future__ import annotations

from typing import Any

import pytest
from shop_in_memory import NOW, Event, Shop, charge, customer, gather, order, record, watch_hit

from integrations.errors import Permanent, Temporary
from workers.agents.transactions import AGENT

EVENT = Event(
    "charge.flagged",
    "shop:charge:ch_1001",
    {
        "title": "Charge ch_1001 flagged",
        "text": "Three cards",
        "charge_id": "ch_1001",
        "customer_email": "ana@example.com",
    },
    NOW,
)


def look_up(shop: Shop, event: Event = EVENT) -> Any:
    return gather(AGENT, shop, [event], {"typology": "stolen_card"})


def test_everything_about_a_charge_and_its_customer_is_read() -> None:
    """Charge, customer, history, disputes and lists end in one scored piece of evidence."""
    shop = Shop(
        all_orders=[order(), order("NW-2002", "cu_2")],
        all_charges=[charge(), charge("900"), charge("2002", "cu_2")],
        disputes=[("cu_1", record("dispute", "dp_1", {"status": "lost", "reason": "fraudulent"}))],
        hits=[watch_hit("name", 0.9)],
    )

    found = look_up(shop)

    assert found.missing == []
    assert found.refs("charges") == ["shop:charge:ch_1001", "shop:charge:ch_900"]
    assert found.refs("orders") == ["shop:order:NW-1001"]
    assert found.refs("signals") == ["computed:signals:ch_1001"]
    assert found.found["signals"][0].trusted is True
    assert {"disputes", "watch_list_candidate"} <= {signal["name"] for signal in found.data("signals")["signals"]}


def test_lists_are_asked_for_what_the_records_say_not_for_what_the_event_says() -> None:
    """Card, connection, device, address, e-mail and name of the record are the terms."""
    shop = Shop()
    forged = Event(EVENT.type, EVENT.subject, {**EVENT.data, "customer_email": "somebody@else.example"})

    look_up(shop, forged)

    terms = dict(shop.read)["matches"]
    assert set(terms) == {
        "fp_own",
        "198.51.100.1",
        "dev_own",
        "Hauptstr. 1, 34117 Kassel",
        "ana@example.com",
        "Ana Diaz",
    }


def test_a_charge_that_is_not_on_record_leaves_nothing_to_score() -> None:
    """Charge and signals are told as missing, and nobody's history is read."""
    shop = Shop(all_charges=[])

    found = look_up(shop)

    assert found.missing == ["charge", "signals"]
    assert [name for name, _ in shop.read] == ["charge"]


@pytest.mark.parametrize(
    ("shop", "first"),
    [
        (Shop(), True),
        (Shop(down={"charges_of": Permanent("refused")}), False),
        (Shop(all_charges=[charge(str(n), created_at=NOW.isoformat()) for n in range(1030, 1000, -1)]), False),
    ],
    ids=["the only one", "refused", "more than are read"],
)
def test_a_first_order_is_one_before_which_nothing_can_have_been(shop: Shop, first: bool) -> None:
    """It is put on file by itself and can tip what is held by itself."""
    fired = {signal["name"] for signal in look_up(shop).data("signals")["signals"]}

    assert ("first_order" in fired) is first


def test_a_charge_of_nobody_known_is_scored_alone() -> None:
    """Without a customer on record the charge itself is still assessed."""
    found = look_up(Shop(customers=[customer("cu_9", "Bea Roth")]))

    assert found.refs("customer") == []
    assert found.refs("signals") == ["computed:signals:ch_1001"]


def test_a_list_that_is_down_is_waited_for() -> None:
    """A score without the watch list would be too low: Temporary is raised on."""
    with pytest.raises(Temporary):
        look_up(Shop(down={"matches": Temporary("the list is down")}))
