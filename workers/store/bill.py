"""The bill: each call of a model that was paid for, whether it gave anything or not; and its sums.

The journal asks `of_step` what a step's row says of the call that answered, and which rows the others get, and commits both
with the step. Budgets, the page and ``caseworker cost`` ask for sums, over `calls`: nothing reads what is long over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, String, Subquery, Text, func, insert, literal, select

from integrations.models.base import Usage
from integrations.models.unbroken import unbroken
from workers.store import calls
from workers.store import cases as case_queries
from workers.store.calls import FAILED, HEDGED, OK, USED
from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.records import Case
from workers.store.tables import model_usage

By = Literal["domain", "model", "day", "task", "case"]
CENT = Decimal("0.000001")

#: the most that a row takes, of tokens or milliseconds, and of US dollars
MOST = 2**31 - 1
DEAREST = Decimal(10**6) - CENT
_WORDS = {
    name: column.type.length
    for name in USED
    if isinstance((column := model_usage.c[name]).type, String) and column.type.length is not None
}
_NUMBERS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "latency_ms")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill. `cached_tokens` were read from the provider's cache and stand beside `input_tokens`, not in
    them; `unpriced` counts calls of which nobody knows the price: `cost_usd` leaves them out."""

    key: str
    calls: int
    failed: int
    hedged: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    seconds: float
    cost_usd: Decimal
    unpriced: int


def entries(
    case: Case, step: str, task: str, paid: Sequence[Usage], now: datetime, *, answered: bool = True
) -> list[dict[str, Any]]:
    """A row for each call that was paid for, oldest first. The last is the one that answered, if any did."""
    last = len(paid) - 1
    return [
        {
            "id": new_id("use"),
            **_used(used),
            "case_id": case.id,
            "round": case.round,
            "step": step,
            # Told apart, so that a later reading finds them in this order.
            "at": now - timedelta(microseconds=last - place),
            "task": task,
            "outcome": OK if answered and place == last else FAILED,
            "domain": case.domain,
        }
        for place, used in enumerate(paid)
    ]


def of_step(
    case: Case, step: str, paid: Sequence[Usage], finished: datetime
) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    """What a step's own row says of the call that answered, the last, and a row for each that gave nothing before it."""
    if not paid:
        return {}, []
    earlier = entries(case, step, task_of(step), paid, finished)[:-1] if len(paid) > 1 else []
    return {**_used(paid[-1]), "domain": case.domain}, earlier


def _used(call: Usage) -> dict[str, Any]:
    """What a call used, as a row takes it. A service says of itself whatever it likes, and no answer is lost over that."""
    row: dict[str, Any] = {name: getattr(call, name) for name in USED}
    for name, longest in _WORDS.items():
        if (said := row[name]) is not None:
            row[name] = unbroken(said)[:longest]
    for name in _NUMBERS:
        row[name] = min(max(row[name], 0), MOST)
    if row["cost_usd"] is not None:
        row["cost_usd"] = min(row["cost_usd"], DEAREST)
    return row


def task_of(step: str) -> str:
    """What a step asks models for: turns and answers are drafts, and of what a turn looked up long things are summarised."""
    if "." in step:
        return "summarise"
    return "draft" if step.startswith("turn") or step == "answer" else step


def add_late(tx: Tx, case_id: str, domain: str, task: str, usages: Sequence[Usage], now: datetime) -> None:
    """Calls whose answer came when another had been taken. A case that is gone has no bill any more."""
    found = case_queries.get(tx, case_id)
    if found is None:
        return
    rows = entries(found, task, task, usages, now, answered=False)
    tx.execute(insert(model_usage), [{**row, "domain": domain, "outcome": HEDGED} for row in rows])


def spent_on(tx: Tx, case_id: str) -> Decimal:
    """What a case has cost so far, as far as prices are known."""
    return spent_on_all(tx, [case_id])


def spent_on_all(tx: Tx, case_ids: Sequence[str]) -> Decimal:
    """What these cases have cost together."""
    return _usd(tx.execute(select(func.sum(calls.of(case_ids).c.cost_usd))).scalar())


def spent_since(tx: Tx, since: datetime) -> dict[str, Decimal]:
    """What was spent from a moment on, by domain."""
    paid = calls.since(since).c
    query = select(paid.domain, func.sum(paid.cost_usd)).where(paid.cost_usd.is_not(None)).group_by(paid.domain)
    return {domain: _usd(usd) for domain, usd in tx.execute(query)}


def lines(tx: Tx, by: By, *, since: datetime, limit: int | None = None) -> list[Line]:
    """The bill from a moment on: days in their order, all else with the dearest first; so many of them, or all."""
    paid = calls.since(since)
    cost = func.coalesce(func.sum(paid.c.cost_usd), 0)
    order: tuple[Any, ...] = (_KEY,) if by == "day" else (cost.desc(), func.count().desc(), _KEY)
    query = select(_key(tx, by, paid).label(_KEY), *_sums(paid)).group_by(_KEY).order_by(*order).limit(limit)
    return [_line(row) for row in tx.execute(query)]


def total(tx: Tx, *, since: datetime) -> Line:
    """The same as one line."""
    return _line(tx.execute(select(literal("all"), *_sums(calls.since(since)))).one())


#: what a line is grouped by, under this name: PostgreSQL takes an expression with parameters for another one each time
_KEY = "line"


def _sums(paid: Subquery) -> tuple[ColumnElement[Any], ...]:
    used = paid.c
    return (
        func.count(),
        func.count().filter(used.outcome == FAILED),
        func.count().filter(used.outcome == HEDGED),
        func.coalesce(func.sum(used.input_tokens), 0),
        func.coalesce(func.sum(used.cache_read_tokens), 0),
        func.coalesce(func.sum(used.cache_write_tokens), 0),
        func.coalesce(func.sum(used.output_tokens), 0),
        func.coalesce(func.sum(used.latency_ms), 0),
        func.sum(used.cost_usd),
        func.count().filter(used.cost_usd.is_(None)),
    )


def _key(tx: Tx, by: By, paid: Subquery) -> ColumnElement[str]:
    used = paid.c
    if by == "day":
        sqlite = tx.dialect.name == "sqlite"
        return func.substr(used.at, 1, 10, type_=Text) if sqlite else func.to_char(used.at, "YYYY-MM-DD", type_=Text)
    keys: Mapping[str, ColumnElement[str]] = {
        "domain": used.domain,
        "task": used.task,
        "case": used.case_id,
        "model": used.provider + "/" + used.model,
    }
    return keys[by]


def _line(row: Any) -> Line:
    key, calls, failed, hedged, read, cached, written, output, milliseconds, cost, unpriced = row
    return Line(
        key=str(key),
        calls=calls,
        failed=failed,
        hedged=hedged,
        input_tokens=int(read),
        cached_tokens=int(cached),
        cache_write_tokens=int(written),
        output_tokens=int(output),
        seconds=round(int(milliseconds) / 1000, 3),
        cost_usd=_usd(cost),
        unpriced=unpriced,
    )


def _usd(value: Any) -> Decimal:
    """Millionths of a dollar are as fine as rows are; SQLite adds them up as floats."""
    return Decimal(str(value or 0)).quantize(CENT)
