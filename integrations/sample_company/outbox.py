"""Webhooks that wait to be sent: a row is written with the change that it reports, and leaves only after a 2xx.

`shopfront` puts events in, `sender` takes them out. Taking sets the row's next due time first: a sender that dies with
an event in hand loses nothing, and two senders do not usually send the same one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.base import EventType
from integrations.sample_company import desk
from integrations.sample_company.database import Database
from integrations.sample_company.times import stamp

#: Seconds that a taken event stays with its sender: longer than any request of it may last.
IN_HAND = 60.0


@dataclass(frozen=True, slots=True)
class Letter:
    """One event on its way. `attempts` counts this one."""

    position: int
    event_id: str
    body: bytes
    attempts: int


def put(connection: sqlite3.Connection, kind: EventType, data: Mapping[str, Any], at: datetime) -> str:
    """Write one event down, inside the caller's transaction."""
    event_id = desk.new_id("evt")
    body = {"id": event_id, "type": str(kind), "occurred_at": stamp(at), "data": dict(data)}
    connection.execute(
        "INSERT INTO outbox (event_id, type, body, created_at, due) VALUES (?, ?, ?, ?, ?)",
        (event_id, str(kind), json.dumps(body, ensure_ascii=False), stamp(at), at.timestamp()),
    )
    return event_id


class Outbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, at: datetime) -> Letter | None:
        """The event that has been due longest, now in the caller's hand."""
        with self._database.reading() as connection:
            # Asked several times a second and mostly in vain: no write lock for that.
            waiting = connection.execute("SELECT 1 FROM outbox WHERE due <= ? LIMIT 1", (at.timestamp(),)).fetchone()
        if waiting is None:
            return None
        with self._database.writing() as connection:
            row = connection.execute(
                "UPDATE outbox SET attempts = attempts + 1, due = :later WHERE position ="
                " (SELECT position FROM outbox WHERE due <= :now ORDER BY due, position LIMIT 1) RETURNING *",
                {"now": at.timestamp(), "later": at.timestamp() + IN_HAND},
            ).fetchone()
        return Letter(row["position"], row["event_id"], row["body"].encode(), row["attempts"]) if row else None

    def put_back(self, at: datetime) -> None:
        """Whatever a dead sender had in hand is due now. Only for a sender that knows to be alone."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE outbox SET due = :now WHERE due > :now AND attempts > 0", {"now": at.timestamp()}
            )

    def delivered(self, letter: Letter, at: datetime, answer: str) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE outbox SET due = NULL, delivered_at = ?, last_answer = ? WHERE position = ?",
                (stamp(at), answer, letter.position),
            )

    def put_off(self, letter: Letter, until: datetime, answer: str) -> None:
        """Not delivered: due again at `until`. `answer` says what came instead of a 2xx."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE outbox SET due = ?, last_answer = ? WHERE position = ? AND delivered_at IS NULL",
                (until.timestamp(), answer, letter.position),
            )

    def events(self) -> list[dict[str, Any]]:
        """Every event ever put, newest first, as the `/sample` page and tests look at it."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT * FROM outbox ORDER BY position DESC").fetchall()
        return [{**dict(row), "body": json.loads(row["body"])} for row in rows]
