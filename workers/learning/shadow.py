"""The shadow: a second model or other instructions beside the live ones, on cases that people have decided already.

`LearningPass` calls `follow`. It drafts what the live model drafted, keeps how both compare with what people decided, and touches
neither case nor actions: what it says is only ever read. It runs behind the work, a few cases at a time, and where it
fails the live work does not notice.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile

from workers.learning.candidate import Candidate
from workers.learning.naming import Words
from workers.learning.replay import Replayed, replay
from workers.store import examples, shadows
from workers.wiring import System

#: cases in one run
LOT = 20
#: cases that closed longer ago are left to ``caseworker eval cases``
OLDEST = timedelta(days=1)
#: a case may be committed so long after the moment at which it closed
LATE = timedelta(minutes=5)
STEP = "shadow"


def follow(system: System, candidate: Candidate, words: Words, *, at_once: int = 2) -> int:
    """Draft the decided cases that the shadow has not seen. How many that were."""
    now = system.clock()
    mark = f"{STEP} {words.name}"[:240]
    with system.db.read() as tx:
        looked = examples.mark(tx, mark)
    since = max(now - OLDEST, min(datetime.fromisoformat(looked), now) - LATE if looked else now - OLDEST)
    after, passed = (since, ""), list[tuple[str, datetime]]()
    count, missed = 0, set[str]()
    while True:
        with system.db.read() as tx:
            waiting = shadows.waiting(tx, words.name, after=after, limit=LOT)
        passed += waiting
        chosen = [case_id for case_id, _ in waiting if words.takes(case_id)]
        asked = False
        for one in replay(system.db, system.agents, candidate, chosen, task=STEP, clock=system.clock, at_once=at_once):
            if one.over_budget:
                # It says nothing of the candidate, and tomorrow there are other cases.
                continue
            asked = True
            if one.passing:
                missed.add(one.case_id)
                continue
            _keep(system, words.name, one)
            count += 1
        if asked or len(waiting) < LOT:
            break
        # None of these is for it, and they stay as they are: the next must not wait behind them.
        after = (waiting[-1][1], waiting[-1][0])
    # What could not be asked just now is asked again.
    done = list(takewhile(lambda case: case[0] not in missed, passed))
    if done:
        with system.db.write() as tx:
            examples.set_mark(tx, mark, min(done[-1][1], now).isoformat(), now)
    return count


def _keep(system: System, name: str, one: Replayed) -> None:
    used = one.usage
    with system.db.write() as tx:
        shadows.add(
            tx,
            {
                "case_id": one.case_id,
                "customer": one.customer,
                "domain": one.domain,
                "candidate": name,
                "provider": used.provider if used is not None else "",
                "model": used.model if used is not None else "",
                "output": one.output,
                "measured": one.then.as_json() if one.then is not None else None,
                "live": one.live.as_json(),
                "cost_usd": one.cost_usd,
                "latency_ms": used.latency_ms if used is not None else 0,
                "error": one.error,
                "at": system.clock(),
            },
        )
