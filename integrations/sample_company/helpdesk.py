"""The helpdesk of the sample company: tickets, their messages and the help articles.

A ticket's version token is raised by every change, whoever makes it. Replies are made as often as they are asked for and
can be found by their key; hand-overs are made once a key; tags and status are what they are set to.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.base import Receipt, Record
from integrations.errors import Permanent
from integrations.sample_company import desk, fulltext

STATUSES = ("open", "pending", "solved", "closed")
LONGEST_TAG = 60


class HelpdeskReads(desk.Desk):
    """`integrations.base.HelpdeskReader`."""

    @desk.reads
    def ticket(self, ticket_id: str) -> Record:
        with self.database.reading() as connection:
            return _record(connection, found(connection, ticket_id))

    @desk.reads
    def tickets_of(self, email: str, *, limit: int = 5) -> Sequence[Record]:
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM tickets WHERE requester_email = ? ORDER BY created_at DESC, ticket_id DESC LIMIT ?",
                (email.strip(), max(limit, 0)),
            ).fetchall()
            return [_record(connection, row) for row in rows]

    @desk.reads
    def articles(self, query: str, *, limit: int = 3) -> Sequence[Record]:
        with self.database.reading() as connection:
            hits = fulltext.best(connection, fulltext.ARTICLES, query, limit)
            return [
                article_record(connection.execute("SELECT * FROM articles WHERE slug = ?", (slug,)).fetchone(), score)
                for slug, score in hits
            ]


class HelpdeskWrites(desk.Desk):
    """`integrations.base.HelpdeskWriter`."""

    @desk.writes
    def reply(self, ticket_id: str, body: str, *, public: bool, key: str, if_version: str) -> Receipt:
        desk.text(body, "the reply")
        at = self.moment()
        with self.database.writing() as connection:
            row = _guarded(connection, ticket_id, if_version)
            if row["status"] == "closed":
                raise Permanent(f"ticket {ticket_id!r} is closed and takes no more messages")
            receipt = say(connection, row, "agent", body, at, public=public, key=key)
            kind = "reply" if public else "note"
            desk.count_effect(connection, kind, key, desk.ref("ticket", row["ticket_id"]), at)
            return receipt

    @desk.reads
    def find_reply(self, ticket_id: str, key: str) -> Receipt | None:
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT * FROM messages WHERE ticket_id = ? AND key = ? ORDER BY message_id LIMIT 1",
                (number(ticket_id), key),
            ).fetchone()
        if row is None:
            return None
        return Receipt(
            desk.ref("message", row["message_id"]),
            row["version_before"],
            row["version_after"],
            {"ticket_id": ticket_id, "public": bool(row["public"]), "at": row["at"]},
        )

    @desk.writes
    def add_tags(self, ticket_id: str, tags: Sequence[str], *, key: str, if_version: str) -> Receipt:
        wanted = [desk.line(tag, "a tag").strip().casefold() for tag in tags]
        if not wanted or any(len(tag) > LONGEST_TAG or " " in tag for tag in wanted):
            raise Permanent(f"tags are single words of at most {LONGEST_TAG} characters, and at least one is needed")
        with self.database.writing() as connection:
            row = found(connection, ticket_id)
            present: list[str] = json.loads(row["tags"])
            missing = [tag for tag in dict.fromkeys(wanted) if tag not in present]
            if not missing:
                return _unchanged(row)
            desk.guard(desk.token(row["version"]), if_version, f"ticket {ticket_id!r}")
            return self._change(connection, row, "tags", desk.dump(sorted([*present, *missing])), "add_tags", key)

    @desk.writes
    def assign(self, ticket_id: str, team: str, note: str, *, key: str, if_version: str) -> Receipt:
        desk.line(team, "the team")
        desk.text(note, "the note")
        arguments = {"ticket_id": ticket_id, "team": team, "note": note}
        with self.database.writing() as connection:
            if earlier := desk.recall(connection, "assign", key, arguments):
                return earlier
            row = _guarded(connection, ticket_id, if_version)
            at = self.moment()
            say(connection, row, "agent", note, at, public=False, key=None)
            # The note has raised the token already: hand-over and note are one change.
            connection.execute("UPDATE tickets SET team = ? WHERE ticket_id = ?", (team, row["ticket_id"]))
            target = desk.ref("ticket", row["ticket_id"])
            desk.count_effect(connection, "assign", key, target, at)
            receipt = Receipt(target, desk.token(row["version"]), desk.token(row["version"] + 1), {"team": team})
            return desk.remember(connection, "assign", key, arguments, receipt)

    @desk.writes
    def set_status(self, ticket_id: str, status: str, *, key: str, if_version: str) -> Receipt:
        if status not in STATUSES:
            raise Permanent(f"{status!r} is no status of a ticket: it is one of {', '.join(STATUSES)}")
        with self.database.writing() as connection:
            row = found(connection, ticket_id)
            if row["status"] == status:
                return _unchanged(row)
            desk.guard(desk.token(row["version"]), if_version, f"ticket {ticket_id!r}")
            if row["status"] == "closed":
                raise Permanent(f"ticket {ticket_id!r} is closed for good")
            return self._change(connection, row, "status", status, "set_status", key)

    def _change(
        self, connection: sqlite3.Connection, row: sqlite3.Row, column: str, value: str, kind: str, key: str
    ) -> Receipt:
        at = self.moment()
        connection.execute(
            f"UPDATE tickets SET {column} = ?, changed_at = ?, version = version + 1 WHERE ticket_id = ?",  # noqa: S608 - own names
            (value, at, row["ticket_id"]),
        )
        target = desk.ref("ticket", row["ticket_id"])
        desk.count_effect(connection, kind, key, target, at)
        return Receipt(target, desk.token(row["version"]), desk.token(row["version"] + 1), {column: value})


def number(ticket_id: str) -> int:
    """Ticket numbers are plain digits; everything else names no ticket."""
    if not (ticket_id.isascii() and ticket_id.isdigit() and len(ticket_id) < 19):
        raise Permanent(f"there is no ticket {ticket_id!r}")
    return int(ticket_id)


def found(connection: sqlite3.Connection, ticket_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM tickets WHERE ticket_id = ?", (number(ticket_id),)
    ).fetchone()
    if row is None:
        raise Permanent(f"there is no ticket {ticket_id!r}")
    return row


def say(
    connection: sqlite3.Connection,
    ticket: sqlite3.Row,
    author: str,
    body: str,
    at: str,
    *,
    public: bool,
    key: str | None,
) -> Receipt:
    """Add one message and raise the ticket's token."""
    before, after = desk.token(ticket["version"]), desk.token(ticket["version"] + 1)
    message_id = connection.execute(
        "INSERT INTO messages (ticket_id, author, public, body, at, key, version_before, version_after)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (ticket["ticket_id"], author, public, body, at, key, before, after),
    ).lastrowid
    connection.execute(
        "UPDATE tickets SET changed_at = ?, version = version + 1 WHERE ticket_id = ?", (at, ticket["ticket_id"])
    )
    data = {"ticket_id": str(ticket["ticket_id"]), "public": public, "at": at}
    return Receipt(desk.ref("message", message_id), before, after, data)


