"""What PostgreSQL really does for each statement: plans with the rows that were touched, told by the server itself.

Every connection opened after `watch` explains each statement that it runs, those of triggers and foreign keys too
(`auto_explain`). So a test runs the real code and then asks what it cost, with no statement copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from workers.store.database import Database

_SETTINGS = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_level": "notice",
    "auto_explain.log_format": "json",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_nested_statements": "on",
    "client_min_messages": "notice",
}


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of a table within a statement, and how many rows it looked at."""

    kind: str
    table: str
    index: str
    rows: int
    statement: str
    #: how often it was begun; 0 where the statement did not come to it
    loops: int


@dataclass
class Plans:
    scans: list[Scan] = field(default_factory=list)

    def take(self, notice: Any) -> None:
        _, found, plan = (notice.message_primary or "").partition("plan:\n")
        if found:
            told = json.loads(plan)
            self.scans += _scans(told["Plan"], told["Query Text"], 1)

    def sequential(self, tables: set[str]) -> list[Scan]:
        return [scan for scan in self.scans if scan.kind == "Seq Scan" and scan.table in tables]

    def wide(self, rows: int) -> list[Scan]:
        """Scans that looked at more rows than that."""
        return [scan for scan in self.scans if scan.rows > rows]

    def indexes(self) -> set[str]:
        return {scan.index for scan in self.scans if scan.index}


@contextmanager
def watch(db: Database) -> Iterator[Plans]:
    """Collect the plans of everything that runs on this database, from a fresh connection on."""
    plans = Plans()

    def explain(connection: Any, _record: object) -> None:
        connection.execute("LOAD 'auto_explain'")
        for name, value in _SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        connection.commit()
        connection.add_notice_handler(plans.take)

    # All pools: the flow's own statements go through the others.
    pools = {db.engine, db._direct, db._grouped, db._turning}
    db.dispose()
    for pool in pools:
        event.listen(pool, "connect", explain)
    try:
        yield plans
    finally:
        for pool in pools:
            event.remove(pool, "connect", explain)
        db.dispose()


def _scans(node: dict[str, Any], statement: str, loops: int) -> Iterator[Scan]:
    if "Relation Name" in node or "Index Name" in node:
        seen = node.get("Actual Rows", 0) + sum(v for k, v in node.items() if k.startswith("Rows Removed by"))
        rows = round(seen * node.get("Actual Loops", loops))
        table, index = node.get("Relation Name", ""), node.get("Index Name", "")
        if node["Node Type"] not in ("ModifyTable", "LockRows"):
            begun = round(node.get("Actual Loops", loops))
            yield Scan(node["Node Type"], table, index, rows, " ".join(statement.split())[:300], begun)
    for inner in node.get("Plans", ()):
        yield from _scans(inner, statement, loops)
