"""Watching what rules let through, and taking back what goes wrong too often.

`AutonomyPass` calls `follow`. Every action that an allow rule let through, or would have but for a sample, is counted once and keeps
its place; it counts as right until something says otherwise, which can only raise the suspicion (`policies.evidence`). Where
that crosses the policy's threshold for an earned rule, the rule's switch is thrown, in the same commit as the reckoning, and
from then on people are asked. Tightening needs nobody; only a person gives it back, and then the test begins anew.
Nothing here ever releases a switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from policies.evidence import suspicion
from policies.rules import Autonomy
from workers import faults, switchboard
from workers.autonomy import keeping
from workers.autonomy.contradictions import CONTRADICTABLE, WITHIN, contradicted
from workers.autonomy.drafting import is_earned
from workers.log import logger
from workers.store import actions, autonomy, autonomy_watches, examples, notices, switches
from workers.store.autonomy import Fresh
from workers.store.autonomy_watches import Outcome, Passed, Watch
from workers.store.database import Tx
from workers.store.ids import first_id, made_at, until_now
from workers.store.records import ActionState
from workers.wiring import System

ACTOR = "caseworker:autonomy"
LEADS = "lead"
#: of the notice on the last action that went wrong
CAUSE = "taken_back"
LOT = 500
LOTS = 20
#: an action may be committed so long after its id was made
LATE = timedelta(minutes=5)
#: of a test, so many of the newest outcomes are reckoned with
MOST = 20_000
_PASSED, _OPEN, _TURNED, _SAMPLED = "autonomy passed", "autonomy open", "autonomy turned", "autonomy sampled"
#: of a record: it needed nobody
_LET_THROUGH = ("allow", "notify")
#: what says that it should not have run; a person who stops it before it is sent says so too
_WRONG = {ActionState.FAILED: "failed", ActionState.UNCERTAIN: "uncertain", ActionState.REJECTED: "stopped"}


@dataclass(frozen=True, slots=True)
class Followed:
    """What a turn came to."""

    counted: int
    taken_back: Sequence[str]


def follow(system: System) -> Followed:
    """Count what is new, look after what was counted, reckon every test anew that it touches."""
    counted = _count_passed(system) + _count_sampled(system)
    _look_after_open(system)
    _look_for_contradictions(system)
    with system.db.read() as tx:
        watches = autonomy_watches.listing(tx)
    taken = [watch.rule for watch in watches if _reckon(system, watch.rule)]
    return Followed(counted, taken)


# ── counting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def permitting(record: Mapping[str, Any]) -> list[str]:
    """The allow rules that a decision rests on, or would have rested on."""
    return [
        f"{answer['bundle']}/{answer['rule']}"
        for answer in record.get("answers", ())
        if answer.get("matched") is True
        and answer.get("outcome") == "allow"
        and answer.get("enforcement") == "enforce"
        and not answer.get("set_aside")
    ]


def only_sampled(record: Mapping[str, Any]) -> bool:
    """Whether people looked at what a rule permits, and no rule asked them to: it was drawn, or a limit or switch held it."""
    return bool(record.get("outcome") == "review" and not record.get("rules") and permitting(record))


def _count_passed(system: System) -> int:
    counted = 0
    with system.db.read() as tx:
        mark = examples.mark(tx, _PASSED)
    mark = until_now(mark) if mark else ""
    after = first_id("act", made_at(mark) - LATE) if mark else ""
    for _ in range(LOTS):
        with system.db.write() as tx:
            found = autonomy_watches.passed(tx, after, LOT)
            counted += _add(tx, system, _rows(found))
            if found:
                after = found[-1].id
                examples.set_mark(tx, _PASSED, until_now(max(after, mark)), system.clock())
                faults.point("autonomy.counting")
        if len(found) < LOT:
            break
    return counted


def _rows(found: Iterable[Passed]) -> list[dict[str, Any]]:
    return [
        {
            "action_id": one.id,
            "rule": rule,
            "kind": one.kind,
            "sampled": False,
            # Right until something says otherwise; what is still open is looked after.
            "wrong": False,
            "why": "",
            "open": True,
            "at": one.decided_at or one.created_at,
        }
        for one in found
        if one.record.get("outcome") in _LET_THROUGH
        for rule in permitting(one.record)
    ]


def _count_sampled(system: System) -> int:
    """People's decisions about what was drawn for a second look."""
    counted = 0
    for domain in system.agents:
        mark = f"{_SAMPLED} {domain}"
        with system.db.read() as tx:
            written = examples.mark(tx, mark)
        since = keeping.begins(written, system.clock())
        for _ in range(LOTS):
            with system.db.write() as tx:
                found = autonomy.decided_since(tx, domain, since, LOT)
                counted += _add(tx, system, [row for one in found for row in _looked_at(one)])
                if found:
                    keeping.set_mark(tx, mark, found[-1].decided_at, system.clock())
            if len(found) < LOT or found[-1].decided_at == since:
                break
            since = found[-1].decided_at
    return counted


def _looked_at(one: Fresh) -> list[dict[str, Any]]:
    if not only_sampled(one.record):
        return []
    return [
        {
            "action_id": one.id,
            "rule": rule,
            "kind": one.kind,
            "sampled": True,
            "wrong": one.verdict != "approved",
            "why": "" if one.verdict == "approved" else one.verdict,
            "open": one.verdict == "approved",
            "at": one.decided_at,
            **({} if one.verdict == "approved" else {"wrong_at": one.decided_at}),
        }
        for rule in permitting(one.record)
    ]


