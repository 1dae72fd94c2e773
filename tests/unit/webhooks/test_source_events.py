"""Each fixture of each source becomes exactly this event; each source has its fixtures and its page."""

from __future__ import annotations

import importlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from reference_signers import NOW

from integrations.base import Delivery, EventType, InboundEvent, WebhookSource
from integrations.errors import UnknownEvent

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures"
MODULES = {
    module.__name__.split(".")[1]: module
    for path in sorted((ROOT / "integrations").glob("*/webhook.py"))
    for module in [importlib.import_module(f"integrations.{path.parent.name}.webhook")]
}
GITHUB_ID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def source_of(module: ModuleType) -> Any:
    (found,) = [
        v
        for v in vars(module).values()
        if isinstance(v, type) and v.__module__ == module.__name__ and hasattr(v, "parse")
    ]
    return found(())


SOURCES = {source.name: (source, module) for module in MODULES.values() for source in [source_of(module)]}
every_source = pytest.mark.parametrize("name", SOURCES)


def parse(name: str, body: bytes) -> InboundEvent:
    message_id = str(json.loads(body).get("id")).encode()
    headers = ((b"x-github-delivery", GITHUB_ID.encode()), (b"webhook-id", message_id))
    (event,) = SOURCES[name][0].parse(Delivery(name, headers, body, NOW))
    return event


def fixture(name: str, file: str) -> bytes:
    return (FIXTURES / name / f"{file}.json").read_bytes()


EXPECTED: list[tuple[str, str, EventType, str, str, dict[str, Any]]] = [
    (
        "stripe",
        "charge.dispute.created",
        EventType.DISPUTE_OPENED,
        "stripe:charge:ch_3QWfjordKettle",
        "evt_3QWfjord0001dispute",
        {
            "title": "Dispute on charge ch_3QWfjordKettle: product_not_received",
            "text": "Dispute du_1QWfjordKettle, reason product_not_received, status needs_response.\n"
            "Evidence is due by 2026-11-29T23:59:59+00:00.",
            "charge_id": "ch_3QWfjordKettle",
            "customer_email": "liv.brekke@example.org",
            "amount_minor": 12900,
            "currency": "EUR",
            "rules": ["product_not_received"],
        },
    ),
    (
        "stripe",
        "review.opened",
        EventType.CHARGE_FLAGGED,
        "stripe:charge:ch_3QWgranite20817",
        "evt_1QWreview0001",
        {
            "title": "Review of charge ch_3QWgranite20817 opened by a rule",
            "text": "Review prv_1QWreview0001, opened by a rule, reason rule.",
            "charge_id": "ch_3QWgranite20817",
            "customer_email": "",
            "amount_minor": None,
            "currency": "",
            "rules": ["review_opened_by_rule"],
        },
    ),
    (
        "stripe",
        "radar.early_fraud_warning.created",
        EventType.CHARGE_FLAGGED,
        "stripe:charge:ch_3QWgranite20817",
        "evt_1QWwarning0001",
        {
            "title": "Early fraud warning on charge ch_3QWgranite20817: made_with_stolen_card",
            "text": "The card's issuer warns of fraud (made_with_stolen_card), warning issfr_1QWwarning0001.\n"
            "It can still be acted upon: no dispute yet, and not fully refunded.",
            "charge_id": "ch_3QWgranite20817",
            "customer_email": "",
            "amount_minor": None,
            "currency": "",
            "rules": ["early_fraud_warning_made_with_stolen_card"],
        },
    ),
    (
        "stripe",
        "charge.succeeded",
        EventType.CHARGE_FLAGGED,
        "stripe:charge:ch_3QWhigh20822",
        "evt_3QWhigh0001",
        {
            "title": "Charge ch_3QWhigh20822 went through at elevated risk",
            "text": "Stripe's risk level is elevated, its score 68.\nStripe evaluated this payment as having elevated "
            "risk, and placed it in your manual review queue.",
            "charge_id": "ch_3QWhigh20822",
            "customer_email": "billing@example.net",
            "amount_minor": 84500,
            "currency": "NOK",
            "rules": ["risk_level_elevated", "manual_review_if_elevated_risk"],
        },
    ),
    (
        "zendesk",
        "ticket.created",
        EventType.TICKET_CREATED,
        "zendesk:ticket:90417",
        "7b9c1f0a-5d3e-4c1b-9f57-2f8b0e6c4d11",
        {
            "title": "Cracked lid on order 20817",
            "text": "Hello,\n\nmy stove kettle arrived with a cracked lid. Order 20817.\nCan you send a new lid or take "
            "it back?\n\nKind regards\nLiv",
            "ticket_id": "90417",
            "requester": "zendesk:412880031",
            "requester_email": "",
            "requester_name": "",
            "channel": "email",
            "priority": "",
        },
    ),
    (
        "zendesk",
        "ticket.comment_added",
        EventType.TICKET_COMMENTED,
        "zendesk:ticket:90417",
        "1a8de2b4-90c1-4a39-8b0e-6a9df0c3e7f2",
        {
            "title": "Cracked lid on order 20817",
            "text": "I found the receipt. A new lid would be enough.",
            "ticket_id": "90417",
            "requester": "zendesk:412880031",
            "requester_email": "",
            "requester_name": "Liv Brekke",
            "channel": "email",
            "priority": "normal",
        },
    ),
    (
        "github",
        "issues.opened",
        EventType.TICKET_CREATED,
        "github:issue:granite-goods/storefront#128",
        GITHUB_ID,
        {
            "title": "Checkout rejects Norwegian postcodes that start with 0",
            "text": "Steps:\r\n1. Put anything in the cart\r\n2. Enter 0173 as postcode\r\n\r\n"
            "The form says `invalid postcode`.",
            "ticket_id": "granite-goods/storefront#128",
            "requester": "github:7712004",
            "requester_email": "",
            "requester_name": "liv-brekke",
            "channel": "github",
        },
    ),
    (
        "github",
        "issue_comment.created",
        EventType.TICKET_COMMENTED,
        "github:issue:granite-goods/storefront#128",
        GITHUB_ID,
        {
            "title": "Checkout rejects Norwegian postcodes that start with 0",
            "text": "Same here with 0450. It worked last week.",
            "ticket_id": "granite-goods/storefront#128",
            "requester": "github:9923471",
            "requester_email": "",
            "requester_name": "ole-t",
            "channel": "github",
        },
    ),
    *(
        ("sample", kind, EventType(kind), subject, message_id, json.loads(fixture("sample", kind))["data"])
        for kind, subject, message_id in [
            ("ticket.created", "sample:ticket:42", "msg_ticket_42"),
            ("ticket.commented", "sample:ticket:42", "msg_ticket_42_2"),
            ("charge.flagged", "sample:charge:ch_17", "msg_charge_17"),
            ("brief.requested", "sample:brief:br_3", "msg_brief_3"),
            ("stock.short", "sample:item:KETTLE-STEEL-1L", "msg_stock_kettle"),
        ]
    ),
]


