"""How much a window holds costs a decision nothing, and what left it costs nobody: no statement reads its way through either,
and the sweeper drops it."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from tests.integration.limits.house import a_day, asked, under, within
from tests.integration.limits.spending import ALL, START, wanted
from tests.kit.engine import make_engine
from tests.kit.plans import watch
from workers.limits import counters
from workers.limits.reserving import counter_of, reserve
from workers.store import limit_cleanup, limits
from workers.store.limit_tables import limit_counters, limit_holds, limit_uses
from workers.store.records import ActionState

MANY = 200_000
#: what one statement may look at
A_FEW = 50
#: of one counter half of it, and of a thousand others; in the window, of actions whose cases were archived
FILL = text(
    "INSERT INTO limit_holds (counter, minor, at, leaves_at, action_id) "
    "SELECT CASE n % 2 WHEN 0 THEN :counter ELSE n % 1000 END, 1, CAST(:then AS timestamptz) - n * interval '1 millisecond', "
    "CAST(:then AS timestamptz) - n * interval '1 millisecond' + interval '10 minutes', 'old_' || n "
    "FROM generate_series(1, :rows) n"
)
COUNT = text(
    "INSERT INTO limit_counters (counter, limit_ref, times, minor, look_at) "
    "SELECT counter, 'house/all', count(*), sum(minor), min(leaves_at) FROM limit_holds GROUP BY counter"
)
#: the same as it was kept before there were counters, out of the window
OLD = text(
    "INSERT INTO limit_uses (action_id, counter, limit_ref, window_minutes, minor, at, done_at, gone_at) "
    "SELECT 'old_' || n, CASE n % 2 WHEN 0 THEN :counter ELSE md5((n % 1000)::text) END, 'house/all', 10, 100, "
    "CAST(:then AS timestamptz), CAST(:then AS timestamptz) - n * interval '1 second', "
    "CAST(:then AS timestamptz) - n * interval '1 second' FROM generate_series(1, :rows) n"
)

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(on_postgresql, tmp_path):
    made = make_engine(tmp_path, url=on_postgresql)
    yield made
    made.system.close()


def grow(engine, statements, **values):
    with engine.system.db.write() as tx:
        for statement in statements:
            tx.execute(statement, values if statement is not COUNT else {})
    with engine.system.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE limit_holds, limit_counters, limit_uses"))


def left(engine, table):
    with engine.system.db.read() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def number(key):
    return int(hashlib.sha256(key.encode()).hexdigest()[:15], 16)


def test_a_decision_at_once_looks_at_none_of_what_its_window_holds(engine):
    policy = within(a_day(10**9))
    (limit,) = policy.bundles[0].limits
    grow(engine, [FILL, COUNT], counter=number(limit.ref), then=engine.clock(), rows=MANY)
    under(engine, policy)

    with watch(engine.system.db) as plans:
        action = asked(engine, 500, "1")

    assert action.state == ActionState.APPROVED
    assert "limit_counters" in {scan.table for scan in plans.scans}
    assert plans.sequential({"limit_holds", "limit_counters"}) == []
    assert [scan for scan in plans.wide(A_FEW) if scan.table.startswith("limit_")] == []


def test_a_decision_the_long_way_looks_at_none_of_it_either(engine):
    grow(engine, [FILL, COUNT], counter=number("somebody else's"), then=START, rows=MANY)

    with watch(engine.system.db) as plans, engine.system.db.write() as tx:
        (record,) = reserve(tx, [("act_new", wanted("ana", 500))], now=START, once=True)

    assert [tried.held for tried in record.reserved] == [True, True]
    assert plans.sequential({"limit_holds", "limit_counters", "actions"}) == []
    assert plans.wide(A_FEW) == []


def test_the_counters_of_rules_read_by_index_alone(engine):
    grow(engine, [FILL, COUNT], counter=1, then=START, rows=A_FEW)
    with watch(engine.system.db) as plans, engine.system.db.read() as tx:
        tx.execute(text("SET LOCAL enable_seqscan = off"))  # in an empty table reading it all would be as good
        counters.read(tx, "support", "refund_payment", "ana@example.com", START)

    assert plans.sequential({"actions", "cases", "revisions"}) == []
    assert {"ix_actions_decided_later", "ix_cases_going_on", "ix_cases_closed_customer"} <= plans.indexes()


def test_the_sweeper_drops_it_in_lots(engine):
    grow(engine, [FILL, COUNT], counter=number(ALL.ref), then=START, rows=20_000)
    later, lots = START + timedelta(minutes=11), 0

    while True:
        with engine.system.db.write() as tx:
            if not limit_cleanup.tidy(tx, later, 200):
                break
        lots += 1
        assert lots <= 100, "it does not come to an end"

    assert lots > 3
    assert (left(engine, limit_holds), left(engine, limit_counters)) == (0, 0)


def test_what_left_its_window_before_there_were_counters_is_not_even_taken_over(engine):
    digest = hashlib.sha256(ALL.ref.encode()).hexdigest()
    grow(engine, [OLD], counter=digest, then=START - timedelta(days=1), rows=MANY)

    with engine.system.db.write() as tx:
        (record,) = reserve(tx, [("act_new", wanted("ana", 500))], now=START, once=True)
    with engine.system.db.write() as tx:
        dropped = limit_cleanup.tidy(tx, START, 200)

    assert [(tried.used_count, tried.held) for tried in record.reserved] == [(0, True), (0, True)]
    assert left(engine, limit_uses) == MANY / 2 - dropped
    with engine.system.db.read() as tx:
        assert [limits.total(tx, counter_of(use)) for use in wanted("ana", 500).uses] == [(1, 500), (1, 500)]
