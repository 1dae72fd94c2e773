"""The sample company as the rest of the system sees it: one object that reads, another that writes.

`SampleCompany` opens the file, making and filling it the first time, and answers every Reader protocol; `SampleWriters`
answers every Writer protocol and is handed only to the process that carries actions out. Both are thread-safe, and any
number of processes may open the same file. Nothing here judges: what may be done is decided long before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

from integrations.errors import Permanent
from integrations.sample_company import desk, times
from integrations.sample_company.database import Database
from integrations.sample_company.faults import Weather
from integrations.sample_company.generate import SEED, generate
from integrations.sample_company.helpdesk import HelpdeskReads, HelpdeskWrites
from integrations.sample_company.mail import MailWrites
from integrations.sample_company.payments import PaymentsReads, PaymentsWrites
from integrations.sample_company.riskdesk import RiskDeskWrites, WatchListReads
from integrations.sample_company.shop import CrmReads, ShopReads
from integrations.sample_company.site import PublisherWrites, SiteReads
from integrations.sample_company.supply import SupplyReads

#: Kind of a ref -> how its present version token is read. The texts are ours, not input.
_TOKENS = {
    "ticket": "SELECT 'v' || version FROM tickets WHERE ticket_id = ?",
    "charge": "SELECT 'v' || version FROM charges WHERE charge_id = ?",
    "post": "SELECT 'v' || version FROM posts WHERE slug = ?",
    "article": "SELECT revised_at FROM articles WHERE slug = ?",
    "page": "SELECT fetched_at FROM pages WHERE page_id = ?",
    "search": "SELECT taken_at FROM searches WHERE slug = ?",
    "customer": "SELECT '' FROM customers WHERE customer_id = ?",
    "order": "SELECT '' FROM orders WHERE order_number = ?",
    "dispute": "SELECT '' FROM disputes WHERE dispute_id = ?",
    "watch_hit": "SELECT '' FROM watch_list WHERE entry_id = ?",
    "item": "SELECT '' FROM stock WHERE item_id = ?",
    "brief": "SELECT '' FROM brief_requests WHERE request_id = ?",
    "refund": "SELECT '' FROM refunds WHERE refund_id = ?",
}


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a writer really did."""

    effect_id: int
    kind: str
    key: str
    target: str
    amount_minor: int | None
    currency: str | None
    at: str


class SampleCompany(HelpdeskReads, CrmReads, ShopReads, PaymentsReads, WatchListReads, SiteReads, SupplyReads):
    """All Readers of the sample company over one file.

    A file that does not exist yet is made and filled from `seed`, with dates that look right on `today`.
    """

    def __init__(
        self,
        path: Path,
        *,
        seed: int = SEED,
        today: date | None = None,
        clock: times.Clock = times.now,
        patience: float = 5.0,
    ) -> None:
        database = Database(path, patience=patience)
        try:
            database.prepare(lambda: generate(today or clock().date(), seed))
        except BaseException:
            database.close()
            raise
        super().__init__(database, Weather(database), clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.database.close()

    @desk.reads
    def version(self, ref: str) -> str:
        """`integrations.base.VersionReader`."""
        system, _, rest = ref.partition(":")
        kind, _, name = rest.partition(":")
        if system != desk.SYSTEM or kind not in _TOKENS:
            raise Permanent(f"{ref!r} names nothing in the sample company")
        with self.database.reading() as connection:
            row = connection.execute(_TOKENS[kind], (name,)).fetchone()
        if row is None:
            raise Permanent(f"{ref!r} is gone")
        return str(row[0])

    def effects(self, kind: str | None = None) -> Sequence[Effect]:
        """Every effect carried out, oldest first. Not a system's answer, so no weather: tests and audits count here."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM effects WHERE :kind IS NULL OR kind = :kind ORDER BY effect_id", {"kind": kind}
            ).fetchall()
        return [Effect(**dict(row)) for row in rows]


class SampleWriters(HelpdeskWrites, PaymentsWrites, RiskDeskWrites, MailWrites, PublisherWrites):
    """All Writers of the sample company, over the file of its readers."""

    def __init__(self, company: SampleCompany) -> None:
        super().__init__(company.database, company.weather, company.clock)
