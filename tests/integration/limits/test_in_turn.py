"""Transactions that reserve more than once, each from other counters, never wait for each other: nobody's decision is lost."""

from __future__ import annotations

import threading

import pytest

from policies.types import Use
from tests.integration.limits.spending import ALL, EUROS, START, decision
from workers.limits.reserving import reserve
from workers.store.database import Database

#: two counters, and what each transaction reserves, one step after the other
ONE, TWO = Use(EUROS, f"{EUROS.ref}:ana", 1), Use(ALL, ALL.ref, 1)
EITHER_WAY = {
    "two that come back for more": ([[ONE], [TWO]], [[TWO], [ONE]]),
    "one that comes back and one that takes both at once": ([[ONE], [TWO]], [[ONE, TWO]]),
    "the same the other way round": ([[TWO], [ONE]], [[ONE, TWO]]),
}
#: how long each leaves the other the time to get into its way
PATIENCE = 0.5


@pytest.mark.parametrize("steps", EITHER_WAY.values(), ids=list(EITHER_WAY))
def test_nobody_waits_for_somebody_who_waits_for_them(url, steps):
    begun = [threading.Event(), threading.Event()]
    faults: list[BaseException] = []

    def work(number: int) -> None:
        db = Database(url, connections=1, busy_seconds=60)
        try:
            with db.write() as tx:
                for place, uses in enumerate(steps[number]):
                    action = f"act_{number}_{place}"
                    reserve(tx, [(action, decision(*uses))], now=START, once=len(steps[number]) == 1)
                    begun[number].set()
                    # On the way it may be let in between, or not: either is right.
                    begun[1 - number].wait(PATIENCE)
        except BaseException as error:
            faults.append(error)
        finally:
            db.dispose()

    working = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()

    assert faults == []
