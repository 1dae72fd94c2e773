"""Transactions: what may be done about a charge that looks wrong."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from integrations.base import MailWriter, PaymentsWriter, Receipt, RiskDeskWriter
from workers.actions.base import ActionKind, Arguments, Delivery, Effect, Risk, subject_target
from workers.actions.support import Body, Line


class Hold(Arguments):
    reason: Line = Field(description="Why, for the books")


class Documents(Arguments):
    to: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=320)] = Field(
        description="The customer's e-mail address on record"
    )
    subject: Line = Field(description="Subject line")
    body: Body = Field(description="The text that the customer gets; never says why the charge was flagged")


class Signal(Arguments):
    name: Line
    score: Annotated[int, Field(ge=-100, le=100)]
    detail: Line


class RiskCase(Arguments):
    summary: Body = Field(description="What happened and what speaks for and against it")
    signals: Annotated[list[Signal], Field(max_length=30)] = Field(description="Scored signals")


class Route(Arguments):
    team: Line = Field(description="The team that takes over")
    note: Body = Field(description="For colleagues only")


def _hold(payments: PaymentsWriter, arguments: Hold, effect: Effect) -> Receipt:
    return payments.hold(effect.target_id, arguments.reason, key=effect.key, if_version=effect.if_version)


def _release(payments: PaymentsWriter, arguments: Hold, effect: Effect) -> Receipt:
    return payments.release(effect.target_id, arguments.reason, key=effect.key, if_version=effect.if_version)


def _ask(mail: MailWriter, arguments: Documents, effect: Effect) -> Receipt:
    return mail.send(arguments.to, arguments.subject, arguments.body, key=effect.key)


def _file(desk: RiskDeskWriter, arguments: RiskCase, effect: Effect) -> Receipt:
    signals = [signal.model_dump() for signal in arguments.signals]
    return desk.file_case(effect.target_id, arguments.summary, signals, key=effect.key)


def _route(desk: RiskDeskWriter, arguments: Route, effect: Effect) -> Receipt:
    return desk.route(effect.target_id, arguments.team, arguments.note, key=effect.key)


HOLD = ActionKind(
    name="hold_charge",
    title="Hold the charge",
    sentence="Hold the charge of {customer}: {reason}",
    arguments=Hold,
    target=subject_target,
    risk=Risk.HIGH,
    reversible=True,
    undo="release_charge",
    delivery=Delivery.IDEMPOTENT,
    writer=PaymentsWriter,
    perform=_hold,
)

RELEASE = ActionKind(
    name="release_charge",
    title="Release the charge",
    sentence="Let the charge of {customer} go through: {reason}",
    arguments=Hold,
    target=subject_target,
    risk=Risk.MEDIUM,
    reversible=True,
    undo="hold_charge",
    delivery=Delivery.IDEMPOTENT,
    writer=PaymentsWriter,
    perform=_release,
    # What was let go through cannot be called back once the goods are sent.
    never_automatic=True,
)

DOCUMENTS = ActionKind(
    name="request_documents",
    title="Ask for documents",
    sentence="Send {to} an e-mail: {subject}",
    arguments=Documents,
    target=subject_target,
    risk=Risk.MEDIUM,
    reversible=False,
    # A mail server takes no key and keeps no list that we could ask.
    delivery=Delivery.AT_MOST_ONCE,
    writer=MailWriter,
    perform=_ask,
    speaks=True,
    letter="body",
    long_fields=("body",),
)

FILE = ActionKind(
    name="file_case",
    title="File a risk case",
    sentence="Put the findings on the charge of {customer} on file",
    arguments=RiskCase,
    target=subject_target,
    risk=Risk.LOW,
    reversible=True,
    delivery=Delivery.IDEMPOTENT,
    writer=RiskDeskWriter,
    perform=_file,
    guarded=False,
    long_fields=("summary",),
)

ROUTE = ActionKind(
    name="route_charge",
    title="Route to a team",
    sentence="Route the charge of {customer} to {team}",
    arguments=Route,
    target=subject_target,
    risk=Risk.LOW,
    reversible=True,
    delivery=Delivery.IDEMPOTENT,
    writer=RiskDeskWriter,
    perform=_route,
    guarded=False,
    long_fields=("note",),
)

KINDS = (HOLD, RELEASE, FILE, ROUTE, DOCUMENTS)