@pytest.mark.parametrize(
    ("name", "file", "type_", "subject", "delivery_id", "data"),
    EXPECTED,
    ids=[f"{row[0]}-{row[1]}" for row in EXPECTED],
)
def test_a_vendors_event_becomes_ours(name, file, type_, subject, delivery_id, data):
    event = parse(name, fixture(name, file))

    assert event.type is type_
    assert (event.source, event.subject, event.delivery_id) == (name, subject, delivery_id)
    assert event.vendor_type.endswith(file)
    assert event.occurred_at.date() == datetime(2026, 11, 20, tzinfo=UTC).date()
    assert dict(event.data) == data


def test_a_ping_is_known_and_ignored():
    with pytest.raises(UnknownEvent, match="ping"):
        parse("github", fixture("github", "ping"))


@every_source
def test_every_supported_event_has_a_fixture_and_a_line_in_the_sources_page(name):
    _, module = SOURCES[name]
    page = (ROOT / "docs" / "sources" / f"{name}.md").read_text("utf-8")
    seen = {parse(name, fixture(name, file)).vendor_type for source, file, *_ in EXPECTED if source == name}

    assert seen == set(module.EVENTS)
    for vendor_type in module.EVENTS:
        assert f"`{vendor_type}`" in page


@every_source
def test_every_fixture_is_tried(name):
    files = {path.stem for path in (FIXTURES / name).glob("*.json")}

    assert files - {"ping"} == {file for source, file, *_ in EXPECTED if source == name}


@pytest.mark.parametrize("page", [*SOURCES, "cloudevents"])
def test_every_source_has_a_page_that_says_how_what_and_what_not(page):
    text = (ROOT / "docs" / "sources" / f"{page}.md").read_text("utf-8")

    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[:4] == ["Connect", "What becomes what", "Settings", "Not covered"]


@every_source
def test_a_sources_settings_stand_in_its_page(name):
    _, module = SOURCES[name]
    page = (ROOT / "docs" / "sources" / f"{name}.md").read_text("utf-8")

    for setting in [value for key, value in vars(module).items() if key.endswith("SETTING")]:
        assert f"`{setting}`" in page


@every_source
def test_a_source_is_off_until_its_setting_is_set(name):
    _, module = SOURCES[name]
    secret = {"sample": "whsec_" + "QUJD" * 11, "stripe": "whsec_x"}.get(name, "a secret")

    found: WebhookSource | None = module.from_env({module.SETTING: secret})

    assert module.from_env({}) is None
    assert module.from_env({module.SETTING: ""}) is None
    assert found is not None
    assert (found.name, found.signs_body_only) == (name, name == "github")
    with pytest.raises(ValueError, match=module.SETTING):
        module.from_env({module.SETTING: " blank"})
