"""What people do becomes state and one event, in the words that the webhook source reads; the shop's rules flag and no more."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.base import Delivery, EventType, InboundEvent
from integrations.sample_company import cast, rules
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.outbox import Outbox
from integrations.sample_company.shopfront import Scenario, Shopfront
from integrations.sample_company.times import stamp
from integrations.sample_company.webhook import SampleWebhook


def events(company: SampleCompany) -> list[InboundEvent]:
    """What waits in the outbox, oldest first, as Caseworker's own webhook source reads it."""
    return [
        read
        for event in reversed(Outbox(company.database).events())
        for read in SampleWebhook(()).parse(
            Delivery(
                "sample",
                ((b"webhook-id", event["event_id"].encode()),),
                json.dumps(event["body"]).encode(),
                datetime(2026, 11, 20, tzinfo=UTC),
            )
        )
    ]


def test_a_ticket_is_written_and_reported(company: SampleCompany, shop: Shopfront) -> None:
    ticket_id = shop.write_ticket(cast.ANA.email, "Refund, please", "Hello\n\nAna")

    (event,) = events(company)
    assert (event.type, event.subject) == (EventType.TICKET_CREATED, f"sample:ticket:{ticket_id}")
    assert event.occurred_at == datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    assert event.data == {
        "ticket_id": ticket_id,
        "requester_email": cast.ANA.email,
        "requester_name": "Ana Diaz",
        "channel": "email",
        "title": "Refund, please",
        "text": "Hello\n\nAna",
    }
    record = company.ticket(ticket_id)
    assert record.data["messages"] == [
        {"author": "customer", "body": "Hello\n\nAna", "at": "2026-11-20T10:00:00Z", "public": True}
    ]


def test_a_stranger_can_write_too(company: SampleCompany, shop: Shopfront) -> None:
    ticket_id = shop.write_ticket("stranger@example.net", "Hi", "Do you ship to Norway?")

    assert company.ticket(ticket_id).data["requester_name"] == "stranger"
    assert company.customer("stranger@example.net") is None


def test_a_comment_opens_a_solved_ticket_and_is_reported(company: SampleCompany, shop: Shopfront, writers) -> None:
    ticket_id = shop.write_ticket(cast.ANA.email, "Refund", "Please")
    writers.set_status(ticket_id, "solved", key="k", if_version="")

    shop.comment(ticket_id, "One more thing")

    assert company.ticket(ticket_id).data["status"] == "open"
    event = events(company)[-1]
    assert (event.type, event.subject) == (EventType.TICKET_COMMENTED, f"sample:ticket:{ticket_id}")
    assert (event.data["title"], event.data["text"]) == ("Refund", "One more thing")


def test_an_ordinary_payment_is_an_order_and_no_event(company: SampleCompany, shop: Shopfront) -> None:
    charge_id = shop.pay(cast.ANA.email, 4990)

    charge = company.charge(charge_id)
    order = company.order(charge.data["order_number"])
    assert (charge.data["amount_minor"], charge.data["currency"], charge.data["status"]) == (4990, "EUR", "succeeded")
    assert (order.data["charge_id"], order.data["total_minor"], order.data["status"]) == (charge_id, 4990, "placed")
    assert company.charges_of(cast.ANA.customer_id)[0].ref == charge.ref
    assert events(company) == []


@pytest.mark.parametrize(
    ("scenario", "amount", "expected"),
    [
        (Scenario.NORMAL, 49_999, None),
        (Scenario.NORMAL, 50_000, ["high_amount"]),
        (Scenario.TRAVELLER, 4990, ["country_mismatch"]),
        (Scenario.STOLEN, 4990, ["velocity", "country_mismatch", "watch_list", "new_device"]),
        (Scenario.STOLEN, 89_900, ["velocity", "country_mismatch", "watch_list", "high_amount", "new_device"]),
        (Scenario.TWICE, 4990, None),
    ],
)
def test_odd_payments_are_flagged_with_their_rules(
    scenario: Scenario, amount: int, expected: list[str] | None, company: SampleCompany, shop: Shopfront
) -> None:
    charge_id = shop.pay(cast.ANA.customer_id, amount, scenario)

    found = events(company)
    assert [event.data["rules"] for event in found] == ([expected] if expected else [])
    if expected:
        (event,) = found
        assert (event.type, event.subject) == (EventType.CHARGE_FLAGGED, f"sample:charge:{charge_id}")
        assert event.data["customer_email"] == cast.ANA.email
        assert (event.data["amount_minor"], event.data["currency"]) == (amount, "EUR")
    assert company.charge(charge_id).data["status"] == "succeeded", "the shop flags and never stops"


def test_being_charged_twice_is_one_order_and_two_payments(company: SampleCompany, shop: Shopfront) -> None:
    charge_id = shop.pay(cast.ANA.email, 6490, Scenario.TWICE)

    first, second = company.charges_of(cast.ANA.customer_id, limit=2)
    assert {first.data["charge_id"], second.data["charge_id"]} == {charge_id, f"{charge_id}-2"}
    assert first.data["order_number"] == second.data["order_number"]


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        (cast.STOLEN, ["velocity", "country_mismatch", "watch_list", "high_amount", "new_device"]),
        (cast.TRAVELLER, ["country_mismatch"]),
        (cast.ANA, []),
    ],
    ids=lambda value: getattr(value, "key", ""),
)
def test_earlier_payments_of_the_cast_can_be_flagged_on_demand(
    character: cast.Character, expected: list[str], company: SampleCompany, shop: Shopfront
) -> None:
    assert shop.flag(character.charge_id) == expected

    assert [event.subject for event in events(company)] == [f"sample:charge:{character.charge_id}"] * bool(expected)


AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
PLAIN = {
    "amount_minor": 5000,
    "created_at": stamp(AT),
    "ip_country": "ES",
    "card_country": "ES",
    "device_first_seen_at": stamp(AT - timedelta(days=40)),
}


def earlier(*minutes: float) -> list[dict[str, Any]]:
    return [{"created_at": stamp(AT - timedelta(minutes=ago))} for ago in minutes]


@pytest.mark.parametrize(
    ("change", "others", "expected"),
    [
        ({}, earlier(0), []),
        ({}, earlier(0, 4), []),
        ({}, earlier(0, 4, 10), ["velocity"]),
        ({}, earlier(0, 4, 10.1), []),
        ({}, earlier(0, -1, -2), []),
        ({"amount_minor": 499}, earlier(0, 1, 2, 3), []),
        ({"amount_minor": 500}, earlier(0, 1, 2, 3), ["velocity"]),
        ({"ip_country": "FR"}, earlier(0), ["country_mismatch"]),
        ({"amount_minor": 50_000}, earlier(0), ["high_amount"]),
        ({"device_first_seen_at": stamp(AT)}, earlier(0), []),
        ({"device_first_seen_at": stamp(AT), "ip_country": "FR"}, earlier(0), ["country_mismatch", "new_device"]),
        ({"device_first_seen_at": stamp(AT - timedelta(days=1)), "ip_country": "FR"}, earlier(0), ["country_mismatch"]),
    ],
)
def test_the_shops_rules(change: dict[str, Any], others: list[dict[str, Any]], expected: list[str]) -> None:
    assert rules.fired({**PLAIN, **change}, others, []) == expected


def test_only_an_exact_hit_on_the_watch_list_flags(company: SampleCompany) -> None:
    exact, near = company.matches([cast.STOLEN_FINGERPRINT])[:1], company.matches(["192.0.2.1"])

    assert rules.fired(PLAIN, earlier(0), exact) == ["watch_list"]
    assert rules.fired(PLAIN, earlier(0), near) == []


def test_a_brief_is_asked_for(company: SampleCompany, shop: Shopfront) -> None:
    request_id = shop.ask_brief(cast.EDITOR_EMAIL, "rain jackets", "Many returns.", audience="buyers")

    (event,) = events(company)
    assert (event.type, event.subject) == (EventType.BRIEF_REQUESTED, f"sample:brief:{request_id}")
    assert event.data == {
        "request_id": request_id,
        "keyword": "rain jackets",
        "audience": "buyers",
        "requester_email": cast.EDITOR_EMAIL,
        "title": "Brief wanted: rain jackets",
        "text": "Many returns.",
    }
    assert company.version(event.subject) == ""


def test_stock_is_reported_once_when_it_falls_to_its_level(company: SampleCompany, shop: Shopfront) -> None:
    item = company.stock_item("TNT-101").data
    shop.sell("TNT-101", item["on_hand"] - item["reorder_level"] - 1)
    assert events(company) == []

    shop.sell("TNT-101", 1)
    shop.sell("TNT-101", 1)

    (event,) = events(company)
    assert (event.type, event.subject) == (EventType.STOCK_SHORT, "sample:item:TNT-101")
    assert event.data["on_hand"] == event.data["reorder_level"] == item["reorder_level"]
    assert company.stock_item("TNT-101").data["on_hand"] == item["reorder_level"] - 1


def test_counting_reports_what_is_short_and_only_that(company: SampleCompany, shop: Shopfront) -> None:
    assert shop.count_stock("TNT-101") is False
    assert shop.count_stock(cast.SHORT_ITEM) is True

    assert [event.subject for event in events(company)] == [f"sample:item:{cast.SHORT_ITEM}"]


def test_what_came_back_is_seen(company: SampleCompany, shop: Shopfront, writers) -> None:
    ticket = shop.write_ticket(cast.ANA.email, "Refund", "Please")
    writers.reply(ticket, "Done", public=True, key="k1", if_version="")
    writers.refund(cast.ANA.charge_id, 6490, "EUR", "returned", key="k2", if_version="")
    writers.file_case(cast.STOLEN.charge_id, "Four payments", [{"name": "velocity", "score": 30}], key="k3")
    writers.route(cast.STOLEN.charge_id, "risk", "Look", key="k4")
    writers.send("nora@example.com", "Ready", "The brief", key="k5")
    writers.create_draft("layers", "Layers", "Body", {"keyword": "layers"}, key="k6")

    (conversation,) = shop.conversations()
    assert [reply["body"] for reply in conversation.replies] == ["Done"]
    assert [(step["kind"], step["amount_minor"]) for step in shop.charge_history(cast.ANA.charge_id)] == [
        ("refund", 6490)
    ]
    assert [charge["charge_id"] for charge in shop.charges()] == [cast.ANA.charge_id]
    (case,) = shop.risk_cases()
    assert (case["signals"], [r["team"] for r in case["routings"]]) == ([{"name": "velocity", "score": 30}], ["risk"])
    assert [mail["subject"] for mail in shop.mails()] == ["Ready"]
    assert [(draft["slug"], draft["meta"]) for draft in shop.drafts()] == [("layers", {"keyword": "layers"})]
