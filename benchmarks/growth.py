"""What a million closed cases cost an open one: the same case, worked on an empty and on a full database in turn.

Starts a PostgreSQL server of its own, fills one database with closed cases (`tests/kit/history.py`), leaves the other empty, and
takes tickets through the real pipeline on both, alternating, from the event to the recorded effect: a scripted model,
a counterparty in memory, everything else as in production. So a busy machine slows both. Says the medians, their ratio,
what the pages of the inbox take, and how many bytes a case takes in which table.

    python -m benchmarks.growth --closed 1000000 --rounds 300
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.kit import history
from tests.kit.engine import Engine, make_engine, reply
from tests.servers.postgres import Postgres
from workers import log
from workers.inbox import timeline
from workers.store import inbox, schema
from workers.store.database import Database
from workers.store.records import ActionState

TARGET = 1.10
WARM_UP = 20
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def work(engine: Engine, number: int, taken: dict[str, list[float]]) -> None:
    """One ticket: stored, thought about, decided by a person, carried out, closed."""
    engine.model.drafts = [[reply(f"Hello, about {number}.")]]

    def timed(name: str, act: Any) -> None:
        begun = time.perf_counter()
        act()
        taken[name].append(time.perf_counter() - begun)

    whole = time.perf_counter()
    timed("event stored", lambda: engine.event(delivery=f"new{number}", ticket=f"new{number}"))
    timed("advanced", engine.drain)
    case = engine.case()
    for action in engine.actions():
        if action.state == ActionState.PENDING:
            timed("decided", lambda action=action: engine.decide(action))
    engine.clock.on(hours=1)
    timed("swept, done", engine.sweep)
    taken["whole case"].append(time.perf_counter() - whole)
    if engine.case().id != case.id or engine.case().closed_at is None:
        raise SystemExit(f"case {case.id} was not closed")


def look(engine: Engine, taken: dict[str, list[float]]) -> None:
    """What a person looks at."""
    now, case = engine.clock(), engine.case().id
    for name, ask in {
        "page: what waits": lambda tx: inbox.waiting(tx, now=now, limit=1_000),
        "page: done": inbox.finished,
        "page: newest cases": inbox.find_cases,
        "page: a text is found": lambda tx: inbox.find_cases(tx, text="customer7@example.com"),
        "page: a case": lambda tx: timeline.load(tx, case),
    }.items():
        begun = time.perf_counter()
        with engine.system.db.read() as tx:
            ask(tx)
        taken[name].append(time.perf_counter() - begun)


def sizes(db: Database, closed: int) -> dict[str, dict[str, int]]:
    """Bytes for each closed case: rows and their overflow, and indexes."""
    with db.read() as tx:
        return {
            table: dict(
                tx.execute(
                    text("SELECT pg_table_size(:t) / :n AS rows, pg_indexes_size(:t) / :n AS indexes"),
                    {"t": table, "n": closed},
                )
                .mappings()
                .one()
            )
            for table in history.FILLED
        }


def measure(closed: int, rounds: int) -> dict[str, Any]:
    with Postgres() as server, tempfile.TemporaryDirectory() as scratch:
        engines = {}
        for name in ("empty", "full"):
            url = server.database(name)
            db = Database(url, connections=2)
            schema.upgrade(db)
            begun = time.monotonic()
            if name == "full":
                history.fill(db, closed, until=NOW - timedelta(days=1))
                filled = time.monotonic() - begun
                bytes_each = sizes(db, closed)
            db.dispose()
            folder = Path(scratch) / name
            folder.mkdir()
            engines[name] = make_engine(folder, url=url)
        taken: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in engines}
        for number in range(WARM_UP + rounds):
            # Whoever comes second finds the caches warm: they take turns at that too.
            for name in sorted(engines, reverse=bool(number % 2)):
                work(engines[name], number, taken[name] if number >= WARM_UP else defaultdict(list))
                if number % 10 == 0:
                    look(engines[name], taken[name])
        for engine in engines.values():
            engine.system.close()
    medians = {
        step: {name: statistics.median(times[step]) * 1000 for name, times in taken.items()} for step in taken["full"]
    }
    ratio = medians["whole case"]["full"] / medians["whole case"]["empty"]
    return {
        "closed": closed,
        "rounds": rounds,
        "seconds_to_fill": round(filled, 1),
        "milliseconds": medians,
        "ratio": round(ratio, 3),
        "target": TARGET,
        "ok": ratio <= TARGET,
        "bytes_a_case": bytes_each,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--closed", type=int, default=1_000_000, help="closed cases in the full database")
    parser.add_argument("--rounds", type=int, default=300, help="cases worked on each")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    log.configure("ERROR", "console")
    found = measure(given.closed, given.rounds)
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        print(
            f"{found['closed']:,} closed cases, filled in {found['seconds_to_fill']} s; {found['rounds']} cases on each"
        )
        print(f"{'median, ms':<26}{'empty':>10}{'full':>10}{'ratio':>8}")
        for step, one in found["milliseconds"].items():
            print(f"{step:<26}{one['empty']:>10.2f}{one['full']:>10.2f}{one['full'] / one['empty']:>8.2f}")
        verdict = "within" if found["ok"] else "over"
        print(f"whole case: {found['ratio']} times an empty database, {verdict} the target of {found['target']}")
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
