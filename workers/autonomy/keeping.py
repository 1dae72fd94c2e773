"""Keeping what people decided together with the facts that the policy was told, and what became of it afterwards.

`AutonomyPass` calls `keep`, off the path of any case. It goes on where it stopped, in lots; a decision that is kept is never kept
again, and one whose customer was forgotten has no facts and is passed over. What names anybody is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from policies import record
from workers import faults
from workers.autonomy.contradictions import WITHIN, contradicted
from workers.store import autonomy, examples
from workers.store.database import Tx
from workers.wiring import System

#: decisions read at once, and lots in one turn
LOT = 200
LOTS = 25
#: an example may be committed so long after the decision that it tells of
LATE = timedelta(hours=1)
#: facts that say who it was about, or hold words of theirs
NAMING = frozenset({"customer_id", "draw", "text_findings"})
_FATES = "autonomy fates"


def keep(system: System) -> int:
    """Keep what was decided since the last time, and look after what became of the latest. How many decisions are new."""
    kept = sum(_of_domain(system, domain) for domain in system.agents)
    _look_after(system)
    return kept


def begins(mark: str, now: datetime) -> datetime | None:
    """From where on decisions are looked at; None where nobody has looked yet."""
    return min(datetime.fromisoformat(mark), now) - LATE if mark else None


def set_mark(tx: Tx, mark: str, looked: datetime, now: datetime) -> None:
    """How far was looked; never to a moment to come, where a machine whose clock is ahead put a decision: what others decide
    until then would be passed over."""
    examples.set_mark(tx, mark, min(looked, now).isoformat(), now)


def _of_domain(system: System, domain: str) -> int:
    mark, kept = f"autonomy decisions {domain}", 0
    with system.db.read() as tx:
        written = examples.mark(tx, mark)
    since = begins(written, system.clock())
    for _ in range(LOTS):
        with system.db.write() as tx:
            found = autonomy.fresh(tx, domain, since, LOT)
            rows = [row for one in found if (row := _row(one)) is not None]
            kept += autonomy.keep(tx, rows)
            if found:
                set_mark(tx, mark, found[-1].decided_at, system.clock())
                faults.point("autonomy.keeping")
        if len(found) < LOT:
            break
        if not rows:
            # Nothing of this lot could be kept: it would be found again and again.
            since = found[-1].decided_at
    return kept


def _row(one: autonomy.Fresh) -> Mapping[str, Any] | None:
    facts = record.facts_of(one.record)
    if not facts or one.record.get("usual_left_out") is not True:
        return None
    return {
        "id": one.id,
        "case_id": one.case_id,
        "customer": one.customer,
        "domain": one.domain,
        "kind": one.kind,
        "person_id": one.person_id,
        "verdict": one.verdict,
        "facts": {name: value for name, value in one.record["facts"].items() if name not in NAMING},
        "decided_at": one.decided_at,
        "fate": "",
    }


def _look_after(system: System) -> None:
    """What became of approved actions, a lot a turn, round and round while it may still change."""
    now = system.clock()
    with system.db.write() as tx:
        after = examples.mark(tx, _FATES)
        found = autonomy.unknown_fates(tx, now - 2 * WITHIN, after, LOT)
        turned = found[-1][0] if len(found) == LOT else ""
        if turned != after:
            examples.set_mark(tx, _FATES, turned, now)
        for action_id, fate in _changed(tx, found).items():
            autonomy.set_fate(tx, action_id, fate)


def _changed(tx: Tx, found: list[tuple[str, str, str]]) -> dict[str, str]:
    states = autonomy.states(tx, [action_id for action_id, _, _ in found])
    turned = contradicted(tx, {action_id: kind for action_id, kind, _ in found})
    made = {}
    for action_id, _, fate in found:
        state, _ = states.get(action_id, ("", False))
        now = "reversed" if action_id in turned else autonomy.FATES.get(state, fate)  # type: ignore[call-overload]
        if now != fate:
            made[action_id] = now
    return made
