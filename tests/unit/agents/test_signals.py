"""Signals on a charge: each alone, the sum, and the four stories that they have to tell apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop_in_memory import NOW, charge, customer, days_ago, order, record, watch_hit

from integrations.base import Record
from workers.agents import signals as s
from workers.agents.signals import Picture, assess


def at(minutes_ago: float) -> str:
    return (NOW - timedelta(minutes=minutes_ago)).isoformat()


def flagged(**data: Any) -> Record:
    return charge("5000", created_at=NOW.isoformat(), **data)


def before(number: int, days: float, **data: Any) -> Record:
    return charge(str(number), created_at=days_ago(days), **data)


HISTORY = [before(4000 + n, 20.0 + 50 * n) for n in range(8)]
PLAIN = Picture(flagged(), customer(), HISTORY, [order(f"NW-{4000 + n}") for n in range(8)], [], [])


def picture(**changes: Any) -> Picture:
    return replace(PLAIN, **changes)


def dispute(status: str = "lost", reason: str = "fraudulent") -> Record:
    return record("dispute", f"dp_{status}_{reason}", {"status": status, "reason": reason})


def burst(count: int, minutes: float, **data: Any) -> list[Record]:
    return [charge(str(4900 + n), created_at=at(minutes * (n + 1) / count), **data) for n in range(count)]


ROWS: list[tuple[str, s.Rule, dict[str, Any], int | None]] = [
    ("no hit", s.watch_list, {}, None),
    ("exact card", s.watch_list, {"hits": [watch_hit("fingerprint", 1.0)]}, 45),
    ("near network", s.watch_list, {"hits": [watch_hit("ip", 0.7)]}, None),
    ("exact name is a candidate only", s.watch_list, {"hits": [watch_hit("name", 1.0)]}, None),
    ("exact name", s.watch_list_candidate, {"hits": [watch_hit("name", 1.0)]}, 10),
    ("near network is a candidate", s.watch_list_candidate, {"hits": [watch_hit("ip", 0.7)]}, 10),
    ("two in ten minutes", s.velocity, {"charges": burst(1, 9)}, None),
    ("three in ten minutes", s.velocity, {"charges": burst(2, 9)}, 30),
    ("five in ten minutes", s.velocity, {"charges": burst(4, 9)}, 35),
    ("four in an hour", s.velocity, {"charges": burst(3, 59)}, 15),
    ("four in two hours", s.velocity, {"charges": burst(3, 240)}, None),
    ("one card", s.many_cards, {"charges": burst(3, 30)}, None),
    (
        "three small",
        s.small_amounts,
        {"charge": flagged(amount_minor=200), "charges": burst(2, 30, amount_minor=100)},
        15,
    ),
    (
        "two small",
        s.small_amounts,
        {"charge": flagged(amount_minor=200), "charges": burst(1, 30, amount_minor=100)},
        None,
    ),
    ("one country", s.countries, {}, None),
    ("foreign connection", s.countries, {"charge": flagged(ip_country="JP")}, 8),
    ("foreign goods", s.countries, {"charge": flagged(shipping_country="BR")}, 15),
    ("three countries", s.countries, {"charge": flagged(ip_country="BR", shipping_country="US")}, 25),
    ("countries not on record", s.countries, {"charge": flagged(ip_country=None, shipping_country="")}, None),
    ("old device", s.device, {}, -20),
    ("device of a month", s.device, {"charge": flagged(device_first_seen_at=days_ago(30))}, None),
    ("device of today", s.device, {"charge": flagged(device_first_seen_at=at(3))}, 15),
    ("no device", s.device, {"charge": flagged(device_first_seen_at=None)}, None),
    ("usual amount", s.amount, {"charge": flagged(amount_minor=20_000)}, None),
    ("four times the median", s.amount, {"charge": flagged(amount_minor=26_000)}, 15),
    ("ten times the median", s.amount, {"charge": flagged(amount_minor=65_000)}, 25),
    ("too few to compare", s.amount, {"charge": flagged(amount_minor=65_000), "charges": HISTORY[:2]}, None),
    ("other currency", s.amount, {"charge": flagged(amount_minor=65_000, currency="USD")}, None),
    ("not the first", s.first_order, {}, None),
    ("first", s.first_order, {"charges": []}, 8),
    ("first and large", s.first_order, {"charges": [], "charge": flagged(amount_minor=30_000)}, 20),
    ("not known to be the first", s.first_order, {"charges": [], "whole": False}, None),
    ("first of nobody known", s.first_order, {"charges": [], "customer": None}, None),
    ("delivered there before", s.address, {}, -15),
    ("address never seen", s.address, {"charge": flagged(shipping_address="Rua Nova 9, Porto")}, 12),
    ("address seen, never delivered", s.address, {"orders": []}, None),
    ("nothing to compare with", s.address, {"charges": []}, None),
    ("authenticated", s.authentication, {}, -15),
    ("not authenticated", s.authentication, {"charge": flagged(three_d_secure=False)}, 5),
    ("authentication not on record", s.authentication, {"charge": flagged(three_d_secure=None)}, None),
    ("no dispute", s.disputes, {}, None),
    ("dispute won", s.disputes, {"disputes": [dispute("won")]}, None),
    ("fraud dispute", s.disputes, {"disputes": [dispute()]}, 25),
    ("three other disputes", s.disputes, {"disputes": [dispute(reason=f"r{n}") for n in range(3)]}, 30),
    ("few refunds", s.refunds, {}, None),
    ("many refunds", s.refunds, {"customer": customer(refunds_count_90d=3)}, 10),
    ("long history", s.history, {}, -20),
    ("short history", s.history, {"charges": [before(4000 + n, 2.0 + n) for n in range(8)]}, None),
    ("history with a dispute", s.history, {"disputes": [dispute()]}, None),
    ("card of always", s.known_card, {}, -5),
    ("new card", s.known_card, {"charge": flagged(card_fingerprint="fp_new")}, None),
    ("provider at ease", s.processor, {}, None),
    ("provider uneasy", s.processor, {"charge": flagged(risk_score=65)}, 8),
    ("provider alarmed", s.processor, {"charge": flagged(risk_score=80)}, 15),
]


@pytest.mark.parametrize(("rule", "changes", "score"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_each_signal_fires_exactly_where_it_should(rule: s.Rule, changes: dict[str, Any], score: int | None) -> None:
    """A signal has its score, names the records that show it, and is silent elsewhere."""
    fired = rule(picture(**changes))

    assert (fired.score if fired else None) == score
    if fired is not None:
        assert fired.refs
        assert 0 < len(fired.detail) <= 300


def test_every_signal_is_in_the_table() -> None:
    """A signal without a row would be one that nobody has seen fire."""
    fires = {row[1] for row in ROWS if row[3] is not None}

    assert set(s.SIGNALS) - fires == {s.many_cards}


def test_three_cards_within_an_hour_fire() -> None:
    """Different cards of one customer within an hour are counted, the flagged one included."""
    cards = [charge(str(4900 + n), created_at=at(n + 1), card_fingerprint=f"fp_{n}") for n in range(2)]

    fired = s.many_cards(picture(charges=cards))

    assert fired is not None
    assert fired.score == 30


def test_a_stolen_card_scores_high() -> None:
    """New device, foreign countries, new address, four payments in six minutes, card listed: hold."""
    foreign: dict[str, Any] = {
        "device_first_seen_at": at(6),
        "ip_country": "BR",
        "shipping_country": "BR",
        "shipping_address": "Rua Nova 9",
        "three_d_secure": False,
        "amount_minor": 89_900,
    }
    found = assess(
        picture(charge=flagged(**foreign), charges=[*burst(3, 6), *HISTORY], hits=[watch_hit("fingerprint", 1.0)])
    )

    assert found["score"] >= 80
    assert (found["band"], found["listed"]) == ("high", True)
    assert "payments within ten minutes" in found["against"]


def test_a_loyal_traveller_scores_low() -> None:
    """A foreign connection is outweighed by the device, the card and the address of many years."""
    found = assess(picture(charge=flagged(ip_country="JP", amount_minor=41_800)))

    assert (found["score"], found["band"]) == (0, "low")
    assert "Device known for" in found["in_favour"]


def test_a_first_large_order_from_a_new_device_is_in_the_middle() -> None:
    """Nothing proves anything, so neither hold nor release."""
    new = flagged(amount_minor=48_900, device_first_seen_at=at(20), shipping_country="FR", three_d_secure=False)

    found = assess(picture(charge=new, charges=[], orders=[], customer=customer(created_at=days_ago(0))))

    assert found["band"] == "middle"


def test_a_name_on_a_list_alone_moves_nothing() -> None:
    """A near or equal name is a candidate: it neither lists the charge nor lifts it out of the low band."""
    found = assess(picture(hits=[watch_hit("name", 0.97), watch_hit("name", 1.0, "w2")]))

    assert (found["band"], found["listed"], found["candidates"]) == ("low", False, 2)


def test_without_anything_else_on_record_the_score_rests_on_the_charge() -> None:
    """No customer, no history, no lists: assessed all the same."""
    found = assess(Picture(flagged(), None, [], [], [], []))

    assert [signal["name"] for signal in found["signals"]] == ["known_device", "authenticated"]


@given(
    risk=st.integers(0, 100),
    secure=st.booleans(),
    ip=st.sampled_from(["DE", "BR"]),
    amount=st.integers(1, 10_000_000),
    hits=st.lists(st.sampled_from([watch_hit("ip", 1.0), watch_hit("name", 0.9)]), max_size=3),
    quick=st.integers(0, 6),
    lost=st.integers(0, 5),
)
def test_the_score_is_the_clamped_sum_and_every_part_is_explained(
    risk: int, secure: bool, ip: str, amount: int, hits: list[Record], quick: int, lost: int
) -> None:
    """0 to 100, the sum of the parts, strongest part first, and the filed form says the same without refs."""
    one = flagged(risk_score=risk, three_d_secure=secure, ip_country=ip, amount_minor=amount)
    found = assess(picture(charge=one, hits=hits, charges=[*burst(quick, 9), *HISTORY], disputes=[dispute()] * lost))

    scores = [signal["score"] for signal in found["signals"]]
    assert found["score"] == min(100, max(0, sum(scores)))
    assert scores == sorted(scores, key=lambda score: -abs(score))
    assert all(-100 <= score <= 100 and score != 0 for score in scores)
    assert [{k: v for k, v in signal.items() if k != "refs"} for signal in found["signals"]] == found["for_file"]


@pytest.mark.parametrize(("currency", "written"), [("EUR", "64.90 EUR"), ("JPY", "6,490 JPY"), ("KWD", "6.490 KWD")])
def test_a_median_is_written_with_the_decimals_of_its_currency(currency: str, written: str) -> None:
    """It goes on file as it is."""
    charges = [replace(c, data={**c.data, "currency": currency}) for c in HISTORY]
    found = s.amount(picture(charge=flagged(amount_minor=65_000, currency=currency), charges=charges))

    assert found is not None
    assert found.detail == f"10 times the customer's median of {written}"
