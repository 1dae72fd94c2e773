"""Commits of what was decided on a case, and what they write of it.

Called by the pipeline where a decision uses up of a limit, where actions of earlier rounds may be changing at this moment, and
where a case was woken though all is decided: these take more than one statement, all under the case's lock. Everything else
is committed in one statement by the pipeline itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from workers import faults
from workers.drafting import LaidOut, standing
from workers.journal import Entry, Work
from workers.judgement import Judged
from workers.reserving import Judgement, as_it_fits, holdings, reserves, rooms, within_limits
from workers.settlement import settle, weigh
from workers.store import cases, flow, spending
from workers.store.database import Tx
from workers.store.flow import Errand, Progress
from workers.store.records import Action, CaseState
from workers.store.spending import Used
from workers.wiring import System

_ACTION_COLUMNS = tuple(field.name for field in fields(Action))

CRASH_POINTS = ("case.limits.reserved",)


def limited(laid_out: Sequence[LaidOut]) -> bool:
    """Whether storing these reserves anything."""
    return any(reserves(laid.judged.record) for laid in laid_out)


def conclude(
    system: System, work: Work, changes: Mapping[str, Any], entries: Sequence[Entry], laid_out: Sequence[LaidOut]
) -> Work:
    """Reserve what the actions use up, write them down as they stand then, and bring the case in line with all its actions.

    One commit, so that nothing is reserved for an action that is not there, whenever the process dies. Raise `LostClaim`.
    """
    now = system.clock()
    at_once = _at_once(system, work, changes, entries, laid_out)
    if at_once is not None:
        return at_once
    with system.db.write() as tx:
        if limited(laid_out):
            # First the case, then the limits: as everybody takes them who reserves.
            cases.lock(tx, work.case.id)
            laid_out = _within_limits(system, tx, laid_out)
            faults.point("case.limits.reserved")
        progress = Progress(
            {**changes, "claimed_by": work.case.claimed_by},
            steps=[made.step for made in entries],
            usage=[row for made in entries for row in made.usage],
            actions=[laid.action for laid in laid_out],
            revisions=[laid.revision for laid in laid_out],
            notes=[made.note for made in entries] + [laid.note for laid in laid_out],
            # An answer to the message before the newest must not even be judged.
            unjoined=True,
        )
        case = flow.record_in(tx, work.case, progress, now=now)
        case = cases.release(tx, case, state=CaseState.INBOX, wake_at=None, now=now)
        hints = settle(tx, case, now=now)
        faults.point("case.decide.committing")
    faults.point("case.decide.committed")
    for action_id in hints:
        system.hints.action(action_id)
    return replace(work, case=case)


@dataclass(frozen=True, slots=True)
class Written:
    """One commit of a case's first actions: what it writes, the actions as they stand after it, and which of them are due."""

    progress: Progress
    actions: Sequence[Action]
    due: Sequence[str]


def written(
    work: Work, changes: Mapping[str, Any], entries: Sequence[Entry], laid_out: Sequence[LaidOut], now: datetime
) -> Written:
    """What one commit writes of a case's first actions, brought in line with them."""
    fresh = [Action(**{**dict.fromkeys(_ACTION_COLUMNS), **laid.action}) for laid in laid_out]
    same = changes["attention"] == work.case.attention
    standing = weigh(work.case if same else replace(work.case, attention=changes["attention"]), fresh, now=now)
    progress = Progress(
        {**changes, **standing.case},
        steps=[made.step for made in entries],
        usage=[row for made in entries for row in made.usage],
        actions=[{**laid.action, **standing.actions.get(laid.action["id"], {})} for laid in laid_out],
        revisions=[laid.revision for laid in laid_out],
        notes=[*(made.note for made in entries), *(laid.note for laid in laid_out), *standing.notes],
        # An answer to the message before the newest must not even be judged.
        unjoined=True,
    )
    after = [replace(action, **standing.actions.get(action.id, {})) for action in fresh]
    return Written(progress, after, standing.due)


def hand_on(system: System, work: Work, made: Written, *, holding: str | None = None) -> None:
    """Say which actions are due, with what is known of them by the commit that was just made; `holding` is the one for which
    it reserved."""
    for action in made.actions:
        if action.id not in made.due:
            continue
        others = [other for other in made.actions if other is not action]
        errand = Errand(action, work.case, others, None, work.chain, held=action.id == holding)
        system.hints.action(action.id, errand)


def _at_once(
    system: System, work: Work, changes: Mapping[str, Any], entries: Sequence[Entry], laid_out: Sequence[LaidOut]
) -> Work | None:
    """The straight way, where a first draft reserves for one action, and all of it is to be had. None, and nothing written,
    for everything else; on SQLite too, where whoever writes is alone and no statement is a journey."""
    reserving = [laid for laid in laid_out if reserves(laid.judged.record)]
    if system.db.is_sqlite or work.case.round > 1 or len(reserving) != 1:
        return None
    (one,) = reserving
    now = system.clock()
    judgement = _judgement(one)
    commit: Written | None = None

    def made(used: Used) -> Progress | None:
        nonlocal commit
        judged = as_it_fits(judgement, used)
        if judged is None:
            return None
        faults.point("case.limits.reserved")
        restated = [_restated(system, laid, judged) if laid is one else laid for laid in laid_out]
        commit = written(work, changes, entries, restated, now)
        faults.point("case.decide.committing")
        return commit.progress

    uses = one.judged.record.uses
    held = holdings(judgement.action_id, uses)
    recorded = spending.record(system.db, work.case, work.chain, held, rooms(uses), made, now=now)
    if recorded is None or commit is None:
        return None
    faults.point("case.decide.committed")
    work = replace(work, case=recorded[0], chain=recorded[1])
    hand_on(system, work, commit, holding=judgement.action_id)
    return work


def settle_again(system: System, work: Work) -> Work:
    """Woken though all is decided: nothing but to bring the case in line with its actions."""
    with system.db.write() as tx:
        case = cases.release(tx, work.case, state=CaseState.INBOX, wake_at=None, now=system.clock())
        hints = settle(tx, case, now=system.clock())
    for action_id in hints:
        system.hints.action(action_id)
    return replace(work, case=case)


def _within_limits(system: System, tx: Tx, laid_out: Sequence[LaidOut]) -> list[LaidOut]:
    now = system.clock()
    made = [_judgement(laid) for laid in laid_out]
    found = zip(laid_out, within_limits(tx, made, now=now, once=True), strict=True)
    return [laid if judged is laid.judged else _restated(system, laid, judged) for laid, judged in found]


def _judgement(laid: LaidOut) -> Judgement:
    return Judgement(
        laid.action["id"],
        laid.judged,
        laid.kind,
        laid.action["arguments"],
        laid.action["target"],
        laid.action["target_version"],
        laid.action["revision"],
    )


def _restated(system: System, laid: LaidOut, judged: Judged) -> LaidOut:
    """The rows of an action whose verdict is another than it was laid out with."""
    if judged.verdict is laid.judged.verdict:
        # Only its record says more.
        return replace(laid, judged=judged)
    decided_at = laid.action["created_at"]
    waits = bool(laid.action["rests_on"])
    action = {**laid.action, **standing(system, laid.kind, judged, waits=waits, now=decided_at)}
    return replace(laid, action=action, judged=judged)
