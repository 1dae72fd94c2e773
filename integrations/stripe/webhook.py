"""Stripe's webhooks: disputes, reviews and fraud warnings become events about one charge.

Called by the webhook door with raw deliveries; `verify` first, always. It reads what Stripe signed and asks Stripe for
nothing: a review names no amount, so agents read the charge afresh before anything that moves money.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from integrations.base import Delivery, EventType, InboundEvent
from integrations.errors import Malformed, UnknownEvent
from integrations.webhooks import Secret, secrets_from_env, verify
from integrations.webhooks.payload import (
    Amount,
    Currency,
    Id,
    Line,
    Shape,
    UnixTime,
    read_object,
    shape,
    words,
)
from integrations.webhooks.schemes import STRIPE

SETTING = "STRIPE_WEBHOOK_SECRET"

# https://docs.stripe.com/currencies#special-cases and #zero-decimal
#: two digits after the separator at Stripe, none in ISO 4217
_WITH_DIGITS = frozenset({"ISK", "UGX"})
#: none at Stripe, two in ISO 4217
_WITHOUT_DIGITS = frozenset({"MGA"})


class _Holder(Shape):
    object: dict[str, Any]


class _Event(Shape):
    """A snapshot event, https://docs.stripe.com/api/events/object"""

    id: Id
    type: Line
    created: UnixTime
    #: an endpoint for connected accounts is sent what they do in test mode as well
    livemode: bool = True
    data: _Holder

    def about(
        self,
        type_: EventType,
        charge: str,
        title: str,
        text: Sequence[str],
        *,
        rules: Sequence[str],
        email: str | None = None,
        amount: int | None = None,
        currency: str = "",
    ) -> InboundEvent:
        if not self.livemode:
            title, text = f"Test: {title}", ["From Stripe's test mode. No money has moved.", *text]
        return InboundEvent(
            source=StripeWebhook.name,
            delivery_id=self.id,
            type=type_,
            vendor_type=self.type,
            subject=f"stripe:charge:{charge}",
            occurred_at=datetime.fromtimestamp(self.created, UTC),
            data={
                **words(title, "\n".join(text)),
                "charge_id": charge,
                "customer_email": email or "",
                "amount_minor": None if amount is None else _minor(amount, currency),
                "currency": currency,
                "rules": list(rules),
            },
        )


