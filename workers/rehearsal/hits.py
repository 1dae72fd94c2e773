"""How often each rule matches: counted beside the work from the records of what was decided, a lot at a time.

`RehearsalThread` calls `follow`; the page adds what was decided since. An action counts once, by its first judgement, on the day when it
was drafted (UTC). What an edit or a change of the policy had judged anew is not counted again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from workers.store import decided, rule_hits
from workers.store.database import Database, Tx
from workers.store.decided import SKEW, Kept
from workers.store.rule_hits import Hits, RuleDay

LOT = 1_000
#: how far back the first count begins, and how long counts are kept
FIRST = timedelta(days=30)
KEPT = timedelta(days=400)
#: of what was not counted yet, a page looks at so many
MOST_FRESH = 2_000


def follow(db: Database, now: datetime, *, go_on: Callable[[], bool] = lambda: True) -> int:
    """Count what was decided since the last time. How many actions that were."""
    total = 0
    while go_on():
        with db.read() as tx:
            was = rule_hits.mark(tx)
            floor = was or decided.last_before(tx, now - FIRST)
            # What was drafted just now may be committed after what was drafted a little later elsewhere.
            lot = decided.after(tx, floor, until=now - SKEW, limit=LOT)
        if not lot:
            return total
        with db.write() as tx:
            if not rule_hits.add(tx, count(lot), was=was, now_at=lot[-1].action_id, now=now):
                return total
            rule_hits.drop_before(tx, f"{now - KEPT:%Y-%m-%d}")
        total += len(lot)
    return total


def lately(tx: Tx, now: datetime, days: int) -> tuple[list[RuleDay], bool]:
    """Each rule's last days with what was not counted yet; and whether that was more than is looked at."""
    since = f"{now - timedelta(days=days - 1):%Y-%m-%d}"
    found = {(day.rule, day.day): day for day in rule_hits.since(tx, since)}
    floor = rule_hits.mark(tx) or decided.last_before(tx, now - FIRST)
    fresh = decided.after(tx, floor, until=now, limit=MOST_FRESH)
    for (rule, day), hits in count(fresh).items():
        if day >= since and hits.last_at is not None:
            held = found.get((rule, day))
            found[rule, day] = RuleDay(
                rule,
                day,
                hits.matched + (held.matched if held else 0),
                hits.decided + (held.decided if held else 0),
                [*reversed(hits.actions), *(held.actions if held else ())][: rule_hits.NAMED],
                hits.last_at if held is None else max(hits.last_at, held.last_at),
            )
    return sorted(found.values(), key=lambda day: (day.day, day.rule)), len(fresh) == MOST_FRESH


def count(lot: Iterable[Kept]) -> dict[tuple[str, str], Hits]:
    """Matches by rule and day. A record that cannot be read, as an erased one, matches nothing."""
    counted: dict[tuple[str, str], Hits] = {}
    for one in lot:
        try:
            record = json.loads(one.record)
            matched = [f"{a['bundle']}/{a['rule']}" for a in record["answers"] if a["matched"]]
            deciding = set(record["rules"])
        except (KeyError, TypeError, ValueError):
            continue
        for rule in matched:
            hits = counted.setdefault((rule, f"{one.created_at:%Y-%m-%d}"), Hits())
            hits.matched += 1
            hits.decided += rule in deciding
            hits.actions.append(one.action_id)
            hits.last_at = one.created_at if hits.last_at is None else max(hits.last_at, one.created_at)
    return counted
