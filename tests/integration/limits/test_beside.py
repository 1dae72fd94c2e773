"""Decisions at once, the long way and the sweeper beside each other: nobody waits for somebody who waits for them, and in the end
each counter says what its holds come to."""

from __future__ import annotations

import random
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from policies.record import uses_of
from tests.integration.limits import reading
from tests.integration.limits.house import a_day, asked, under, within
from tests.integration.limits.spending import START, wanted
from tests.integration.limits.test_at_once import PEOPLE, approve_at_once
from tests.kit.engine import make_engine
from workers.limits.reserving import holdings, reserve
from workers.store import flow, limit_cleanup, limit_rows, limits
from workers.store.database import Database
from workers.store.records import ActionState

#: longest wait for what comes at once but on a machine that others use
PATIENCE = 30.0


@pytest.fixture
def far_away(on_postgresql, tmp_path):
    made = make_engine(tmp_path, url=on_postgresql)
    yield under(made, within(a_day(10_000, "deny"), **PEOPLE))
    made.system.close()


def agree(db):
    with db.read() as tx:
        return reading.agree(tx)


def test_the_sweeper_and_those_who_reserve_leave_no_sum_behind(url):
    """Some reserve what they need at once, some come back for more, and time goes by for all of them."""
    faults: list[BaseException] = []
    done = threading.Event()

    def work(number: int) -> None:
        chance, db = random.Random(number), Database(url, connections=1, busy_seconds=60)
        try:
            for turn in range(8):
                now = START + timedelta(seconds=chance.randrange(1_200))
                more = turn % 3 == 0
                with db.write() as tx:
                    for part in range(2 if more else 1):
                        record = wanted(f"c{chance.randrange(3)}", chance.randrange(1, 900))
                        reserve(tx, [(f"act_{number}_{turn}_{part}", record)], now=now, once=not more)
        except BaseException as error:
            faults.append(error)
        finally:
            db.dispose()

    def sweep() -> None:
        db = Database(url, connections=1, busy_seconds=60)
        try:
            while not done.is_set():
                with db.write() as tx:
                    limit_cleanup.tidy(tx, START + timedelta(minutes=11), 2)
        except BaseException as error:
            faults.append(error)
        finally:
            db.dispose()

    working = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    sweeping = threading.Thread(target=sweep)
    for thread in (*working, sweeping):
        thread.start()
    for thread in working:
        thread.join()
    done.set()
    sweeping.join()

    assert faults == []
    db = Database(url)
    assert agree(db)
    db.dispose()


def test_at_once_nobody_gets_between_somebody_who_may_come_back_for_more(far_away):
    """Who reserves at once waits at the gate, before it holds a counter that the other may want."""
    db = far_away.system.db
    action = asked(far_away, 3_000, "1")
    answers = []
    approving = threading.Thread(target=lambda: answers.append(approve_at_once(far_away, action)))

    with db.write() as tx:
        limit_rows.enter(tx, alone=True)
        approving.start()
        until, waits = time.monotonic() + PATIENCE, False
        while not waits and time.monotonic() < until:
            waits = _waits_at_the_gate(db)
        assert waits
        # It holds no counter by then: this would wait for it, and it for us.
        limits.take_turns(
            tx, holdings("act_other", uses_of(flow.snapshot(db, action.id).record)), now=START, alone=True
        )
    approving.join()

    assert [one.state for one in answers] == [ActionState.APPROVED]
    assert agree(db)


def _waits_at_the_gate(db):
    with db.read() as tx:
        query = (
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database() "
            "WHERE l.locktype = 'advisory' AND l.mode = 'ShareLock' AND NOT l.granted"
        )
        return tx.execute(text(query)).scalar_one() > 0
