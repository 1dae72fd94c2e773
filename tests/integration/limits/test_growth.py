"""What was used up long ago costs a decision nothing: no statement reads its way through it, and the sweeper drops it."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from tests.integration.limits.spending import ALL, START, wanted
from tests.kit.engine import make_engine
from tests.kit.plans import watch
from workers.limits import counters
from workers.limits.reserving import reserve
from workers.store import limits
from workers.store.limit_tables import limit_uses

OLD = 200_000
#: what one statement may look at
A_FEW = 50
FILL = text(
    "INSERT INTO limit_uses (action_id, counter, limit_ref, window_minutes, minor, at, done_at, gone_at) "
    "SELECT 'old_' || n, CASE n % 2 WHEN 0 THEN :counter ELSE md5((n % 1000)::text) END, 'house/all', 10, 100, "
    "CAST(:then AS timestamptz), CAST(:then AS timestamptz) - n * interval '1 second', "
    "CAST(:then AS timestamptz) - n * interval '1 second' FROM generate_series(1, :rows) n"
)

pytestmark = pytest.mark.slow


@pytest.fixture
def grown(on_postgresql, tmp_path):
    """Years of one counter, and of many others."""
    made = make_engine(tmp_path, url=on_postgresql)
    counter = hashlib.sha256(ALL.ref.encode()).hexdigest()
    with made.system.db.write() as tx:
        tx.execute(FILL, {"counter": counter, "then": START - timedelta(days=1), "rows": OLD})
    with made.system.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE limit_uses"))
    yield made
    made.system.close()


def test_a_decision_looks_at_none_of_what_is_out_of_the_window(grown):
    with watch(grown.system.db) as plans, grown.system.db.write() as tx:
        (record,) = reserve(tx, [("act_new", wanted("ana", 500))], now=START, once=True)

    assert [tried.held for tried in record.reserved] == [True, True]
    assert plans.sequential({"limit_uses", "actions"}) == []
    assert plans.wide(A_FEW) == []


def test_the_counters_of_rules_read_by_index_alone(grown):
    with watch(grown.system.db) as plans, grown.system.db.read() as tx:
        tx.execute(text("SET LOCAL enable_seqscan = off"))  # in an empty table reading it all would be as good
        counters.read(tx, "support", "refund_payment", "ana@example.com", START)

    assert plans.sequential({"actions", "cases", "revisions"}) == []
    assert {"ix_actions_kind_decided_at", "ix_cases_open_customer", "ix_cases_closed_customer"} <= plans.indexes()


def test_the_sweeper_drops_it_in_lots(grown):
    with grown.system.db.write() as tx:
        dropped = limits.tidy(tx, START, 5_000)
        left = tx.execute(select(func.count()).select_from(limit_uses)).scalar_one()

    assert (dropped, left) == (5_000, OLD - 5_000)
