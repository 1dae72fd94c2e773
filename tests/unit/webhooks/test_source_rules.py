"""What a source takes for work, what it ignores, and what it calls broken."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reference_signers import NOW, iso_z, seconds

from integrations.base import Delivery, InboundEvent
from integrations.errors import Malformed, NotAuthentic, UnknownEvent
from integrations.github.webhook import GithubWebhook
from integrations.github.webhook import from_env as github_from_env
from integrations.sample_company.webhook import SampleWebhook
from integrations.sample_company.webhook import from_env as sample_from_env
from integrations.stripe.webhook import StripeWebhook
from integrations.stripe.webhook import from_env as stripe_from_env
from integrations.webhooks import load_secrets, sign
from integrations.webhooks.schemes import SCHEMES
from integrations.zendesk.webhook import ZendeskWebhook
from integrations.zendesk.webhook import from_env as zendesk_from_env

FIXTURES = Path(__file__).parents[2] / "fixtures"
SOURCES = {source.name: source(()) for source in (StripeWebhook, ZendeskWebhook, GithubWebhook, SampleWebhook)}
GITHUB_DELIVERY = ((b"x-github-delivery", b"72d3162e-cc78-11e3"),)
Change = Callable[[dict[str, Any]], object]


def altered(source: str, file: str, change: Change) -> InboundEvent:
    body = copy.deepcopy(json.loads((FIXTURES / source / f"{file}.json").read_bytes()))
    headers = (*GITHUB_DELIVERY, (b"webhook-id", str(body.get("id")).encode()))
    change(body)
    (event,) = SOURCES[source].parse(Delivery(source, headers, json.dumps(body).encode(), NOW))
    return event


def put(*path: Any) -> Change:
    *way, last, value = path

    def change(body: dict[str, Any]) -> None:
        for key in way:
            body = body[key]
        body[last] = value

    return change


IGNORED = [
    ("stripe", "charge.dispute.created", put("type", "charge.failed"), "charge.failed"),
    ("stripe", "charge.dispute.created", put("type", "charge.dispute.closed"), "charge.dispute.closed"),
    ("stripe", "charge.succeeded", put("data", "object", "outcome", "risk_level", "normal"), "nothing to look at"),
    ("stripe", "charge.succeeded", put("data", "object", "outcome", None), "nothing to look at"),
    ("zendesk", "ticket.created", put("type", "zen:event-type:ticket.status_changed"), "status_changed"),
    ("zendesk", "ticket.comment_added", put("event", "comment", "author", "is_staff", True), "staff"),
    ("github", "issues.opened", put("action", "closed"), "issues.closed"),
    ("github", "issues.opened", put("issue", "user", "type", "Bot"), "bot"),
    ("github", "issues.opened", put("pull_request", {"number": 128}), "pull_request"),
    ("github", "issue_comment.created", put("action", "deleted"), "issue_comment.deleted"),
    ("github", "issue_comment.created", put("issue", "pull_request", {"url": "x"}), "pull_request comment"),
    ("github", "issue_comment.created", put("comment", "author_association", "MEMBER"), "the team"),
    ("github", "issue_comment.created", put("comment", "user", "type", "Bot"), "bot"),
    ("github", "issues.opened", put("issue", "not an object"), "of another shape"),
    ("sample", "ticket.created", put("type", "ticket.closed"), "ticket.closed"),
]


@pytest.mark.parametrize(("source", "file", "change", "says"), IGNORED)
def test_what_is_no_work_is_ignored_by_name(source, file, change, says):
    with pytest.raises(UnknownEvent, match=says):
        altered(source, file, change)


BROKEN = [
    ("stripe", "review.opened", put("data", "object", "charge", None), "names no charge"),
    ("stripe", "review.opened", put("object", "v2.core.event"), "snapshot"),
    ("stripe", "charge.dispute.created", put("data", "object", "amount", "129.00"), "amount"),
    ("stripe", "charge.dispute.created", put("data", "object", "charge", "ch_1:x"), "charge"),
    ("stripe", "charge.dispute.created", put("created", 10**12), "created"),
    ("stripe", "charge.dispute.created", put("data", {}), "data.object"),
    ("zendesk", "ticket.created", put("detail", "id", None), "id"),
    ("zendesk", "ticket.created", put("time", "yesterday"), "time"),
    ("zendesk", "ticket.created", put("type", None), "subscribe the webhook to events"),
    ("zendesk", "ticket.comment_added", put("event", {}), "comment"),
    ("github", "issues.opened", put("repository", "full_name", "no-owner"), "full_name"),
    ("github", "issues.opened", put("repository", "full_name", "a/b#7"), "full_name"),
    ("github", "issues.opened", put("issue", "number", "128"), "number"),
    ("github", "issue_comment.created", put("comment", "body", None), "body"),
    ("sample", "ticket.created", put("data", "ticket_id", "4/2"), "ticket_id"),
    ("sample", "charge.flagged", put("data", "amount_minor", 1.5), "amount_minor"),
    ("sample", "stock.short", put("data", "on_hand", None), "on_hand"),
    ("sample", "ticket.created", put("id", "msg_other"), "webhook-id"),
]


@pytest.mark.parametrize(("source", "file", "change", "says"), BROKEN)
def test_a_body_of_another_shape_is_malformed_and_says_where(source, file, change, says):
    with pytest.raises(Malformed, match=says):
        altered(source, file, change)


def test_every_event_on_one_charge_has_one_subject():
    subjects = {
        altered("stripe", "review.opened", put("data", "object", "charge", "ch_1")).subject,
        altered("stripe", "charge.dispute.created", put("data", "object", "charge", "ch_1")).subject,
        altered("stripe", "radar.early_fraud_warning.created", put("data", "object", "charge", "ch_1")).subject,
        altered("stripe", "charge.succeeded", put("data", "object", "id", "ch_1")).subject,
    }

    assert subjects == {"stripe:charge:ch_1"}


@pytest.mark.parametrize(
    ("rule", "rules"),
    [
        (
            {"id": "ssr_1", "action": "review", "predicate": ":risk_score: > 60"},
            ["risk_level_highest", ":risk_score: > 60"],
        ),
        (None, ["risk_level_highest"]),
    ],
)
def test_stripes_rule_may_be_an_object_or_missing(rule, rules):
    def change(body: dict[str, Any]) -> None:
        body["data"]["object"]["outcome"].update(risk_level="highest", rule=rule, risk_score=0)

    event = altered("stripe", "charge.succeeded", change)

    assert event.data["rules"] == rules
    assert "its score 0." in event.data["text"]


def test_a_dispute_that_the_bank_takes_no_answer_to_says_so():
    event = altered("stripe", "charge.dispute.created", put("data", "object", "evidence_details", "due_by", 0))

    assert "The bank takes no answer to it." in event.data["text"]


@pytest.mark.parametrize("file", ["charge.dispute.created", "charge.succeeded"])
@pytest.mark.parametrize(
    ("currency", "stripes", "minor"),
    [
        ("eur", 12900, 12900),
        ("jpy", 500, 500),
        # Stripe writes these with two digits that ISO 4217 does not give them …
        ("isk", 500, 5),
        ("isk", 4010, 41),
        ("ugx", 500, 5),
        # … and this one without those that it does.
        ("mga", 500, 50000),
        ("kwd", 5120, 5120),
    ],
)
def test_stripes_amounts_are_in_minor_units_as_iso_4217_has_them(file, currency, stripes, minor):
    def change(body: dict[str, Any]) -> None:
        body["data"]["object"].update(currency=currency, amount=stripes)

    event = altered("stripe", file, change)

    assert (event.data["amount_minor"], event.data["currency"]) == (minor, currency.upper())


@pytest.mark.parametrize("file", ["charge.dispute.created", "charge.succeeded", "review.opened"])
def test_what_comes_from_stripes_test_mode_says_that_no_money_moved(file):
    event = altered("stripe", file, put("livemode", False))

    assert event.data["title"].startswith("Test: ")
    assert "No money has moved." in event.data["text"]


def test_githubs_event_header_does_not_make_the_type():
    """The header is unsigned: a captured issue sent again as a comment is still the issue that it was."""
    body = (FIXTURES / "github" / "issues.opened.json").read_bytes()
    headers = (*GITHUB_DELIVERY, (b"x-github-event", b"issue_comment"))

    (event,) = GithubWebhook(()).parse(Delivery("github", headers, body, NOW))

    assert event.vendor_type == "issues.opened"


@pytest.mark.parametrize(
    "headers", [(), GITHUB_DELIVERY * 2, ((b"x-github-delivery", b"a b"),), ((b"x-github-delivery", b""),)]
)
def test_github_needs_one_delivery_id(headers):
    body = (FIXTURES / "github" / "issues.opened.json").read_bytes()

    with pytest.raises(Malformed, match="X-GitHub-Delivery"):
        GithubWebhook(()).parse(Delivery("github", headers, body, NOW))


def test_githubs_form_encoding_is_refused_with_the_remedy():
    with pytest.raises(Malformed, match="application/json"):
        GithubWebhook(()).parse(Delivery("github", GITHUB_DELIVERY, b"payload=%7B%7D", NOW))


def test_an_issue_without_a_body_is_a_ticket():
    event = altered("github", "issues.opened", put("issue", "body", None))

    assert event.data["text"] == ""


@pytest.mark.parametrize(
    ("file", "of", "named"), [("issue_comment.created", "issue", True), ("issue_comment.created", "comment", False)]
)
def test_what_is_written_about_an_issue_is_work_though_an_account_is_gone(file, of, named):
    event = altered("github", file, put(of, "user", None))

    assert bool(event.data["requester"]) is named
    assert (event.data["requester_name"] == "ghost") is not named


def test_a_zendesk_ticket_without_a_subject_is_named_by_its_first_line():
    event = altered("zendesk", "ticket.created", put("detail", "subject", None))

    assert event.data["title"] == "Hello,"


@pytest.mark.parametrize(
    ("setting", "loads"), [("", False), ("false", False), ("1", False), ("true", True), ("True", True)]
)
def test_zendesks_public_test_secret_needs_a_switch(setting, loads):
    (test_secret,) = SCHEMES["zendesk"].published
    env = {"ZENDESK_WEBHOOK_SECRET": test_secret, "ZENDESK_ALLOW_TEST_SECRET": setting}

    if loads:
        assert zendesk_from_env(env)
    else:
        with pytest.raises(ValueError, match=r"ZENDESK_WEBHOOK_SECRET.*anybody can sign"):
            zendesk_from_env(env)


SIGNED = [
    ("stripe", stripe_from_env, "STRIPE_WEBHOOK_SECRET", "whsec_abc", {}),
    ("zendesk", zendesk_from_env, "ZENDESK_WEBHOOK_SECRET", "zen secret", {}),
    ("github", github_from_env, "GITHUB_WEBHOOK_SECRET", "hub secret", {}),
    ("standard_v1", sample_from_env, "SAMPLE_WEBHOOK_SECRET", "whsec_" + "QUJD" * 11, {"delivery_id": "msg_1"}),
]


@pytest.mark.parametrize(("scheme", "from_env", "setting", "secret", "more"), SIGNED, ids=[row[2] for row in SIGNED])
def test_a_source_verifies_what_its_vendor_signs_and_nothing_else(scheme, from_env, setting, secret, more):
    source = from_env({setting: secret})
    (loaded,) = load_secrets(SCHEMES[scheme], secret)
    headers = tuple((k.encode(), v.encode()) for k, v in sign(SCHEMES[scheme], loaded, b"{}", at=NOW, **more).items())

    assert source.verify(Delivery("any", headers, b"{}", NOW)) == loaded.id
    with pytest.raises(NotAuthentic, match="mismatch"):
        source.verify(Delivery("any", headers, b"{ }", NOW))


def test_the_clocks_of_the_reference_are_those_of_the_vendors():
    assert (iso_z(NOW), seconds(NOW)) == (b"2026-11-20T10:00:00Z", b"1795168800")
