"""What the `/sample` page shows: looks things up and fills the templates. Called by `page`; changes nothing.

Records are read past the weather, because a page that shows the faults must not be hit by them. Everything that a customer
or a competitor wrote is escaped by the templates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from integrations.errors import Permanent
from integrations.sample_company import cast, faults, payments, personas
from integrations.sample_company.aftermath import Aftermath
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.outbox import Outbox
from integrations.sample_company.shopfront import Scenario

TEMPLATES = Path(__file__).with_name("templates")
EVENTS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record that has a page of its own: where its rows are, and which column names them."""

    table: str
    column: str
    noun: str
    title: str


#: By the word in the address.
KINDS = {
    "charges": Kind("charges", "charge_id", "Charge", "charge_id"),
    "customers": Kind("customers", "customer_id", "Customer", "name"),
    "orders": Kind("orders", "order_number", "Order", "order_number"),
    "disputes": Kind("disputes", "dispute_id", "Dispute", "dispute_id"),
    "refunds": Kind("refunds", "refund_id", "Refund", "refund_id"),
    "help": Kind("articles", "slug", "Help page", "title"),
    "posts": Kind("posts", "slug", "Post", "title"),
    "pages": Kind("pages", "page_id", "Stored page of a competitor", "title"),
    "searches": Kind("searches", "slug", "Stored result page", "query"),
    "watch-list": Kind("watch_list", "entry_id", "Watch list entry", "listed"),
    "stock": Kind("stock", "item_id", "Stock item", "name"),
    "vendors": Kind("vendors", "vendor_id", "Vendor", "name"),
    "mails": Kind("mails", "mail_id", "Mail", "subject"),
    "risk-cases": Kind("risk_cases", "case_id", "Risk case", "case_id"),
    "briefs": Kind("brief_requests", "request_id", "Request for a brief", "keyword"),
}
#: Columns that name a record of another kind.
_LINKS = {
    "charge_id": "charges",
    "customer_id": "customers",
    "order_number": "orders",
    "item_id": "stock",
    "vendor_id": "vendors",
}
#: What was done to a charge, as people say it.
_DEEDS = {
    "refund": "Refunded",
    "hold": "Held",
    "release": "Released",
    "file_case": "Case filed",
    "route": "Handed over",
}
_JSON = {"items", "signals", "results", "meta", "tags"}

SCENARIOS = (
    (Scenario.NORMAL, "Pay as usual", "Own card, own device, at home."),
    (Scenario.TRAVELLER, "Pay while travelling", "Own card and device, from abroad: looks odd, is honest."),
    (Scenario.STOLEN, "Pay with the stolen card", "Three small trials, then this amount: new device, listed card."),
    (Scenario.TWICE, "Be charged twice", "The shop's mistake: one order, two payments."),
)
#: What the weather can be set for, and how it is called there.
OPERATIONS = (
    (faults.WRITES, "everything that is written"),
    (faults.READS, "everything that is read"),
    ("reply", "replies to customers"),
    ("refund", "refunds"),
    ("hold", "holds"),
    ("create_draft", "drafts"),
    ("send", "mails"),
    ("customer", "reading the customer"),
)


class Views:
    def __init__(self, company: SampleCompany) -> None:
        self._weather = company.weather
        self._aftermath = Aftermath(company)
        self._outbox = Outbox(company.database)
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["money"] = _money
        self._templates.filters["moment"] = _moment
        self._templates.filters["deed"] = lambda kind: _DEEDS.get(kind, kind)
        self._templates.globals["shop"] = cast.SHOP_NAME

    def company(self, who: str, letter: str, topic: str, asked: Mapping[str, str]) -> str:
        persona = personas.BY_KEY.get(who, personas.PERSONAS[0])
        letters = {ready.key: ready for ready in persona.letters}
        return self._render(
            "company.html",
            persona=persona,
            personas=personas.PERSONAS,
            letter=letters.get(letter),
            topic=personas.TOPICS_BY_KEY.get(topic),
            topics=personas.TOPICS,
            tickets=self._aftermath.open_tickets_of(persona.character.email),
            scenarios=SCENARIOS,
            editor=cast.EDITOR_NAME,
            operations=OPERATIONS,
            faults=list(faults.Fault),
            forecast=self._weather.forecast(),
            sent=asked.get("sent", ""),
            **self._came_back(),
        )

    def came_back(self) -> str:
        return self._render("_came_back.html", **self._came_back())

    def ticket(self, ticket_id: str) -> str:
        return self._render("ticket.html", ticket=self._aftermath.conversation(ticket_id))

    def record(self, word: str, name: str) -> str:
        if word not in KINDS:
            raise Permanent(f"there is no kind of record called {word!r}")
        kind = KINDS[word]
        row = self._aftermath.record(kind.table, kind.column, name)
        html = row.pop("html", None)
        fields = {column: json.loads(value) if column in _JSON else value for column, value in row.items()}
        return self._render(
            "record.html",
            noun=kind.noun,
            title=row[kind.title],
            fields=fields,
            links={column: word for column, word in _LINKS.items() if column != kind.column},
            html=html,
            history=self._aftermath.charge_history(name) if word == "charges" else [],
            disputes=self._aftermath.dispute_records(name) if word == "charges" else [],
        )

    def trouble(self, title: str, message: str) -> str:
        return self._render("trouble.html", title=title, message=message)

    def _came_back(self) -> dict[str, Any]:
        return {
            "conversations": self._aftermath.conversations(),
            "charges": self._aftermath.charges(),
            "drafts": self._aftermath.drafts(),
            "mails": self._aftermath.mails(),
            "risk_cases": self._aftermath.risk_cases(),
            "events": self._outbox.events()[:EVENTS_SHOWN],
        }

    def _render(self, name: str, **values: Any) -> str:
        return self._templates.get_template(name).render(**values)


def _money(amount_minor: int, currency: str) -> str:
    return payments.money(amount_minor, currency)


def _moment(stamp: str) -> str:
    """``2026-11-20T10:00:00Z`` as people read it."""
    return stamp.replace("T", " ").removesuffix("Z") + " UTC"