def _add(tx: Tx, system: System, rows: Sequence[dict[str, Any]]) -> int:
    """Give each its place in the test that its rule is under now; a rule without one is put under test."""
    known = autonomy_watches.known(tx, [row["action_id"] for row in rows])
    wanted, counted = system.policy.autonomy, 0
    for row in rows:
        if (row["action_id"], row["rule"]) in known:
            continue
        watch = _watched(tx, row["rule"], wanted, system)
        counted += autonomy_watches.count(tx, {**row, "epoch": watch.epoch})
    return counted


def _watched(tx: Tx, rule: str, wanted: Autonomy, system: System) -> Watch:
    autonomy_watches.begin(tx, rule, tolerated=wanted.max_reversal_rate, alpha=wanted.alpha, now=system.clock())
    watch = autonomy_watches.watch(tx, rule, lock=True)
    assert watch is not None, "it was put under test one statement ago"
    return watch


# ── what became of it ────────────────────────────────────────────────────────────────────────────────────────────────


def _look_after_open(system: System) -> None:
    with system.db.write() as tx:
        after = examples.mark(tx, _OPEN)
        found = autonomy_watches.still_open(tx, after, LOT)
        _go_round(tx, system, _OPEN, after, found)
        states = autonomy.states(tx, [one.action_id for one in found])
        for one in found:
            state, settled = states.get(one.action_id, ("", True))
            if not settled and state != ActionState.UNCERTAIN:
                continue
            why = _WRONG.get(ActionState(state), "") if state else ""
            autonomy_watches.settle(tx, one.action_id, wrong=bool(why), why=why, now=system.clock())


def _look_for_contradictions(system: System) -> None:
    """Round and round over what is young enough, a lot a turn."""
    now = system.clock()
    with system.db.write() as tx:
        after = examples.mark(tx, _TURNED)
        found = autonomy_watches.may_turn(tx, CONTRADICTABLE, now - 2 * WITHIN, after, LOT)
        _go_round(tx, system, _TURNED, after, found)
        turned = contradicted(tx, {one.action_id: one.kind for one in found})
        for action_id in turned:
            autonomy_watches.settle(tx, action_id, wrong=True, why="reversed", now=now)


def _go_round(tx: Tx, system: System, mark: str, after: str, found: Sequence[Outcome]) -> None:
    turned = found[-1].action_id if len(found) == LOT else ""
    if turned != after:
        examples.set_mark(tx, mark, turned, system.clock())


# ── the test ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _reckon(system: System, rule: str) -> bool:
    """Bring one test up to date. True when it took the rule's permission back."""
    now, wanted = system.clock(), system.policy.autonomy
    scope = f"{switchboard.RULE}{rule}"
    with system.db.write() as tx:
        watch = autonomy_watches.watch(tx, rule, lock=True)
        if watch is None:
            return False
        if watch.taken_back:
            if switches.thrown(tx, [scope]) is None:
                # A person gave it back: what was held against it before counts no more.
                autonomy_watches.begin_anew(tx, watch, tolerated=wanted.max_reversal_rate, alpha=wanted.alpha, now=now)
            return False
        found = autonomy_watches.outcomes(tx, rule, watch.epoch, MOST)
        path = suspicion([one.wrong for one in found], watch.tolerated)
        changes: dict[str, Any] = {
            # Of the same ones as what went wrong: a share of the two is told, and relied on.
            "outcomes": len(found),
            "wrong": sum(one.wrong for one in found),
            "sampled": sum(one.sampled for one in found),
            "suspicion": path[-1] if path else 1.0,
            "peak": max(path, default=1.0),
        }
        alarmed = changes["peak"] >= 1 / watch.alpha and is_earned(rule)
        if alarmed:
            reason = _reason(found, watch)
            changes |= {"state": autonomy_watches.TAKEN_BACK, "taken_back_at": now, "reason": reason}
            switchboard.throw(tx, scope, reason=reason, actor=ACTOR, now=now)
            _tell(tx, system, next(one for one in reversed(found) if one.wrong))
        if not autonomy_watches.reckoned(tx, watch, changes):
            return False
        if alarmed:
            faults.point("autonomy.taking_back")
    if alarmed:
        faults.point("autonomy.taken_back")
        system.switchboard.forget()
        logger.warning("autonomy_taken_back", rule=rule, outcomes=changes["outcomes"], wrong=changes["wrong"])
    return alarmed


def _tell(tx: Tx, system: System, last: Outcome) -> None:
    """A notice on the last action that went wrong, to those who lead; to everybody where nobody is declared to."""
    action = actions.get(tx, last.action_id)
    if action is not None:
        roles = {role for bundle in system.policy.bundles for role in bundle.roles}
        role = LEADS if LEADS in roles else notices.EVERYBODY
        notices.add(tx, action_id=action.id, case_id=action.case_id, told={role: CAUSE}, now=system.clock())


def _reason(found: Sequence[Outcome], watch: Watch) -> str:
    wrong = [one for one in found if one.wrong]
    lately = [one for one in found[-50:] if one.wrong]
    by = {why: sum(1 for one in wrong if one.why == why) for why in dict.fromkeys(one.why for one in wrong)}
    what = ", ".join(f"{count} {why}" for why, count in by.items())
    return (
        f"{len(wrong)} of {len(found)} went wrong ({what}), {len(lately)} of the last {min(len(found), 50)}; "
        f"{watch.tolerated:.0%} are tolerated. People are asked again until somebody releases this switch."
    )
