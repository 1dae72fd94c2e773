"""What the readers answer: the documented fields, the promised order, and nothing for what is not there."""

from __future__ import annotations

import pytest

from integrations.base import Record
from integrations.errors import Permanent
from integrations.sample_company import cast
from integrations.sample_company.company import SampleCompany, SampleWriters

#: A record of each kind, and the fields that `integrations.base` promises for it.
FIELDS = [
    (
        lambda c: c.ticket("1"),
        "ticket",
        False,
        "ticket_id title status priority tags requester_email requester_name created_at messages",
    ),
    (lambda c: c.articles("refund")[0], "article", True, "title body revised_at score"),
    (
        lambda c: c.customer(cast.ANA.email),
        "customer",
        True,
        (
            "customer_id name email tier vip verified country language created_at orders_count refunds_count_90d "
            "refunds_minor_90d notes"
        ),
    ),
    (
        lambda c: c.order(cast.ANA.order_number),
        "order",
        True,
        "order_number customer_id status placed_at delivered_at total_minor currency charge_id items tracking_number carrier",
    ),
    (
        lambda c: c.charge(cast.ANA.charge_id),
        "charge",
        True,
        (
            "charge_id customer_id order_number amount_minor refunded_minor refundable_minor currency status created_at "
            "card_brand card_last4 card_country card_fingerprint ip ip_country device_id device_first_seen_at billing_country "
            "shipping_country shipping_address three_d_secure risk_score"
        ),
    ),
    (
        lambda c: c.matches([cast.STOLEN_FINGERPRINT])[0],
        "watch_hit",
        True,
        "term listed list score matched_field since",
    ),
    (lambda c: c.search("rain jacket"), "search", False, "query taken_at results"),
    (lambda c: c.page(cast.HOSTILE_PAGE_URL), "page", False, "url title html fetched_at word_count"),
    (lambda c: c.posts("socks")[0], "post", True, "slug title url excerpt published_at keyword"),
    (lambda c: c.style(), "style", True, "tone banned_words required_fields approved_claims"),
    (
        lambda c: c.stock_item(cast.SHORT_ITEM),
        "item",
        True,
        "item_id name on_hand reserved ordered projected reorder_level",
    ),
    (
        lambda c: c.offers_for("NAV-713")[0],
        "offer",
        True,
        "item_id vendor_id unit_price_minor currency lead_time_days approved",
    ),
]


@pytest.mark.parametrize(("read", "kind", "trusted", "fields"), FIELDS, ids=[row[1] for row in FIELDS])
def test_a_record_has_its_promised_fields(read, kind: str, trusted: bool, fields: str, company: SampleCompany) -> None:
    record: Record = read(company)

    assert (record.kind, record.trusted) == (kind, trusted)
    assert set(fields.split()) <= set(record.data)
    assert record.ref.startswith(f"sample:{kind}:")
    assert record.title


def test_a_dispute_has_its_promised_fields(company: SampleCompany) -> None:
    found = next(d for n in range(1007, 1201) for d in company.disputes_of(f"cu_{n}"))

    assert set(found.data) == {"dispute_id", "charge_id", "reason", "status", "amount_minor", "currency", "opened_at"}
    assert company.charge(found.data["charge_id"]) is not None


@pytest.mark.parametrize("key", ["ana.diaz@example.com", "ANA.Diaz@Example.com", " ana.diaz@example.com ", "cu_1001"])
def test_a_customer_is_found_by_address_or_id(key: str, company: SampleCompany) -> None:
    found = company.customer(key)

    assert found is not None
    assert found.data["customer_id"] == cast.ANA.customer_id


def test_what_does_not_exist_is_none(company: SampleCompany) -> None:
    assert company.customer("nobody@example.com") is None
    assert company.order("NW-99999") is None
    assert company.charge("ch_0") is None
    assert company.page("https://unknown.example/") is None
    assert company.stock_item("ABC-000") is None


