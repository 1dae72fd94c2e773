"""A process that works on very many cases at once keeps all of them, and none that another has taken since."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from workers.store import cases
from workers.store.tables import cases as table

MANY = 1200


def test_more_leases_than_fit_into_one_condition_are_renewed(engine):
    for number in range(3):
        engine.event(f"d{number}", ticket=str(number))
    now = engine.clock()
    later = now + timedelta(minutes=10)
    minute = timedelta(seconds=60)
    opened = [row for kind, row in engine.hints.waiting if kind == "case"]
    with engine.system.db.write() as tx:
        held = [cases.claim(tx, case_id, worker="one", now=now, lease=minute) for case_id in opened]
        cases.claim(tx, opened[2], worker="another", now=now + minute, lease=minute)

    gone = {f"case_gone{number}": 1 for number in range(MANY)}
    with engine.system.db.write() as tx:
        cases.renew(tx, {**gone, **{case.id: case.version for case in held}}, until=later)

    with engine.system.db.read() as tx:
        until = dict(tx.execute(select(table.c.id, table.c.held_until)).all())
    assert until == {held[0].id: later, held[1].id: later, held[2].id: now + 2 * minute}
