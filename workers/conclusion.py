"""Commits of what was decided on a case that take more than one statement, all under the case's lock.

Called by the pipeline where a decision uses up of a limit, where actions of earlier rounds may be changing at this moment, and
where a case was woken though all is decided. Everything else is committed in one statement by the pipeline itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from workers import faults
from workers.drafting import LaidOut, judged_note, revision_row, standing
from workers.journal import Entry, Work
from workers.judgement import Judged
from workers.reserving import Judgement, reserves, within_limits
from workers.settlement import settle
from workers.store import cases, flow
from workers.store.database import Tx
from workers.store.flow import Progress
from workers.store.records import CaseState
from workers.wiring import System

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
    made = [
        Judgement(
            laid.action["id"],
            laid.judged,
            laid.kind,
            laid.action["arguments"],
            laid.action["target"],
            laid.action["target_version"],
            laid.action["revision"],
        )
        for laid in laid_out
    ]
    found = zip(laid_out, within_limits(tx, made, now=now, once=True), strict=True)
    return [laid if judged is laid.judged else _restated(system, laid, judged) for laid, judged in found]


def _restated(system: System, laid: LaidOut, judged: Judged) -> LaidOut:
    """The rows of an action whose verdict is another than it was laid out with."""
    decided_at = laid.action["created_at"]
    waits = bool(laid.action["rests_on"])
    action = {**laid.action, **standing(system, laid.kind, judged, waits=waits, now=decided_at)}
    revision = revision_row(action, judged, laid.revision["author"], decided_at)
    note = judged_note(action, judged, revision)
    return replace(laid, action=action, revision=revision, note=note, judged=judged)
