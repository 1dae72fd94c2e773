"""CRM and shop of the sample company: who the customers are and what they ordered. Reads only.

Figures about refunds are counted when they are asked for, so that a refund of a minute ago is in them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import timedelta

from integrations.base import Record
from integrations.sample_company import desk
from integrations.sample_company.times import stamp

REFUND_WINDOW = timedelta(days=90)


class CrmReads(desk.Desk):
    """`integrations.base.CrmReader`."""

    @desk.reads
    def customer(self, key: str) -> Record | None:
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT * FROM customers WHERE customer_id = :key UNION ALL SELECT * FROM customers WHERE email = :key",
                {"key": key.strip()},
            ).fetchone()
            if row is None:
                return None
            (orders,) = connection.execute(
                "SELECT count(*) FROM orders WHERE customer_id = ?", (row["customer_id"],)
            ).fetchone()
            refunds, refunded = connection.execute(
                "SELECT count(*), coalesce(sum(amount_minor), 0) FROM refunds WHERE customer_id = ? AND at >= ?",
                (row["customer_id"], stamp(self.clock() - REFUND_WINDOW)),
            ).fetchone()
        return Record(
            ref=desk.ref("customer", row["customer_id"]),
            kind="customer",
            title=f"{row['name']}, {row['tier']}{', VIP' if row['vip'] else ''}",
            data={
                "customer_id": row["customer_id"],
                "name": row["name"],
                "email": row["email"],
                "tier": row["tier"],
                "vip": bool(row["vip"]),
                "verified": bool(row["verified"]),
                "country": row["country"],
                "language": row["language"],
                "address": row["address"],
                "currency": row["currency"],
                "created_at": row["created_at"],
                "orders_count": orders,
                "refunds_count_90d": refunds,
                "refunds_minor_90d": refunded,
                "notes": row["notes"],
            },
            version="",
            trusted=True,
            url=f"/sample/customers/{row['customer_id']}",
        )


class ShopReads(desk.Desk):
    """`integrations.base.ShopReader`."""

    @desk.reads
    def orders_of(self, customer_id: str, *, limit: int = 5) -> Sequence[Record]:
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM orders WHERE customer_id = ? ORDER BY placed_at DESC, order_number DESC LIMIT ?",
                (customer_id, max(limit, 0)),
            ).fetchall()
        return [_order_record(row) for row in rows]

    @desk.reads
    def order(self, order_number: str) -> Record | None:
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT * FROM orders WHERE order_number = ?", (order_number.strip().upper(),)
            ).fetchone()
        return _order_record(row) if row else None


def _order_record(row: sqlite3.Row) -> Record:
    return Record(
        ref=desk.ref("order", row["order_number"]),
        kind="order",
        title=f"Order {row['order_number']}, {row['status']}",
        data={**dict(row), "items": json.loads(row["items"])},
        version="",
        trusted=True,
        url=f"/sample/orders/{row['order_number']}",
    )