def messages(connection: sqlite3.Connection, ticket_id: int) -> list[Mapping[str, Any]]:
    rows = connection.execute(
        "SELECT author, body, at, public FROM messages WHERE ticket_id = ? ORDER BY message_id", (ticket_id,)
    )
    return [{**dict(row), "public": bool(row["public"])} for row in rows]


def article_record(row: sqlite3.Row, score: float) -> Record:
    return Record(
        ref=desk.ref("article", row["slug"]),
        kind="article",
        title=row["title"],
        data={"title": row["title"], "body": row["body"], "revised_at": row["revised_at"], "score": score},
        version=row["revised_at"],
        trusted=True,
        url=f"/sample/help/{row['slug']}",
    )


def _guarded(connection: sqlite3.Connection, ticket_id: str, if_version: str) -> sqlite3.Row:
    row = found(connection, ticket_id)
    desk.guard(desk.token(row["version"]), if_version, f"ticket {ticket_id!r}")
    return row


def _unchanged(row: sqlite3.Row) -> Receipt:
    """The ticket is already as asked: nothing to guard, nothing to count."""
    present = desk.token(row["version"])
    return Receipt(desk.ref("ticket", row["ticket_id"]), present, present, {"unchanged": True})


def _record(connection: sqlite3.Connection, row: sqlite3.Row) -> Record:
    ticket_id = str(row["ticket_id"])
    return Record(
        ref=desk.ref("ticket", ticket_id),
        kind="ticket",
        title=row["title"],
        data={
            "ticket_id": ticket_id,
            "title": row["title"],
            "status": row["status"],
            "priority": row["priority"],
            "tags": json.loads(row["tags"]),
            "team": row["team"],
            "requester_email": row["requester_email"],
            "requester_name": row["requester_name"],
            "channel": row["channel"],
            "created_at": row["created_at"],
            "messages": messages(connection, row["ticket_id"]),
        },
        version=desk.token(row["version"]),
        trusted=False,
        url=f"/sample/tickets/{ticket_id}",
    )
