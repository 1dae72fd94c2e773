"""Going back to the schema of before: what rode along in a row has a row of its own again, as the code of before looks for it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import inspect, select

from policies.types import Use
from tests.integration.limits.reading import read
from tests.integration.limits.spending import ALL, EUROS, START, decision
from tests.kit.migrated import migrate
from workers.limits.reserving import reserve
from workers.store import schema
from workers.store.database import Database
from workers.store.limit_tables import limit_holds


def test_each_limit_has_a_row_of_its_own_again(url):
    db = Database(url)
    migrate(db)
    uses = (Use(EUROS, f"{EUROS.ref}:ana", 500), Use(ALL, ALL.ref, 700))
    with db.write() as tx:
        reserve(tx, [("act_1", decision(*uses))], now=START + timedelta(microseconds=123_450), once=True)
        (row,) = tx.execute(select(limit_holds)).all()
        held = [(one.counter, one.minor, one.at, one.leaves_at, one.action_id) for one in read(tx)]
    assert len(row.more) == 3

    schema.downgrade(db, "0019")

    columns = [limit_holds.c[name] for name in ("counter", "minor", "at", "leaves_at", "action_id")]
    with db.read() as tx:
        assert "more" not in {column["name"] for column in inspect(tx).get_columns("limit_holds")}
        assert sorted(tuple(one) for one in tx.execute(select(*columns)).all()) == held
    db.dispose()
