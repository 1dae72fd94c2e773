"""What happens in front of the counter: customers write, pay and wait; the warehouse runs low; an editor asks for a brief.

Used by the demo, the tests and the `/sample` page, never by an agent. Each act changes the company's state and puts the
event that reports it into the outbox in one transaction.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from integrations.base import EventType
from integrations.errors import Permanent
from integrations.sample_company import cast, desk, helpdesk, outbox, payments, riskdesk, rules
from integrations.sample_company.aftermath import Aftermath
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.database import insert
from integrations.sample_company.times import stamp

#: A webhook's body should stay small; a customer's letter may not be longer than this.
LONGEST_LETTER = 20_000
HIGHEST_MINOR = 10_000_000
#: How a stolen card is tried first: minutes before, and minor units.
TRIALS = ((7, 100), (5, 250), (3, 490))


class Scenario(StrEnum):
    """Under which circumstances a payment is made."""

    #: own card, own device, at home
    NORMAL = "normal"
    #: a thief: listed card, foreign connection, new device, three small trials in the minutes before
    STOLEN = "stolen"
    #: own card and device, but abroad
    TRAVELLER = "traveller"
    #: the shop's mistake: one order, charged twice
    TWICE = "twice"


class Shopfront(Aftermath):
    """The acts of people, and with `Aftermath` what they get to see. `Permanent` for what no shop would take."""

    def __init__(self, company: SampleCompany) -> None:
        super().__init__(company)
        self._clock = company.clock

    def write_ticket(self, email: str, subject: str, body: str, *, channel: str = "email") -> str:
        """A letter to the helpdesk, from a known address or an unknown one; the new ticket's id."""
        desk.line(subject, "the subject")
        _letter(body)
        now = self._clock()
        with self._database.writing() as connection:
            name = _name(connection, email)
            ticket_id = connection.execute(
                "INSERT INTO tickets (title, status, priority, tags, team, requester_email, requester_name, channel,"
                " created_at, changed_at) VALUES (?, 'open', 'normal', '[]', 'front desk', ?, ?, ?, ?, ?)",
                (subject, email, name, channel, stamp(now), stamp(now)),
            ).lastrowid
            connection.execute(
                "INSERT INTO messages (ticket_id, author, public, body, at) VALUES (?, 'customer', 1, ?, ?)",
                (ticket_id, body, stamp(now)),
            )
            ticket = helpdesk.found(connection, str(ticket_id))
            outbox.put(connection, EventType.TICKET_CREATED, _ticket_data(ticket, body), now)
        return str(ticket_id)

    def comment(self, ticket_id: str, body: str) -> None:
        """The requester writes again; a solved ticket is open anew."""
        _letter(body)
        now = self._clock()
        with self._database.writing() as connection:
            ticket = helpdesk.found(connection, ticket_id)
            if ticket["status"] == "closed":
                raise Permanent(f"ticket {ticket_id!r} is closed: write a new one")
            helpdesk.say(connection, ticket, "customer", body, stamp(now), public=True, key=None)
            connection.execute("UPDATE tickets SET status = 'open' WHERE ticket_id = ?", (ticket["ticket_id"],))
            outbox.put(connection, EventType.TICKET_COMMENTED, _ticket_data(ticket, body), now)

    def pay(self, who: str, amount_minor: int, scenario: Scenario = Scenario.NORMAL) -> str:
        """An order is placed and paid by the customer with this id or e-mail, or by somebody in their name; the charge's
        id. The shop's rules look at it and may flag it."""
        if not 0 < amount_minor <= HIGHEST_MINOR:
            raise Permanent(f"an amount lies between 1 and {HIGHEST_MINOR} minor units")
        now = self._clock()
        with self._database.writing() as connection:
            customer = _customer(connection, who)
            circumstances = _circumstances(Scenario(scenario), now)
            if scenario is Scenario.STOLEN:
                for minutes, trial in TRIALS:
                    at = stamp(now - timedelta(minutes=minutes))
                    _buy(connection, customer, trial, at, circumstances)
            charge_id = _buy(connection, customer, amount_minor, stamp(now), circumstances)
            if scenario is Scenario.TWICE:
                row = dict(payments.found(connection, charge_id))
                insert(connection, "charges", [{**row, "charge_id": f"{charge_id}-2"}])
            self._look_at(connection, charge_id)
        return charge_id

    def flag(self, charge_id: str) -> list[str]:
        """Let the shop's rules look at an earlier payment again; the rules that fired, empty where it was not flagged."""
        with self._database.writing() as connection:
            return self._look_at(connection, charge_id)

    def dispute(self, charge_id: str, reason: str = "fraudulent") -> str:
        """The bank takes the money back. No event tells of it: only a fresh read of the charge does."""
        now = stamp(self._clock())
        with self._database.writing() as connection:
            charge = payments.found(connection, charge_id)
            if charge["status"] == "disputed":
                raise Permanent(f"charge {charge_id!r} is disputed already")
            dispute_id = desk.new_id("dp")
            row = {
                "dispute_id": dispute_id,
                "charge_id": charge_id,
                "customer_id": charge["customer_id"],
                "reason": reason,
                "status": "needs_response",
                "amount_minor": charge["amount_minor"] - charge["refunded_minor"],
                "currency": charge["currency"],
                "opened_at": now,
            }
            insert(connection, "disputes", [row])
            connection.execute(
                "UPDATE charges SET status = 'disputed', changed_at = ?, version = version + 1 WHERE charge_id = ?",
                (now, charge_id),
            )
        return dispute_id

    def ask_brief(self, email: str, keyword: str, text: str, *, audience: str = "hikers who buy online") -> str:
        """A colleague asks for a content brief; the request's id."""
        desk.line(keyword, "the keyword")
        desk.line(audience, "the audience")
        _letter(text)
        now = self._clock()
        request_id = desk.new_id("br")
        row = {
            "request_id": request_id,
            "keyword": keyword,
            "text": text,
            "audience": audience,
            "requester_email": email,
            "at": stamp(now),
        }
        with self._database.writing() as connection:
            insert(connection, "brief_requests", [row])
            data = {name: row[name] for name in ("request_id", "keyword", "audience", "requester_email", "text")}
            outbox.put(connection, EventType.BRIEF_REQUESTED, {**data, "title": f"Brief wanted: {keyword}"}, now)
        return request_id

    def sell(self, item_id: str, quantity: int) -> None:
        """Goods leave the warehouse. What falls to its reorder level by that is reported once."""
        if quantity < 1:
            raise Permanent("at least one piece is sold")
        with self._database.writing() as connection:
            before = _item(connection, item_id)
            if before["on_hand"] < quantity:
                raise Permanent(f"only {before['on_hand']} pieces of {item_id!r} are on hand")
            connection.execute("UPDATE stock SET on_hand = on_hand - ? WHERE item_id = ?", (quantity, item_id))
            after = _item(connection, item_id)
            if before["on_hand"] > before["reorder_level"] >= after["on_hand"]:
                self._report(connection, after)

    def count_stock(self, item_id: str) -> bool:
        """Somebody counts an item; reported where it lies at its reorder level or below."""
        with self._database.writing() as connection:
            item = _item(connection, item_id)
            short = bool(item["on_hand"] <= item["reorder_level"])
            if short:
                self._report(connection, item)
        return short

    def _look_at(self, connection: sqlite3.Connection, charge_id: str) -> list[str]:
        charge = dict(payments.found(connection, charge_id))
        earlier = connection.execute(
            "SELECT created_at FROM charges WHERE customer_id = ? AND created_at <= ? ORDER BY created_at DESC LIMIT 20",
            (charge["customer_id"], charge["created_at"]),
        ).fetchall()
        watched = connection.execute("SELECT * FROM watch_list ORDER BY entry_id").fetchall()
        names = rules.fired(charge, earlier, riskdesk.listed(watched, rules.watched_terms(charge)))
        if names:
            email, name = connection.execute(
                "SELECT email, name FROM customers WHERE customer_id = ?", (charge["customer_id"],)
            ).fetchone()
            sum_of_money = payments.money(charge["amount_minor"], charge["currency"])
            data = {
                "charge_id": charge_id,
                "customer_email": email,
                "amount_minor": charge["amount_minor"],
                "currency": charge["currency"],
                "rules": names,
                "title": f"{sum_of_money} by {name} flagged: {', '.join(names)}",
                "text": f"Payment {charge_id} for {charge['order_number']} was flagged by the shop's rules: "
                + "; ".join(rules.MEANING[rule] for rule in names)
                + ".",
            }
            outbox.put(connection, EventType.CHARGE_FLAGGED, data, self._clock())
        return names

    def _report(self, connection: sqlite3.Connection, item: sqlite3.Row) -> None:
        data = {
            "item_id": item["item_id"],
            "on_hand": item["on_hand"],
            "reorder_level": item["reorder_level"],
            "title": f"{item['name']} is running low",
            "text": f"{item['on_hand']} pieces in {item['warehouse']}, reorder level {item['reorder_level']}, "
            f"{item['sold_30d']} sold in 30 days, {item['ordered']} on order.",
        }
        outbox.put(connection, EventType.STOCK_SHORT, data, self._clock())


