"""Budgets per case, per domain and day, and per day, in US dollars, asked before each call of a model.

What was spent is the sum of the bill's rows, kept for a few seconds, and what this process spent since. Without a budget
nothing is asked. A budget can be overrun by the calls that are under way when it runs out: their price is known at their end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.models.base import ModelRequest, Usage
from integrations.models.budget import Left
from workers.settings import Settings
from workers.store import bill
from workers.store.database import Database

#: how long a sum that was asked for is good
KEPT_SECONDS = 5.0
#: most cases whose sums are kept
MOST_CASES = 2000
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Limits:
    """US dollars; None is no limit. `domain` holds for each domain that `domains` does not name."""

    case: Decimal | None = None
    domain: Decimal | None = None
    domains: Mapping[str, Decimal] = field(default_factory=dict)
    day: Decimal | None = None

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        every, named = parse(settings.budget_domain_usd)
        return cls(settings.budget_case_usd, every, named, settings.budget_day_usd)

    def of_domain(self, domain: str) -> Decimal | None:
        return self.domains.get(domain, self.domain)

    def __bool__(self) -> bool:
        return bool(self.domains) or any(limit is not None for limit in (self.case, self.domain, self.day))


def parse(text: str) -> tuple[Decimal | None, Mapping[str, Decimal]]:
    """``20`` for each domain, or ``support=20,content=5``. The setting's pattern has refused what is neither."""
    text = text.strip()
    if not text:
        return None, {}
    if "=" not in text:
        return Decimal(text), {}
    pairs = (part.split("=") for part in text.split(","))
    return None, {name.strip(): Decimal(limit.strip()) for name, limit in pairs}


@dataclass(slots=True)
class _Sum:
    """What was spent, by domain; good until `until`."""

    until: float
    day: str
    by_domain: dict[str, Decimal]


class Budgets:
    """Speaks `integrations.models.budget.Budget`. One per process, for all its threads."""

    def __init__(
        self,
        limits: Limits,
        db: Database,
        clock: Callable[[], datetime],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._db = db
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._today = _Sum(float("-inf"), "", {})
        self._cases: dict[str, _Sum] = {}

    def left(self, request: ModelRequest[Any]) -> Left | None:
        """Of the budget that has least left. Raise `StoreUnavailable`."""
        limits, domain = self._limits, request.domain
        of_domain = limits.of_domain(domain)
        found = []
        if limits.case is not None and request.about.case_id:
            spent = self._of_case(request.about.case_id)
            found.append(_left(limits.case, spent, "this case", "CASEWORKER_BUDGET_CASE_USD", "Raise it"))
        if of_domain is not None or limits.day is not None:
            today = self._of_today()
            wait = "Raise it, wait until tomorrow (UTC)"
            if of_domain is not None:
                spent = today.get(domain, NOTHING)
                found.append(_left(of_domain, spent, f"{domain} for today", "CASEWORKER_BUDGET_DOMAIN_USD", wait))
            if limits.day is not None:
                spent = sum(today.values(), NOTHING)
                found.append(_left(limits.day, spent, "today", "CASEWORKER_BUDGET_DAY_USD", wait))
        return min(found, key=lambda left: left.usd, default=None)

    def spent(self, request: ModelRequest[Any], usages: Sequence[Usage]) -> None:
        usd = sum((used.cost_usd for used in usages if used.cost_usd is not None), NOTHING)
        if not usd:
            return
        with self._lock:
            for known in (self._today, self._cases.get(request.about.case_id)):
                if known is not None:
                    known.by_domain[request.domain] = known.by_domain.get(request.domain, NOTHING) + usd

    def _of_today(self) -> Mapping[str, Decimal]:
        now = self._clock()
        day = f"{now:%Y-%m-%d}"
        with self._lock:
            if self._monotonic() >= self._today.until or self._today.day != day:
                midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
                with self._db.read() as tx:
                    by_domain = bill.spent_since(tx, midnight)
                self._today = _Sum(self._monotonic() + KEPT_SECONDS, day, by_domain)
            return dict(self._today.by_domain)

    def _of_case(self, case_id: str) -> Decimal:
        with self._lock:
            known = self._cases.get(case_id)
            if known is None or self._monotonic() >= known.until:
                with self._db.read() as tx:
                    spent = bill.spent_on(tx, case_id)
                if len(self._cases) >= MOST_CASES:
                    self._cases.clear()
                known = self._cases[case_id] = _Sum(self._monotonic() + KEPT_SECONDS, "", {"": spent})
            return sum(known.by_domain.values(), NOTHING)


def _left(limit: Decimal, spent: Decimal, whose: str, setting: str, remedy: str) -> Left:
    if spent >= limit:
        told = f"The budget of {whose} is used up: {spent:.2f} of {limit:.2f} USD. {remedy}, or go on by hand; {setting} sets it."
    else:
        told = f"Of the budget of {whose} {limit - spent:.2f} of {limit:.2f} USD are left ({setting})."
    return Left(limit - spent, told)