@pytest.mark.parametrize("ticket_id", ["99999", "", "abc", "-1", "1; DROP TABLE tickets", "1.0", "٣", "9" * 40])
def test_an_unknown_ticket_is_permanent(ticket_id: str, company: SampleCompany) -> None:
    with pytest.raises(Permanent, match="no ticket"):
        company.ticket(ticket_id)


def test_lists_come_newest_first_and_as_long_as_asked(company: SampleCompany) -> None:
    who = cast.VIP.customer_id

    placed = [record.data["placed_at"] for record in company.orders_of(who, limit=20)]
    charged = [record.data["created_at"] for record in company.charges_of(who)]

    assert len(placed) == len(charged) == 13
    assert placed == sorted(placed, reverse=True)
    assert charged == sorted(charged, reverse=True)
    assert [len(company.orders_of(who, limit=n)) for n in (0, 1, 5)] == [0, 1, 5]
    assert len(company.orders_of(who)) == 5


def test_a_requesters_latest_tickets_come_first(company: SampleCompany, shop) -> None:
    shop.write_ticket(cast.ANA.email, "One", "1")
    shop.write_ticket(cast.ANA.email, "Two", "2")

    titles = [record.title for record in company.tickets_of(cast.ANA.email.upper())]

    assert titles[:2] == ["Two", "One"]
    assert len(titles) == 3
    assert len(company.tickets_of(cast.ANA.email, limit=1)) == 1


def test_refund_figures_count_the_last_ninety_days(company: SampleCompany, writers: SampleWriters, clock) -> None:
    writers.refund(cast.ANA.charge_id, 1000, "EUR", "r", key="k", if_version="")

    fresh = company.customer(cast.ANA.email)
    clock.pass_(days=91)
    later = company.customer(cast.ANA.email)

    assert fresh
    assert later
    assert (fresh.data["refunds_count_90d"], fresh.data["refunds_minor_90d"]) == (1, 1000)
    assert (later.data["refunds_count_90d"], later.data["refunds_minor_90d"]) == (0, 0)


@pytest.mark.parametrize(
    ("question", "slug"),
    [
        ("When do I get my refund?", "refund-times"),
        ("I want my money back", "refunds"),
        ("The buckle is broken, see photo", "damaged-goods"),
        ("tracking number shows nothing", "tracking"),
        ("my parcel is lost", "lost-parcels"),
        ("I was charged twice for one order", "charged-twice"),
        ("someone used my card", "payment-checks"),
        ("please delete my personal data", "privacy"),
        ("Ember Pro recall", "safety-notices"),
        ("how do I wash my rain jacket", "care-waterproofs"),
        ("Wo bleibt meine Rückerstattung?", "refund-times"),
        ("rückerstattung dauer", "refund-times"),
        ("comment annuler ma commande", "cancel-order"),
        ("I want a bigger size", "exchange-size"),
    ],
)
def test_the_right_help_page_is_among_the_first_two(question: str, slug: str, company: SampleCompany) -> None:
    found = company.articles(question, limit=2)

    assert slug in [record.ref.removeprefix("sample:article:") for record in found]


def test_help_pages_come_by_score_and_every_score_counts(company: SampleCompany) -> None:
    scores = [record.data["score"] for record in company.articles("where is my parcel", limit=10)]

    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0


@pytest.mark.parametrize(
    "question",
    ["", "???", "the of and", '"', "refund AND OR NOT", "refund*", "slug:refund", "NEAR(a b)", "(", "\x00", "🙂"],
)
def test_no_question_breaks_the_search(question: str, company: SampleCompany) -> None:
    """What people type is never syntax: operators of the query language are plain words."""
    assert len(company.articles(question)) <= 3
    assert len(company.posts(question)) <= 10
    assert company.search(question).kind == "search"


