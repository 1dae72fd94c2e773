"""What came back to the people: conversations, refunds and holds, drafts, mails, risk cases. Looks, never changes.

Read by the demo, the tests and the `/sample` page; no weather here, because these are eyes and not systems. "Lately" means
on or after the day that the company was made for: everything generated is older.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from integrations.base import Record
from integrations.errors import Permanent
from integrations.sample_company import helpdesk, payments
from integrations.sample_company.company import SampleCompany

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Conversation:
    ticket_id: str
    title: str
    status: str
    team: str
    tags: Sequence[str]
    requester_email: str
    requester_name: str
    messages: Sequence[Row]

    @property
    def replies(self) -> list[Row]:
        """What was said to the customer."""
        return [message for message in self.messages if message["author"] != "customer" and message["public"]]


class Aftermath:
    def __init__(self, company: SampleCompany) -> None:
        self._database = company.database

    def conversation(self, ticket_id: str) -> Conversation:
        """Raise `Permanent` for an unknown ticket."""
        with self._database.reading() as connection:
            ticket = helpdesk.found(connection, ticket_id)
            said = helpdesk.messages(connection, ticket["ticket_id"])
        return Conversation(
            ticket_id=ticket_id,
            title=ticket["title"],
            status=ticket["status"],
            team=ticket["team"],
            tags=json.loads(ticket["tags"]),
            requester_email=ticket["requester_email"],
            requester_name=ticket["requester_name"],
            messages=[dict(message) for message in said],
        )

    def conversations(self, *, limit: int = 10) -> list[Conversation]:
        """The tickets that moved lately, the latest first."""
        rows = self._rows(
            "SELECT ticket_id FROM tickets WHERE changed_at >= :since ORDER BY changed_at DESC, ticket_id DESC LIMIT :limit",
            limit=limit,
        )
        return [self.conversation(str(row["ticket_id"])) for row in rows]

    def open_tickets_of(self, email: str, *, limit: int = 10) -> list[Row]:
        """What a customer can still write on, newest first: ``ticket_id, title, status``."""
        return self._rows(
            "SELECT ticket_id, title, status FROM tickets WHERE requester_email = :email AND status <> 'closed'"
            " ORDER BY ticket_id DESC LIMIT :limit",
            email=email,
            limit=limit,
        )

    def charge_history(self, charge_id: str) -> list[Row]:
        """What was done to a charge, oldest first: ``kind, key, amount_minor, currency, at``."""
        return self._rows(
            "SELECT kind, key, amount_minor, currency, at FROM effects WHERE target = :target ORDER BY effect_id",
            target=f"sample:charge:{charge_id}",
        )

    def charges(self, *, limit: int = 10) -> list[Row]:
        """The charges that were made or changed lately, the latest first, each with its customer's name and history."""
        rows = self._rows(
            "SELECT h.*, c.name AS customer_name FROM charges h JOIN customers c USING (customer_id)"
            " WHERE h.changed_at >= :since ORDER BY h.changed_at DESC, h.charge_id DESC LIMIT :limit",
            limit=limit,
        )
        return [{**row, "history": self.charge_history(row["charge_id"])} for row in rows]

    def drafts(self, *, limit: int = 10) -> list[Row]:
        """Posts in status draft, newest first: ``slug, title, body, meta, key, created_at``."""
        rows = self._rows(
            "SELECT slug, title, body, meta, key, created_at FROM posts WHERE status = 'draft'"
            " ORDER BY post_id DESC LIMIT :limit",
            limit=limit,
        )
        return [{**row, "meta": json.loads(row["meta"])} for row in rows]

    def mails(self, *, limit: int = 10) -> list[Row]:
        """Mails sent, newest first: ``mail_id, recipient, subject, body, at``."""
        return self._rows("SELECT * FROM mails ORDER BY mail_id DESC LIMIT :limit", limit=limit)

    def risk_cases(self, *, limit: int = 10) -> list[Row]:
        """Cases on file, newest first: ``case_id, charge_id, summary, signals, at`` and ``routings``: [{team, note, at}]."""
        rows = self._rows("SELECT * FROM risk_cases ORDER BY at DESC, case_id LIMIT :limit", limit=limit)
        return [
            {**row, "signals": json.loads(row["signals"]), "routings": self.routings(row["charge_id"])} for row in rows
        ]

    def routings(self, charge_id: str) -> list[Row]:
        return self._rows(
            "SELECT routing_id, team, note, at FROM routings WHERE charge_id = :charge ORDER BY at", charge=charge_id
        )

    def record(self, table: str, column: str, name: str) -> Row:
        """One row for the deep links of the page. Table and column are the page's own words. Raise `Permanent`."""
        rows = self._rows(f"SELECT * FROM {table} WHERE {column} = :name", name=name)  # noqa: S608 - own names
        if not rows:
            raise Permanent(f"there is nothing called {name!r} here")
        return rows[0]

    def dispute_records(self, charge_id: str) -> list[Record]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT * FROM disputes WHERE charge_id = ?", (charge_id,)).fetchall()
        return [payments.dispute_record(row) for row in rows]

    def _rows(self, sql: str, **values: Any) -> list[Row]:
        with self._database.reading() as connection:
            if ":since" in sql:
                (today,) = connection.execute("SELECT value FROM about WHERE name = 'today'").fetchone()
                values["since"] = f"{today}T00:00:00Z"
            return [dict(row) for row in connection.execute(sql, values)]