def _letter(body: str) -> None:
    desk.text(body, "the message", longest=LONGEST_LETTER)


def _name(connection: sqlite3.Connection, email: str) -> str:
    desk.line(email, "the e-mail address")
    if "@" not in email:
        raise Permanent(f"{email!r} is no e-mail address")
    row = connection.execute("SELECT name FROM customers WHERE email = ?", (email,)).fetchone()
    return str(row["name"]) if row else email.partition("@")[0]


def _ticket_data(ticket: sqlite3.Row, body: str) -> dict[str, Any]:
    return {
        "ticket_id": str(ticket["ticket_id"]),
        "requester_email": ticket["requester_email"],
        "requester_name": ticket["requester_name"],
        "channel": ticket["channel"],
        "title": ticket["title"],
        "text": body,
    }


def _customer(connection: sqlite3.Connection, who: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM customers WHERE customer_id = :who OR email = :who", {"who": who}
    ).fetchone()
    if row is None:
        raise Permanent(f"there is no customer {who!r}")
    return row


def _item(connection: sqlite3.Connection, item_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM stock WHERE item_id = ?", (item_id,)).fetchone()
    if row is None:
        raise Permanent(f"there is no stock item {item_id!r}")
    return row


def _circumstances(scenario: Scenario, now: datetime) -> dict[str, Any]:
    """How a payment differs from the customer's usual ones."""
    match scenario:
        case Scenario.STOLEN:
            return {
                "card_fingerprint": cast.STOLEN_FINGERPRINT,
                "ip": cast.STOLEN_IP,
                "ip_country": cast.STOLEN_IP_COUNTRY,
                "device_id": cast.STOLEN_DEVICE,
                "device_first_seen_at": stamp(now - timedelta(minutes=8)),
                "shipping_country": cast.FORWARDER_COUNTRY,
                "shipping_address": cast.FORWARDER,
                "three_d_secure": 0,
                "risk_score": 88,
            }
        case Scenario.TRAVELLER:
            return {"ip": cast.TRAVELLER_IP, "ip_country": cast.TRAVELLER_IP_COUNTRY, "risk_score": 52}
        case Scenario.NORMAL | Scenario.TWICE:
            return {}


def _buy(
    connection: sqlite3.Connection, customer: sqlite3.Row, amount_minor: int, at: str, circumstances: dict[str, Any]
) -> str:
    """One order and its charge, under the circumstances; the charge's id."""
    (number,) = connection.execute("SELECT max(CAST(substr(order_number, 4) AS INTEGER)) + 1 FROM orders").fetchone()
    charge_id = f"ch_{number}"
    basket = [{"sku": "BASKET", "name": "Mixed basket", "quantity": 1, "price_minor": amount_minor}]
    order = {
        "order_number": f"NW-{number}",
        "customer_id": customer["customer_id"],
        "status": "placed",
        "placed_at": at,
        "total_minor": amount_minor,
        "currency": customer["currency"],
        "charge_id": charge_id,
        "items": desk.dump(basket),
    }
    charge = {
        "charge_id": charge_id,
        "customer_id": customer["customer_id"],
        "order_number": order["order_number"],
        "amount_minor": amount_minor,
        "refunded_minor": 0,
        "currency": customer["currency"],
        "status": "succeeded",
        "created_at": at,
        **{name: customer[name] for name in ("card_brand", "card_last4", "card_country", "card_fingerprint")},
        **{name: customer[name] for name in ("device_id", "device_first_seen_at")},
        "ip": customer["home_ip"],
        "ip_country": customer["country"],
        "billing_country": customer["country"],
        "shipping_country": customer["country"],
        "shipping_address": customer["address"],
        "three_d_secure": 1,
        "risk_score": 8,
        "changed_at": at,
    }
    insert(connection, "orders", [order])
    insert(connection, "charges", [{**charge, **circumstances}])
    return charge_id