@pytest.mark.parametrize(
    ("query", "stored"),
    [
        ("layering for hiking", "layering for hiking"),
        ("rain jackets", "rain jacket buying guide"),
        ("lightweight two person tents", "best two person tent"),
        ("filter water", "how to filter water hiking"),
        ("Merino or synthetic?", "merino vs synthetic base layer"),
    ],
)
def test_the_stored_result_page_nearest_to_the_query_answers(query: str, stored: str, company: SampleCompany) -> None:
    found = company.search(query, limit=4)

    assert found.data["query"] == stored
    assert [result["rank"] for result in found.data["results"]] == [1, 2, 3, 4]


def test_an_unknown_subject_has_an_honest_empty_result_page(company: SampleCompany) -> None:
    found = company.search("quantum chromodynamics")

    assert found.data == {"query": "quantum chromodynamics", "taken_at": "2026-11-20T10:00:00Z", "results": []}


def test_drafts_are_not_among_the_firms_posts(company: SampleCompany, writers: SampleWriters) -> None:
    writers.create_draft("zeppelin-hiking", "Zeppelin hiking", "zeppelin", {"keyword": "zeppelin"}, key="k")

    assert company.posts("zeppelin") == []


@pytest.mark.parametrize(
    ("term", "field", "score"),
    [
        (cast.STOLEN_FINGERPRINT, "card_fingerprint", 1.0),
        (cast.STOLEN_FINGERPRINT.upper(), "card_fingerprint", 1.0),
        (f"  {cast.FORWARDER.replace(', ', ',  ')} ", "address", 1.0),
        ("192.0.2.1", "ip", 0.7),
        ("someone@quickdrop.example", "email", 0.5),
        ("Claire Fontaine", "name", 0.93),
        ("Fontaine, Claire", "name", 0.93),
    ],
)
def test_a_watched_term_hits_with_its_likeness(term: str, field: str, score: float, company: SampleCompany) -> None:
    best = company.matches([term])[0]

    assert (best.data["matched_field"], best.data["score"]) == (field, score)


@pytest.mark.parametrize(
    "term",
    [
        "",
        " ",
        "Ana Diaz",
        "ana.diaz@example.com",
        "198.51.100.23",
        "fp_000000000000",
        "Fontaine",
        "Marie Fontaine",
        "192.0.2",
    ],
)
def test_what_resembles_nothing_hits_nothing(term: str, company: SampleCompany) -> None:
    assert company.matches([term]) == []


def test_hits_come_closest_first_and_each_entry_once(company: SampleCompany) -> None:
    hits = company.matches(["192.0.2.1", "192.0.2.2", cast.STOLEN_FINGERPRINT, cast.STOLEN_FINGERPRINT])

    scores = [hit.data["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert len({hit.ref for hit in hits}) == len(hits) > 1


@pytest.mark.parametrize(
    "ref",
    [
        "sample:ticket:999",
        "sample:charge:none",
        "sample:unheard:1",
        "stripe:charge:ch_11448",
        "sample:ticket",
        "",
        "::",
    ],
)
def test_the_version_of_what_is_gone_is_permanent(ref: str, company: SampleCompany) -> None:
    with pytest.raises(Permanent):
        company.version(ref)


@pytest.mark.parametrize(
    "read",
    [
        lambda c: c.ticket("120"),
        lambda c: c.charge(cast.ANA.charge_id),
        lambda c: c.customer(cast.ANA.email),
        lambda c: c.order(cast.ANA.order_number),
        lambda c: c.articles("refund")[0],
        lambda c: c.posts("socks")[0],
        lambda c: c.page(cast.HOSTILE_PAGE_URL),
        lambda c: c.search("rain jacket"),
        lambda c: c.matches([cast.STOLEN_FINGERPRINT])[0],
        lambda c: c.stock_item(cast.SHORT_ITEM),
    ],
)
def test_a_fresh_version_is_the_records_own(read, company: SampleCompany) -> None:
    record: Record = read(company)

    assert company.version(record.ref) == record.version
