"""The sample company's webhooks, signed by Standard Webhooks: its helpdesk, payments, editors and stock speak here.

Called by the webhook door with raw deliveries; `verify` first, always. The body is
``{"id", "type", "occurred_at", "data"}`` with Caseworker's own event types, so one row a type is all there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.base import Delivery, EventType, InboundEvent
from integrations.errors import Malformed, UnknownEvent
from integrations.webhooks import Secret, secrets_from_env, verify
from integrations.webhooks.payload import (
    Amount,
    Currency,
    Id,
    Instant,
    Line,
    Quantity,
    Shape,
    read_object,
    shape,
    words,
)
from integrations.webhooks.schemes import STANDARD_V1

SETTING = "SAMPLE_WEBHOOK_SECRET"


class _Event(Shape):
    id: Id
    type: Line
    occurred_at: Instant
    data: dict[str, Any]


class _Texts(Shape):
    title: str
    text: str


class _Ticket(_Texts):
    ticket_id: Id
    requester_email: Line
    requester_name: Line
    channel: Line


class _Charge(_Texts):
    charge_id: Id
    customer_email: Line
    amount_minor: Amount
    currency: Currency
    rules: list[Line]


class _Brief(_Texts):
    request_id: Id
    keyword: Line
    audience: Line
    requester_email: Line


class _Shortage(_Texts):
    item_id: Id
    on_hand: Quantity
    reorder_level: Quantity


@dataclass(frozen=True, slots=True)
class Handler:
    """Reads one type: `model` checks its data, `noun` and the field `key` make its subject."""

    model: type[_Texts]
    noun: str
    key: str

    def __call__(self, event: _Event) -> InboundEvent:
        data = shape(self.model, event.data, event.type).model_dump()
        return InboundEvent(
            source=SampleWebhook.name,
            delivery_id=event.id,
            type=EventType(event.type),
            vendor_type=event.type,
            subject=f"sample:{self.noun}:{data[self.key]}",
            occurred_at=event.occurred_at,
            data={**data, **words(data["title"], data["text"])},
        )


EVENTS: dict[str, Handler] = {
    EventType.TICKET_CREATED: Handler(_Ticket, "ticket", "ticket_id"),
    EventType.TICKET_COMMENTED: Handler(_Ticket, "ticket", "ticket_id"),
    EventType.CHARGE_FLAGGED: Handler(_Charge, "charge", "charge_id"),
    EventType.BRIEF_REQUESTED: Handler(_Brief, "brief", "request_id"),
    EventType.STOCK_SHORT: Handler(_Shortage, "item", "item_id"),
}


class SampleWebhook:
    name = "sample"
    signs_body_only = STANDARD_V1.signs_body_only

    def __init__(self, secrets: tuple[Secret, ...]) -> None:
        self._secrets = secrets

    def verify(self, delivery: Delivery) -> str:
        return verify(STANDARD_V1, self._secrets, delivery)

    def parse(self, delivery: Delivery) -> Sequence[InboundEvent]:
        event = shape(_Event, read_object(delivery.body), "a sample event")
        if (b"webhook-id", event.id.encode()) not in delivery.headers:
            raise Malformed("the body's id is not the webhook-id that was signed with it")
        if event.type not in EVENTS:
            raise UnknownEvent(f"sample event type {event.type!r} is not handled")
        return [EVENTS[event.type](event)]


def from_env(env: Mapping[str, str]) -> SampleWebhook | None:
    """The source, or None while its setting is empty. Raise `ValueError` for a secret that cannot be right."""
    secrets = secrets_from_env(STANDARD_V1, env, SETTING)
    return SampleWebhook(secrets) if secrets else None
