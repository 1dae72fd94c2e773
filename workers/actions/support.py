"""Support: what may be done to a ticket, and the refund that it may lead to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from integrations.base import HelpdeskWriter, PaymentsWriter, Receipt
from workers.actions.base import (
    ActionKind,
    Arguments,
    Delivery,
    Effect,
    Risk,
    charge_target,
    subject_target,
)

Body = Annotated[str, Field(min_length=1, max_length=10_000)]
Line = Annotated[str, Field(min_length=1, max_length=300)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Tag = Annotated[str, Field(pattern=r"^[a-z0-9_\-]{1,40}$")]


class Reply(Arguments):
    body: Body = Field(description="The text that the customer gets")


class Refund(Arguments):
    charge_id: Line = Field(description="The charge to refund")
    amount_minor: Annotated[int, Field(gt=0, le=10**12)] = Field(description="Amount in minor units (cents)")
    currency: Currency = Field(description="ISO 4217 code, the charge's own")
    reason: Line = Field(description="Why, for the books")


class Escalate(Arguments):
    team: Line = Field(description="The team that takes over")
    note: Body = Field(description="What was tried and what is open, for colleagues only")


class Tags(Arguments):
    tags: Annotated[list[Tag], Field(min_length=1, max_length=10)] = Field(description="Tags to add")


class Close(Arguments):
    pass


def _reply(desk: HelpdeskWriter, arguments: Reply, effect: Effect) -> Receipt:
    return desk.reply(effect.target_id, arguments.body, public=True, key=effect.key, if_version=effect.if_version)


def _find_reply(desk: HelpdeskWriter, _arguments: Reply, effect: Effect) -> Receipt | None:
    return desk.find_reply(effect.target_id, effect.key)


def _refund(payments: PaymentsWriter, arguments: Refund, effect: Effect) -> Receipt:
    return payments.refund(
        arguments.charge_id,
        arguments.amount_minor,
        arguments.currency,
        arguments.reason,
        key=effect.key,
        if_version=effect.if_version,
    )


def _escalate(desk: HelpdeskWriter, arguments: Escalate, effect: Effect) -> Receipt:
    return desk.assign(effect.target_id, arguments.team, arguments.note, key=effect.key, if_version=effect.if_version)


def _tag(desk: HelpdeskWriter, arguments: Tags, effect: Effect) -> Receipt:
    return desk.add_tags(effect.target_id, arguments.tags, key=effect.key, if_version=effect.if_version)


def _close(desk: HelpdeskWriter, _arguments: Close, effect: Effect) -> Receipt:
    return desk.set_status(effect.target_id, "solved", key=effect.key, if_version=effect.if_version)


REPLY = ActionKind(
    name="reply_to_customer",
    title="Reply to the customer",
    sentence="Send this reply to {customer}",
    arguments=Reply,
    target=subject_target,
    risk=Risk.MEDIUM,
    reversible=False,
    delivery=Delivery.RECONCILABLE,
    writer=HelpdeskWriter,
    perform=_reply,
    look=_find_reply,
    speaks=True,
    letter="body",
    long_fields=("body",),
)

ASK = ActionKind(
    name="ask_customer",
    title="Ask the customer",
    sentence="Ask {customer} for what is missing",
    arguments=Reply,
    target=subject_target,
    risk=Risk.MEDIUM,
    reversible=False,
    delivery=Delivery.RECONCILABLE,
    writer=HelpdeskWriter,
    perform=_reply,
    look=_find_reply,
    speaks=True,
    letter="body",
    long_fields=("body",),
)

REFUND = ActionKind(
    name="refund_payment",
    title="Refund a payment",
    sentence="Refund {amount} of charge {charge_id} to {customer}",
    arguments=Refund,
    target=charge_target,
    risk=Risk.HIGH,
    reversible=False,
    delivery=Delivery.IDEMPOTENT,
    writer=PaymentsWriter,
    perform=_refund,
    moves_money=True,
    never_automatic=True,
)

ESCALATE = ActionKind(
    name="escalate_ticket",
    title="Hand over to a team",
    sentence="Hand the ticket of {customer} over to {team}",
    arguments=Escalate,
    target=subject_target,
    risk=Risk.LOW,
    reversible=True,
    undo="escalate_ticket",
    delivery=Delivery.IDEMPOTENT,
    writer=HelpdeskWriter,
    perform=_escalate,
    long_fields=("note",),
)

TAG = ActionKind(
    name="add_tags",
    title="Tag the ticket",
    sentence="Tag the ticket: {tags}",
    arguments=Tags,
    target=subject_target,
    risk=Risk.LOW,
    reversible=True,
    delivery=Delivery.IDEMPOTENT,
    writer=HelpdeskWriter,
    perform=_tag,
)

CLOSE = ActionKind(
    name="close_ticket",
    title="Close the ticket",
    sentence="Mark the ticket of {customer} as solved",
    arguments=Close,
    target=subject_target,
    risk=Risk.LOW,
    reversible=True,
    delivery=Delivery.IDEMPOTENT,
    writer=HelpdeskWriter,
    perform=_close,
)

KINDS = (REFUND, REPLY, ASK, ESCALATE, TAG, CLOSE)
