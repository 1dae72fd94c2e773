"""Stock and vendors of the sample company: what lies in the warehouse, who offers it at which price. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from integrations.base import Record
from integrations.sample_company import desk


class SupplyReads(desk.Desk):
    @desk.reads
    def stock_item(self, item_id: str) -> Record | None:
        """Kind ``item``, trusted: ``item_id, name, category, price_minor, warehouse, on_hand, reserved, ordered,
        projected, reorder_level, reorder_quantity, sold_30d``."""
        with self.database.reading() as connection:
            row = connection.execute("SELECT * FROM stock WHERE item_id = ?", (item_id.strip().upper(),)).fetchone()
        return stock_record(row) if row else None

    @desk.reads
    def offers_for(self, item_id: str) -> Sequence[Record]:
        """Who can deliver an item, cheapest first. Kind ``offer``, trusted: ``item_id, vendor_id, vendor_name,
        unit_price_minor, currency, minimum_quantity, pack_size, last_price_minor, valid_until`` and the vendor's
        ``country, lead_time_days, lead_time_spread_days, on_time_rate, defect_rate, payment_terms, incoterm, approved,
        email``."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT o.*, v.name AS vendor_name, v.country, v.lead_time_days, v.lead_time_spread_days, v.on_time_rate,"
                " v.defect_rate, v.payment_terms, v.incoterm, v.approved, v.email"
                " FROM offers o JOIN vendors v USING (vendor_id) WHERE o.item_id = ?"
                " ORDER BY o.unit_price_minor, o.vendor_id",
                (item_id.strip().upper(),),
            ).fetchall()
        return [_offer_record(row) for row in rows]


def stock_record(row: sqlite3.Row) -> Record:
    return Record(
        ref=desk.ref("item", row["item_id"]),
        kind="item",
        title=f"{row['name']}: {row['on_hand']} on hand, reorder at {row['reorder_level']}",
        data={**dict(row), "projected": row["on_hand"] + row["ordered"] - row["reserved"]},
        version="",
        trusted=True,
        url=f"/sample/stock/{row['item_id']}",
    )


def _offer_record(row: sqlite3.Row) -> Record:
    return Record(
        ref=desk.ref("offer", f"{row['item_id']}.{row['vendor_id']}"),
        kind="offer",
        title=f"{row['vendor_name']}: {row['unit_price_minor'] / 100:.2f} {row['currency']} a piece",
        data={**dict(row), "approved": bool(row["approved"])},
        version="",
        trusted=True,
        url=f"/sample/vendors/{row['vendor_id']}",
    )
