"""What a shadow policy has said so far, gathered for the terminal and the page, and beginning and ending one that is kept.

Reads what `shadow` wrote. Beginning and ending only says in the database what is to be followed; it is written into the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from workers.rehearsal.told import BECAME, decided_by, requirement
from workers.store import audit, policy_sets, shadow_verdicts
from workers.store.audit import SYSTEM, Note
from workers.store.database import Tx
from workers.store.policy_sets import PolicySet, SetState
from workers.store.records import ActionState
from workers.store.shadow_verdicts import Differing, Known

SHOWN = 200
#: what became of an action, in the words of a backtest
_ENDS: Mapping[str, str] = {
    ActionState.DONE: BECAME["automatic"],
    ActionState.FAILED: BECAME["failed"],
    ActionState.REJECTED: BECAME["rejected"],
    ActionState.EXPIRED: BECAME["rejected"],
    ActionState.CHANGES_REQUESTED: BECAME["rejected"],
}


class NotKept(Exception):
    """No kept policy is meant by what was said, or none that may be moved so."""


@dataclass(frozen=True, slots=True)
class Difference:
    action_id: str
    revision: int
    domain: str
    kind: str
    was: str
    would_be: str
    rules: str
    became: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Beside:
    """One shadow over some days. `moves`: (was, would be, how many) where the outcome is another; `asked`: how many keep
    their outcome and ask other people; `by_day`: (day, same, differing)."""

    shadow: Known
    days: int
    judged: int
    same: int
    moves: Sequence[tuple[str, str, int]]
    asked: int
    by_day: Sequence[tuple[str, int, int]]
    differences: Sequence[Difference]


def gather(tx: Tx, shadow: Known, *, days: int, now: datetime, limit: int = SHOWN) -> Beside:
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    counted = shadow_verdicts.moves(tx, shadow.shadow, since)
    by_day = shadow_verdicts.days(tx, shadow.shadow, since)
    names = [f"{since + timedelta(days=day):%Y-%m-%d}" for day in range(days)]
    moves = sorted(
        ((was, then, count) for (was, then, _), count in counted.items() if was != then), key=lambda one: -one[2]
    )
    found = shadow_verdicts.differing(tx, shadow.shadow, since, limit=limit)
    return Beside(
        shadow=shadow,
        days=days,
        judged=sum(counted.values()),
        same=sum(count for (_, _, differs), count in counted.items() if not differs),
        moves=moves,
        asked=sum(count for (was, then, differs), count in counted.items() if differs and was == then),
        by_day=[(name, *by_day.get(name, (0, 0))) for name in names],
        differences=[_difference(one) for one in found],
    )


def move(tx: Tx, prefix: str, *, begin: bool, by: str, now: datetime) -> PolicySet:
    """Have a kept policy followed, or no longer. Raise `NotKept`."""
    found = policy_sets.beginning_with(tx, prefix) if prefix else []
    if len(found) != 1:
        raise NotKept(f"{len(found)} policies are kept whose hash begins with {prefix!r}; name exactly one.")
    was, then = (SetState.PROPOSED, SetState.SHADOW) if begin else (SetState.SHADOW, SetState.PROPOSED)
    if not policy_sets.set_state(tx, found[0].hash, then, was=was):
        wanted = "proposed" if begin else "a shadow"
        raise NotKept(f"The policy {found[0].hash[:12]} is {found[0].state}; it has to be {wanted}.")
    verb = "policy_shadow_begun" if begin else "policy_shadow_ended"
    audit.append(tx, SYSTEM, now, Note(by, verb, {"hash": found[0].hash}))
    return found[0]


def _difference(one: Differing) -> Difference:
    told = one.verdict.told or {}
    return Difference(
        action_id=one.verdict.action_id,
        revision=one.verdict.revision,
        domain=one.verdict.domain,
        kind=one.verdict.kind,
        was=_said(told.get("was"), one.verdict.was),
        would_be=_said(told.get("would_be"), one.verdict.would_be),
        rules=decided_by((told.get("would_be") or {}).get("rules") or ()),
        became=_became(one),
        decided_at=one.verdict.decided_at,
    )


def _said(told: Mapping[str, object] | None, outcome: str) -> str:
    needed = (told or {}).get("requirements") or ()
    people = requirement(needed) if isinstance(needed, list) else ""
    return f"{outcome} by {people}" if people else outcome


def _became(one: Differing) -> str:
    by_person = not (one.decided_by or "policy:").startswith("policy:")
    if one.state == ActionState.DONE and by_person:
        return "let through by a person"
    return _ENDS.get(one.state, BECAME["unknown"])
