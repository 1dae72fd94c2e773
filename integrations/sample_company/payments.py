"""The payments desk of the sample company: charges, refunds, holds and disputes.

Behaves as a good payment provider does: every write is done once a key and answers the same receipt again; a refund that
exceeds what is left, in another currency or of a disputed charge is refused; the charge's version token guards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.base import Receipt, Record
from integrations.errors import Permanent
from integrations.sample_company import desk

_INTERNAL = {"changed_at", "version"}


class PaymentsReads(desk.Desk):
    """`integrations.base.PaymentsReader`."""

    @desk.reads
    def charge(self, charge_id: str) -> Record | None:
        with self.database.reading() as connection:
            row = connection.execute("SELECT * FROM charges WHERE charge_id = ?", (charge_id,)).fetchone()
        return charge_record(row) if row else None

    @desk.reads
    def charges_of(self, customer_id: str, *, limit: int = 20) -> Sequence[Record]:
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM charges WHERE customer_id = ? ORDER BY created_at DESC, charge_id DESC LIMIT ?",
                (customer_id, max(limit, 0)),
            ).fetchall()
        return [charge_record(row) for row in rows]

    @desk.reads
    def disputes_of(self, customer_id: str) -> Sequence[Record]:
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM disputes WHERE customer_id = ? ORDER BY opened_at DESC, dispute_id", (customer_id,)
            ).fetchall()
        return [dispute_record(row) for row in rows]


class PaymentsWrites(desk.Desk):
    """`integrations.base.PaymentsWriter`."""

    @desk.writes
    def refund(
        self, charge_id: str, amount_minor: int, currency: str, reason: str, *, key: str, if_version: str
    ) -> Receipt:
        arguments = {"charge_id": charge_id, "amount_minor": amount_minor, "currency": currency, "reason": reason}
        desk.line(reason, "the reason")
        with self.database.writing() as connection:
            if earlier := desk.recall(connection, "refund", key, arguments):
                return earlier
            row = _guarded(connection, charge_id, if_version)
            _refundable(row, amount_minor, currency)
            at = self.moment()
            refund_id = desk.new_id("re")
            connection.execute(
                "INSERT INTO refunds (refund_id, charge_id, customer_id, amount_minor, currency, reason, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (refund_id, charge_id, row["customer_id"], amount_minor, currency, reason, at),
            )
            refunded = row["refunded_minor"] + amount_minor
            status = "refunded" if refunded == row["amount_minor"] else row["status"]
            connection.execute(
                "UPDATE charges SET refunded_minor = ?, status = ?, changed_at = ?, version = version + 1"
                " WHERE charge_id = ?",
                (refunded, status, at, charge_id),
            )
            target = desk.ref("charge", charge_id)
            desk.count_effect(connection, "refund", key, target, at, amount_minor=amount_minor, currency=currency)
            data = {"refund_id": refund_id, "amount_minor": amount_minor, "currency": currency, "status": status}
            return desk.remember(
                connection, "refund", key, arguments, _receipt(row, desk.ref("refund", refund_id), data)
            )

    @desk.writes
    def hold(self, charge_id: str, reason: str, *, key: str, if_version: str) -> Receipt:
        return self._turn("hold", charge_id, reason, key, if_version, required="succeeded", status="held")

    @desk.writes
    def release(self, charge_id: str, reason: str, *, key: str, if_version: str) -> Receipt:
        return self._turn("release", charge_id, reason, key, if_version, required="held", status="succeeded")

    def _turn(
        self, kind: str, charge_id: str, reason: str, key: str, if_version: str, *, required: str, status: str
    ) -> Receipt:
        arguments = {"charge_id": charge_id, "reason": reason}
        desk.text(reason, "the reason")
        with self.database.writing() as connection:
            if earlier := desk.recall(connection, kind, key, arguments):
                return earlier
            row = _guarded(connection, charge_id, if_version)
            if row["status"] != required:
                raise Permanent(f"charge {charge_id!r} is {row['status']}: a {kind} needs one that is {required}")
            at = self.moment()
            connection.execute(
                "UPDATE charges SET status = ?, changed_at = ?, version = version + 1 WHERE charge_id = ?",
                (status, at, charge_id),
            )
            target = desk.ref("charge", charge_id)
            desk.count_effect(connection, kind, key, target, at)
            return desk.remember(connection, kind, key, arguments, _receipt(row, target, {"status": status}))


def found(connection: sqlite3.Connection, charge_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM charges WHERE charge_id = ?", (charge_id,)).fetchone()
    if row is None:
        raise Permanent(f"there is no charge {charge_id!r}")
    return row


def charge_record(row: sqlite3.Row) -> Record:
    data = {name: row[name] for name in row.keys() if name not in _INTERNAL}  # noqa: SIM118 - a Row iterates over values
    data["three_d_secure"] = bool(row["three_d_secure"])
    data["refundable_minor"] = 0 if row["status"] == "disputed" else row["amount_minor"] - row["refunded_minor"]
    return Record(
        ref=desk.ref("charge", row["charge_id"]),
        kind="charge",
        title=f"{money(row['amount_minor'], row['currency'])} for {row['order_number']}, {row['status']}",
        data=data,
        version=desk.token(row["version"]),
        trusted=True,
        url=f"/sample/charges/{row['charge_id']}",
    )


def dispute_record(row: sqlite3.Row) -> Record:
    return Record(
        ref=desk.ref("dispute", row["dispute_id"]),
        kind="dispute",
        title=f"Dispute over {money(row['amount_minor'], row['currency'])}: {row['reason']}, {row['status']}",
        data={name: row[name] for name in row.keys() if name != "customer_id"},  # noqa: SIM118 - a Row iterates over values
        version="",
        trusted=True,
        url=f"/sample/disputes/{row['dispute_id']}",
    )


def money(amount_minor: int, currency: str) -> str:
    return f"{amount_minor / 100:,.2f} {currency}"


def _guarded(connection: sqlite3.Connection, charge_id: str, if_version: str) -> sqlite3.Row:
    row = found(connection, charge_id)
    desk.guard(desk.token(row["version"]), if_version, f"charge {charge_id!r}")
    return row


def _refundable(row: sqlite3.Row, amount_minor: int, currency: str) -> None:
    if currency != row["currency"]:
        raise Permanent(f"charge {row['charge_id']!r} was made in {row['currency']}, not in {currency!r}")
    if row["status"] == "disputed":
        raise Permanent(f"charge {row['charge_id']!r} is disputed: its bank has the money")
    if type(amount_minor) is not int or amount_minor < 1:
        raise Permanent("a refund is a whole number of minor units, at least one")
    left = row["amount_minor"] - row["refunded_minor"]
    if amount_minor > left:
        raise Permanent(
            f"{money(amount_minor, currency)} exceeds what is refundable of {row['charge_id']!r}: {money(left, currency)}"
        )


def _receipt(row: sqlite3.Row, made: str, data: Mapping[str, Any]) -> Receipt:
    return Receipt(made, desk.token(row["version"]), desk.token(row["version"] + 1), data)
