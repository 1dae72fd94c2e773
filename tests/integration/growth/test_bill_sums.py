"""The bill's sums are the same on both databases, and read nothing that is long over."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, func, insert, select, text, update

from integrations.models.base import Interrupted
from tests.unit.models.routed import usage
from workers.store import bill
from workers.store import steps as step_queries
from workers.store.database import Database
from workers.store.records import CaseState
from workers.store.tables import model_usage, steps


@pytest.fixture
def engine(engine):
    engine.clock.now = datetime.now(UTC).replace(hour=12)
    engine.event()
    engine.drain()
    return engine


def test_the_sums_are_the_same_on_both_databases(engine):
    case, now = engine.case(), engine.clock()
    rows = [
        *bill.entries(case, "turn-2", "draft", [usage("alpha", cost="0.10"), usage("beta", cost="0.333333")], now),
        *bill.entries(case, "draft", "draft", [replace(usage("beta"), cost_usd=None)], now - timedelta(days=2)),
    ]
    # As a version wrote them that did not know the newer columns.
    old = [{**row, "task": None, "outcome": None, "domain": None} for row in rows]
    with engine.system.db.write() as tx:
        tx.execute(update(steps).values(provider=None))
        tx.execute(insert(model_usage), [{**row, "id": f"{row['id']}x"} for row in old])
        tx.execute(insert(model_usage), rows)
    since = now - timedelta(days=7)

    with engine.system.db.read() as tx:
        found = {by: bill.lines(tx, by, since=since) for by in ("domain", "model", "day", "task", "case")}
        whole, today = bill.total(tx, since=since), bill.spent_since(tx, now.replace(hour=0))
        spent = bill.spent_on(tx, case.id)

    assert [(line.key, line.calls, line.cost_usd) for line in found["model"]] == [
        ("beta/m", 4, Decimal("0.666666")),
        ("alpha/m", 2, Decimal("0.200000")),
    ]
    assert [(line.key, line.calls) for line in found["day"]] == [
        (f"{now - timedelta(days=2):%Y-%m-%d}", 2),
        (f"{now:%Y-%m-%d}", 4),
    ]
    assert [line.key for line in found["domain"]] == ["support"]
    assert [line.key for line in found["task"]] == ["draft"]
    assert [line.key for line in found["case"]] == [case.id]
    assert (whole.failed, whole.unpriced, whole.cached_tokens) == (1, 2, 240)
    assert today == {"support": Decimal("0.866666")}
    assert spent == whole.cost_usd == Decimal("0.866666")


def test_a_call_counts_the_same_in_the_row_of_its_step_and_in_one_of_its_own(engine):
    """The case was triaged and drafted by a model; then a call was in vain, and a version before recorded a turn."""
    case, now, mine = engine.case(), engine.clock(), Decimal("0.05")
    in_vain = bill.entries(case, "draft", "draft", [usage("alpha", cost="0.10")], now, answered=False)
    before = bill.entries(case, "turn-1.2", "summarise", [usage("alpha", cost="0.20")], now)
    unsaid = {"task": None, "outcome": None, "domain": None}
    with engine.system.db.write() as tx:
        assert tx.execute(select(func.count()).select_from(model_usage)).scalar() == 0
        tx.execute(update(steps).values(cost_usd=mine))
        tx.execute(insert(model_usage), [*in_vain, *({**row, **unsaid} for row in before)])

    with engine.system.db.read() as tx:
        used = step_queries.usage_of(tx, case.id)
        tasks = {line.key: (line.calls, line.failed, line.cost_usd) for line in bill.lines(tx, "task", since=now)}
        spent = bill.spent_on(tx, case.id)

    assert [(use.step, use.task, use.outcome, use.domain) for use in used] == [
        ("triage", "triage", "ok", "support"),
        ("turn-1.2", "summarise", "ok", "support"),
        ("draft", "draft", "failed", "support"),
        ("draft", "draft", "ok", "support"),
    ]
    assert [use.request_id for use in used if use.provider == "scripted"] == [engine.model.usage.request_id] * 2
    assert tasks == {
        "triage": (1, 0, mine),
        "draft": (2, 1, mine + Decimal("0.10")),
        "summarise": (1, 0, Decimal("0.20")),
    }
    assert spent == 2 * mine + Decimal("0.30")


def test_what_was_spent_today_is_found_without_reading_what_is_long_over(on_postgresql):
    made = full_of_old_calls(on_postgresql)
    told = []
    event.listen(made.engine, "before_cursor_execute", lambda *given: told.append((given[2], given[3])))
    with made.read() as tx:
        bill.spent_since(tx, datetime.now(UTC))
        asked, values = told[-1]
        plan = "\n".join(row[0] for row in tx.exec_driver_sql("EXPLAIN ANALYZE " + asked, values))
    made.dispose()

    assert "pk_model_usage" in plan
    assert "ix_steps_finished_at" in plan
    assert "Seq Scan on" not in plan
    assert int(re.search(r"ix_steps_finished_at.*?rows=(\d+)", plan.partition("Bitmap Index Scan")[2])[1]) < 3000


def full_of_old_calls(url):
    """A database with many calls of long ago."""

    db = Database(url, connections=2)
    with db.write() as tx:
        tx.execute(text("ALTER TABLE model_usage DROP CONSTRAINT IF EXISTS fk_model_usage_case_id"))
        tx.execute(
            text(
                "INSERT INTO model_usage (id, case_id, round, step, provider, model, input_tokens, output_tokens, "
                "cache_read_tokens, cache_write_tokens, latency_ms, cost_usd, stop_reason, at, domain) "
                "SELECT 'use_0' || lpad(n::text, 20, '0'), 'case_' || n, 1, 'draft', 'p', 'm', 1, 1, 0, 0, 1, 0.1, 'end', "
                "now() - interval '90 days', 'support' FROM generate_series(1, 30000) AS n"
            )
        )
        tx.execute(
            text(
                "INSERT INTO steps (id, case_id, round, name, input_digest, output, started_at, finished_at, provider, "
                "model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, latency_ms, cost_usd, "
                "stop_reason, domain) SELECT '', 'case_' || n, 1, 'draft', '', 'true', now() - interval '90 days', "
                "now() - interval '90 days', 'p', 'm', 1, 1, 0, 0, 1, 0.1, 'end', 'support' "
                "FROM generate_series(1, 30000) AS n"
            )
        )
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE model_usage, steps"))
    return db


@pytest.mark.parametrize(
    "said",
    [
        {"model": "m" * 200},
        {"request_id": "r" * 300},
        {"stop_reason": "s" * 60},
        {"model": "a\0", "request_id": "\ud83d"},
        {"input_tokens": 2**31, "output_tokens": 2**64, "cache_read_tokens": -1},
        {"cost_usd": Decimal(10**7)},
    ],
    ids=lambda said: next(iter(said)),
)
def test_no_answer_is_lost_over_what_its_service_says_of_itself(engine, monkeypatch, said):
    """A row of the bill is written in the commit of its step: one that the database refused would take the answer with it."""
    used = replace(engine.model.usage, **said)
    monkeypatch.setattr(type(engine.model), "usage", property(lambda _: used))
    engine.model.faults = [Interrupted("It broke off.", usage=used)]
    engine.event("d2", ticket="8")
    engine.drain()
    engine.clock.on(hours=1)
    engine.sweep()

    assert engine.case().state == CaseState.INBOX
    with engine.system.db.read() as tx:
        rows = step_queries.usage_of(tx, engine.case().id)
        assert bill.total(tx, since=engine.clock() - timedelta(days=1)).calls == 5
    assert [row.step for row in rows] == ["triage", "triage", "draft"]
    assert all(0 <= row.input_tokens <= bill.MOST and len(row.model) <= 120 for row in rows)