def _minor(amount: int, currency: str) -> int:
    """An amount of Stripe's in minor units as everybody else has them. What they cannot say is rounded up."""
    if currency in _WITH_DIGITS:
        return -(-amount // 100)
    return amount * 100 if currency in _WITHOUT_DIGITS else amount


class _EvidenceDetails(Shape):
    due_by: UnixTime | None = None


class _Evidence(Shape):
    customer_email_address: Line | None = None


class _Dispute(Shape):
    id: Id
    charge: Id
    amount: Amount
    currency: Currency
    reason: Line
    status: Line
    evidence: _Evidence = _Evidence()
    evidence_details: _EvidenceDetails = _EvidenceDetails()


class _Review(Shape):
    id: Id
    charge: Id | None = None
    open: bool
    opened_reason: Line
    reason: Line


class _Warning(Shape):
    id: Id
    charge: Id
    fraud_type: Line
    actionable: bool


class _Rule(Shape):
    predicate: Line | None = None


class _Outcome(Shape):
    risk_level: Line | None = None
    risk_score: int | None = None
    seller_message: Line | None = None
    #: an id, or the rule itself where the account expands it
    rule: Id | _Rule | None = None


class _BillingDetails(Shape):
    email: Line | None = None


class _Charge(Shape):
    id: Id
    object: Literal["charge"]
    amount: Amount
    currency: Currency
    receipt_email: Line | None = None
    billing_details: _BillingDetails = _BillingDetails()
    outcome: _Outcome | None = None


def _dispute_opened(event: _Event) -> InboundEvent:
    dispute = shape(_Dispute, event.data.object, event.type)
    due_by = dispute.evidence_details.due_by
    return event.about(
        EventType.DISPUTE_OPENED,
        dispute.charge,
        f"Dispute on charge {dispute.charge}: {dispute.reason}",
        [
            f"Dispute {dispute.id}, reason {dispute.reason}, status {dispute.status}.",
            f"Evidence is due by {datetime.fromtimestamp(due_by, UTC).isoformat()}."
            if due_by
            else "The bank takes no answer to it.",
        ],
        rules=[dispute.reason],
        email=dispute.evidence.customer_email_address,
        amount=dispute.amount,
        currency=dispute.currency,
    )


def _review_opened(event: _Event) -> InboundEvent:
    review = shape(_Review, event.data.object, event.type)
    if review.charge is None:
        raise Malformed(f"review {review.id!r} names no charge; look at it in the Stripe dashboard")
    return event.about(
        EventType.CHARGE_FLAGGED,
        review.charge,
        f"Review of charge {review.charge} opened by a {review.opened_reason}",
        [f"Review {review.id}, opened by a {review.opened_reason}, reason {review.reason}."],
        rules=[f"review_opened_by_{review.opened_reason}"],
    )


def _fraud_warned(event: _Event) -> InboundEvent:
    warning = shape(_Warning, event.data.object, event.type)
    return event.about(
        EventType.CHARGE_FLAGGED,
        warning.charge,
        f"Early fraud warning on charge {warning.charge}: {warning.fraud_type}",
        [
            f"The card's issuer warns of fraud ({warning.fraud_type}), warning {warning.id}.",
            "It can still be acted upon: no dispute yet, and not fully refunded."
            if warning.actionable
            else "It cannot be acted upon: already disputed or fully refunded.",
        ],
        rules=[f"early_fraud_warning_{warning.fraud_type}"],
    )


def _charge_succeeded(event: _Event) -> InboundEvent:
    charge = shape(_Charge, event.data.object, event.type)
    outcome = charge.outcome or _Outcome()
    if outcome.risk_level not in {"elevated", "highest"}:
        raise UnknownEvent(f"charge.succeeded at risk level {outcome.risk_level!r}: nothing to look at")
    score = "" if outcome.risk_score is None else f", its score {outcome.risk_score}"
    rule = outcome.rule.predicate if isinstance(outcome.rule, _Rule) else outcome.rule
    return event.about(
        EventType.CHARGE_FLAGGED,
        charge.id,
        f"Charge {charge.id} went through at {outcome.risk_level} risk",
        [
            f"Stripe's risk level is {outcome.risk_level}{score}.",
            *([outcome.seller_message] if outcome.seller_message else []),
        ],
        rules=[f"risk_level_{outcome.risk_level}", *([rule] if rule else [])],
        email=charge.receipt_email or charge.billing_details.email,
        amount=charge.amount,
        currency=charge.currency,
    )


# A failed or blocked charge has moved no money and one card-testing attack makes thousands: charge.failed stays out.
EVENTS: dict[str, Callable[[_Event], InboundEvent]] = {
    "charge.dispute.created": _dispute_opened,
    "review.opened": _review_opened,
    "radar.early_fraud_warning.created": _fraud_warned,
    "charge.succeeded": _charge_succeeded,
}


class StripeWebhook:
    name = "stripe"
    signs_body_only = STRIPE.signs_body_only

    def __init__(self, secrets: tuple[Secret, ...]) -> None:
        self._secrets = secrets

    def verify(self, delivery: Delivery) -> str:
        return verify(STRIPE, self._secrets, delivery)

    def parse(self, delivery: Delivery) -> Sequence[InboundEvent]:
        body = read_object(delivery.body)
        if body.get("object") == "v2.core.event":
            raise Malformed("a thin (v2) event; set the event destination in Stripe to snapshot payloads")
        event = shape(_Event, body, "a Stripe event")
        if event.type not in EVENTS:
            raise UnknownEvent(f"Stripe event type {event.type!r} is not handled")
        return [EVENTS[event.type](event)]


def from_env(env: Mapping[str, str]) -> StripeWebhook | None:
    """The source, or None while its setting is empty. Raise `ValueError` for a secret that cannot be right."""
    secrets = secrets_from_env(STRIPE, env, SETTING)
    return StripeWebhook(secrets) if secrets else None
