"""Zendesk's event subscriptions: new tickets and what customers add to them.

Called by the webhook door with raw deliveries; `verify` first, always. Zendesk sends the requester's number, not the
address: agents read the ticket itself, and by the number one requester's cases are told from another's. Comments of staff are ignored, or our own replies would come back as new work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrations.base import Delivery, EventType, InboundEvent
from integrations.errors import UnknownEvent
from integrations.webhooks import Secret, secrets_from_env, verify
from integrations.webhooks.payload import Id, Instant, Line, Shape, read_object, shape, words
from integrations.webhooks.schemes import ZENDESK

SETTING = "ZENDESK_WEBHOOK_SECRET"
TEST_SECRET_SETTING = "ZENDESK_ALLOW_TEST_SECRET"  # noqa: S105 - the name of a setting, not a secret


class _Via(Shape):
    channel: Line | None = None


class _Ticket(Shape):
    id: Id
    subject: Line | None = None
    description: str | None = None
    priority: Line | None = None
    requester_id: Id | None = None
    via: _Via = _Via()


class _Author(Shape):
    is_staff: bool
    name: Line | None = None


class _Comment(Shape):
    body: str
    author: _Author


class _CommentAdded(Shape):
    comment: _Comment


class _Event(Shape):
    """https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/"""

    id: Id
    type: Line
    time: Instant
    detail: dict[str, Any]
    event: dict[str, Any]

    def about(self, type_: EventType, ticket: _Ticket, text: str | None, requester_name: str) -> InboundEvent:
        return InboundEvent(
            source=ZendeskWebhook.name,
            delivery_id=self.id,
            type=type_,
            vendor_type=self.type,
            subject=f"zendesk:ticket:{ticket.id}",
            occurred_at=self.time,
            data={
                **words(ticket.subject, text),
                "ticket_id": ticket.id,
                "requester": f"{ZendeskWebhook.name}:{ticket.requester_id}" if ticket.requester_id else "",
                "requester_email": "",
                "requester_name": requester_name,
                "channel": ticket.via.channel or "",
                "priority": (ticket.priority or "").lower(),
            },
        )


def _ticket_created(event: _Event) -> InboundEvent:
    ticket = shape(_Ticket, event.detail, event.type)
    return event.about(EventType.TICKET_CREATED, ticket, ticket.description, "")


def _comment_added(event: _Event) -> InboundEvent:
    ticket = shape(_Ticket, event.detail, event.type)
    comment = shape(_CommentAdded, event.event, event.type).comment
    if comment.author.is_staff:
        raise UnknownEvent(f"a comment by staff on ticket {ticket.id}: only customers' comments are work")
    return event.about(EventType.TICKET_COMMENTED, ticket, comment.body, comment.author.name or "")


EVENTS: dict[str, Callable[[_Event], InboundEvent]] = {
    "zen:event-type:ticket.created": _ticket_created,
    "zen:event-type:ticket.comment_added": _comment_added,
}


class ZendeskWebhook:
    name = "zendesk"
    signs_body_only = ZENDESK.signs_body_only

    def __init__(self, secrets: tuple[Secret, ...]) -> None:
        self._secrets = secrets

    def verify(self, delivery: Delivery) -> str:
        return verify(ZENDESK, self._secrets, delivery)

    def parse(self, delivery: Delivery) -> Sequence[InboundEvent]:
        event = shape(
            _Event, read_object(delivery.body), "a Zendesk event (subscribe the webhook to events, not to a trigger)"
        )
        if event.type not in EVENTS:
            raise UnknownEvent(f"Zendesk event type {event.type!r} is not handled")
        return [EVENTS[event.type](event)]


def from_env(env: Mapping[str, str]) -> ZendeskWebhook | None:
    """The source, or None while its setting is empty. Raise `ValueError` for a secret that cannot be right.

    Zendesk signs its "Test webhook" button with a secret that everybody can read; it passes only where
    ``ZENDESK_ALLOW_TEST_SECRET=true``.
    """
    allow = env.get(TEST_SECRET_SETTING, "").lower() == "true"
    secrets = secrets_from_env(ZENDESK, env, SETTING, allow_published=allow)
    return ZendeskWebhook(secrets) if secrets else None
