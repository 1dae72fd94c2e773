"""Many who reserve from the same limits at once, in threads; run as a program it is one process of several.

python -m tests.integration.limits.spending URL SEED THREADS EACH
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from policies.types import DecisionRecord, Limit, Outcome, Use, Verdict
from tests.integration.limits.reading import read
from workers.limits.reserving import reserve
from workers.store.database import Database

WINDOW = 10
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EUROS = Limit("euros", "house", frozenset({"pay"}), ("customer",), WINDOW, None, 10_000, "EUR", Outcome.REVIEW, ())
ALL = Limit("all", "house", frozenset({"pay"}), (), WINDOW, 60, 25_000, "EUR", Outcome.DENY, ())


def decision(*uses: Use) -> DecisionRecord:
    verdict = Verdict(Outcome.ALLOW, (), (), ("house/pay",))
    return DecisionRecord(verdict, (), {"action_kind": "pay"}, "house@1", "0" * 64, "test", START, uses)


def wanted(customer: str, minor: int) -> DecisionRecord:
    return decision(Use(EUROS, f"{EUROS.ref}:{customer}", minor), Use(ALL, ALL.ref, minor))


def spend(url: str, *, seed: int, threads: int, each: int, minutes: int = 30) -> None:
    """Each thread has a connection of its own and tries `each` times, at any moment of half an hour."""
    faults: list[BaseException] = []

    def one(number: int) -> None:
        chance = random.Random(seed * 1000 + number)
        db = Database(url, connections=1, busy_seconds=60)
        try:
            for turn in range(each):
                now = START + timedelta(seconds=chance.randrange(minutes * 60))
                action = f"act_{seed}_{number}_{turn}"
                with db.write() as tx:
                    reserve(
                        tx,
                        [(action, wanted(f"c{chance.randrange(3)}", chance.randrange(1, 3_000)))],
                        now=now,
                        once=True,
                    )
                    if chance.random() < 0.1:
                        time.sleep(0.002)
        except BaseException as error:
            faults.append(error)
        finally:
            db.dispose()

    working = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    if faults:
        raise faults[0]


def overspent(url: str) -> tuple[list[str], int]:
    """What was exceeded in any window that ends with a use, by how it was kept; and how many uses there are."""
    db = Database(url)
    with db.read() as tx:
        rows = read(tx)
    db.dispose()
    by_counter = defaultdict(list)
    for one in rows:
        by_counter[one.counter, one.limit_ref].append((one.at, one.minor))
    faults = []
    for (_, ref), uses in by_counter.items():
        limit = {EUROS.ref: EUROS, ALL.ref: ALL}[ref]
        for end, _ in uses:
            inside = [minor for at, minor in uses if end - timedelta(minutes=WINDOW) < at <= end]
            if limit.max_minor is not None and sum(inside) > limit.max_minor:
                faults.append(f"{ref}: {sum(inside)} of {limit.max_minor} by {end}")
            if limit.max_count is not None and len(inside) > limit.max_count:
                faults.append(f"{ref}: {len(inside)} of {limit.max_count} times by {end}")
    return faults, len(rows)


if __name__ == "__main__":
    spend(sys.argv[1], seed=int(sys.argv[2]), threads=int(sys.argv[3]), each=int(sys.argv[4]))
