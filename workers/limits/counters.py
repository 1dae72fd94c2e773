"""How often, and how much, of late: counters as facts for rules that name one. One statement, answered from indexes.

Read by whoever lays out or judges again, and only where a rule in force names a counter. They tell what was so a moment ago;
what must never be exceeded is a limit, which is reserved.
"""

from __future__ import annotations

from datetime import datetime

from workers.store import tallies
from workers.store.database import Tx


def read(tx: Tx, domain: str, kind: str, customer: str, now: datetime) -> dict[str, int]:
    """The facts by name. `customer` is the case's; without one, nothing is counted for it."""
    return tallies.count(tx, domain=domain, kind=kind, customer=customer, now=now)
