"""Commits of what was decided on a case, and what they write of it.

Called by the pipeline. A first decision is one statement, also where it uses up of a limit and all of that is to be had. Where it is
not, where actions of earlier rounds may be changing at this moment, and where a case was woken though all is decided, it takes
more than one, all under the case's lock.

Who will carry out the one action that is allowed begins it in the commit that decides it, where `execute` is ready for that: as
`flow.begin` would leave it, held under this process's name from before the commit. A switch that was thrown meanwhile lets none
of it be written; then it is decided and not begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Self

from workers import faults
from workers.drafting import NewAction, state_columns
from workers.journal import Entry, Work, rows_of
from workers.judgement import Judged
from workers.lease import Key, Leases
from workers.settlement import consequences_of, settle
from workers.store import actions, cases, flow, outage, spending
from workers.store.cases import LostClaim
from workers.store.database import Tx
from workers.store.flow import ActionSnapshot, Begun, Progress, stopping
from workers.store.records import Action, ActionState, CaseState
from workers.store.spending import Used
from workers.verdict_limits import Judgement, as_it_fits, holdings, reserves, rooms, within_limits
from workers.wiring import System

_ACTION_COLUMNS = tuple(field.name for field in fields(Action))

#: a case whose actions go out at once is looked at again after so long, should nothing have closed it by then
ON_THEIR_WAY = timedelta(minutes=5)

CRASH_POINTS = ("case.limits.reserved",)


def conclude(
    system: System, work: Work, changes: Mapping[str, Any], entries: Sequence[Entry], new_actions: Sequence[NewAction]
) -> Work:
    """Reserve what the actions use up, write them down as they stand then, and bring the case in line with all its actions.

    One commit, so that nothing is reserved for an action that is not there, whenever the process dies. Raise `LostClaim`.
    """
    reserving = [new for new in new_actions if reserves(new.judged.record)]
    if work.case.round == 1 and not reserving:
        return _store(system, work, changes, entries, new_actions)
    # Actions of earlier rounds may be changing at this moment, and others may be reserving from the same limits.
    if not system.db.is_sqlite and work.case.round == 1 and len(reserving) == 1:
        with _Hold(system.leases) as hold:
            stored = outage.with_retries(
                _store_and_reserve, system, work, changes, entries, new_actions, reserving[0], hold
            )
        if stored is not None:
            return stored
    return outage.with_retries(_store_locked, system, work, changes, entries, new_actions)


def _store_locked(
    system: System, work: Work, changes: Mapping[str, Any], entries: Sequence[Entry], new_actions: Sequence[NewAction]
) -> Work:
    """Several statements under the case's lock: for actions of several rounds, and limits that others reserve from.

    Raise `LostClaim`."""
    now = system.clock()
    with system.db.write() as tx:
        if any(reserves(new.judged.record) for new in new_actions):
            # First the case, then the limits: as everybody takes them who reserves.
            cases.lock(tx, work.case.id)
            new_actions = _within_limits(system, tx, new_actions)
            faults.point("case.limits.reserved")
        progress = Progress(
            {**changes, "claimed_by": work.case.claimed_by},
            steps=rows_of(entries),
            usage=[row for made in entries for row in made.usage],
            actions=[new.action for new in new_actions],
            revisions=[new.revision for new in new_actions],
            notes=[made.note for made in entries] + [new.note for new in new_actions],
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
class Commit:
    """One commit of a case's first actions: what it writes, the actions as they stand after it, and which of them are due."""

    progress: Progress
    actions: Sequence[Action]
    due: Sequence[str]
    #: the attempt at the one that is due, where it begins with this commit
    begun: Begun | None = None


def _commit_of(
    work: Work, changes: Mapping[str, Any], entries: Sequence[Entry], new_actions: Sequence[NewAction], now: datetime
) -> Commit:
    """What one commit writes of a case's first actions, brought in line with them."""
    fresh = [Action(**{**dict.fromkeys(_ACTION_COLUMNS), **new.action}) for new in new_actions]
    unsure = changes.get("attention")
    consequences = consequences_of(replace(work.case, attention=unsure) if unsure else work.case, fresh, now=now)
    stands = {**changes, **consequences.case}
    if consequences.due and stands["state"] == CaseState.ACTING:
        # Its end is near. Until then the timer is left as it is: taken away and closed, every index would be written twice.
        del stands["wake_at"]
        stands["held_until"] = now + ON_THEIR_WAY
    progress = Progress(
        stands,
        steps=rows_of(entries),
        usage=[row for made in entries for row in made.usage],
        actions=[{**new.action, **consequences.actions.get(new.action["id"], {})} for new in new_actions],
        revisions=[new.revision for new in new_actions],
        notes=[*(made.note for made in entries), *(new.note for new in new_actions), *consequences.notes],
        # An answer to the message before the newest must not even be judged.
        unjoined=True,
    )
    after = [replace(action, **consequences.actions.get(action.id, {})) for action in fresh]
    return Commit(progress, after, consequences.due)


def _store(
    system: System, work: Work, changes: Mapping[str, Any], entries: Sequence[Entry], new_actions: Sequence[NewAction]
) -> Work:
    """One statement: a case's first actions, none of which uses up of a limit, with the steps that led to them.

    Raise `LostClaim`."""
    now = system.clock()
    made = _commit_of(work, changes, entries, new_actions, now)
    with _Hold(system.leases) as hold:
        commit = _with_attempt(system, work, made, now, hold) or made
        faults.point("case.decide.committing")
        try:
            case, chain = outage.record(system.db, work.case, work.chain, commit.progress, now=now)
        except LostClaim:
            if commit is made:
                raise
            commit = made
            case, chain = outage.record(system.db, work.case, work.chain, made.progress, now=now)
        hold.kept = commit.begun is not None
    faults.point("case.decide.committed")
    work = replace(work, case=case, chain=chain, found=None)
    _send_hints(system, work, commit)
    return work


def _with_attempt(
    system: System, work: Work, made: Commit, now: datetime, hold: _Hold, *, holding: str | None = None
) -> Commit | None:
    """The same commit with the attempt at the one action that is due. None where this thread does not carry it out at once."""
    if len(made.due) != 1:
        return None
    (action,) = (action for action in made.actions if action.id in made.due)
    if not system.hints.begins_here(_snapshot(work, made, action, holding)):
        return None
    changes: dict[str, Any] = {
        "state": ActionState.EXECUTING,
        "claimed_by": system.worker,
        "wake_at": now + system.settings.lease,
        "tries": 1,
        "version": action.version + 1,
    }
    started = replace(action, **changes)
    attempt = actions.told_attempt(started)
    assert attempt is not None, "what is under way tells of its attempt"
    begun = Begun(attempt, system.monotonic())
    if "wake_at" not in made.progress.changes and work.case.events_worked:
        # Its case keeps its timer, and it is found by that (`unsettled`).
        changes |= {"wake_at": None, "held_until": started.wake_at}
    progress = replace(
        made.progress,
        actions=[{**row, **changes} if row["id"] == action.id else row for row in made.progress.actions],
        unless=stopping(action, work.case),
    )
    hold.take(started)
    return Commit(progress, [started if one is action else one for one in made.actions], made.due, begun)


class _Hold:
    """What may be begun with its decision is held by this process from before the commit: once that is made its name stands on
    the row, and what bears a name and is held by nobody is let go of. `kept` for whoever carries it out and gives it up."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._taken: tuple[Key, int] | None = None
        self.kept = False

    def take(self, action: Action) -> None:
        self._taken = ("action", action.id), action.version
        self._leases.take(*self._taken)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if self._taken is not None and not self.kept:
            self._leases.give_up(*self._taken, error)


def _send_hints(system: System, work: Work, made: Commit, *, holding: str | None = None) -> None:
    """Say which actions are due, with what is known of them by the commit that was just made; `holding` is the one for which
    it reserved."""
    for action in made.actions:
        if action.id in made.due:
            system.hints.action(action.id, _snapshot(work, made, action, holding))


def _snapshot(work: Work, made: Commit, action: Action, holding: str | None) -> ActionSnapshot:
    others = [other for other in made.actions if other is not action]
    return ActionSnapshot(action, work.case, others, None, work.chain, held=action.id == holding, begun=made.begun)


def _store_and_reserve(
    system: System,
    work: Work,
    changes: Mapping[str, Any],
    entries: Sequence[Entry],
    new_actions: Sequence[NewAction],
    one: NewAction,
    hold: _Hold,
) -> Work | None:
    """One statement, where a first draft reserves for one action, and all of it is to be had. None, and nothing written,
    for everything else. Raise `LostClaim`. SQLite has none: whoever writes is alone there, and no statement is a journey."""
    now = system.clock()
    judgement = _judgement(one)
    without_attempt = False
    commit: Commit | None = None

    def made(used: Used) -> Progress | None:
        nonlocal commit
        judged = as_it_fits(judgement, used)
        if judged is None:
            return None
        faults.point("case.limits.reserved")
        restated = [_restated(system, new, judged) if new is one else new for new in new_actions]
        commit = _commit_of(work, changes, entries, restated, now)
        if not without_attempt:
            commit = _with_attempt(system, work, commit, now, hold, holding=judgement.action_id) or commit
        faults.point("case.decide.committing")
        return commit.progress

    uses = one.judged.record.uses
    held = holdings(judgement.action_id, uses)
    try:
        recorded = spending.record(system.db, work.case, work.chain, held, rooms(uses), made, now=now)
    except LostClaim:
        if commit is None or commit.begun is None:
            raise
        without_attempt = True
        recorded = spending.record(system.db, work.case, work.chain, held, rooms(uses), made, now=now)
    if recorded is None or commit is None:
        return None
    hold.kept = commit.begun is not None
    faults.point("case.decide.committed")
    work = replace(work, case=recorded[0], chain=recorded[1], found=None)
    _send_hints(system, work, commit, holding=judgement.action_id)
    return work


def settle_again(system: System, work: Work) -> Work:
    """Woken though all is decided: nothing but to bring the case in line with its actions."""
    with system.db.write() as tx:
        case = cases.release(tx, work.case, state=CaseState.INBOX, wake_at=None, now=system.clock())
        hints = settle(tx, case, now=system.clock())
    for action_id in hints:
        system.hints.action(action_id)
    return replace(work, case=case)


def _within_limits(system: System, tx: Tx, new_actions: Sequence[NewAction]) -> list[NewAction]:
    now = system.clock()
    made = [_judgement(new) for new in new_actions]
    found = zip(new_actions, within_limits(tx, made, now=now, once=True), strict=True)
    return [new if judged is new.judged else _restated(system, new, judged) for new, judged in found]


def _judgement(new: NewAction) -> Judgement:
    return Judgement(
        new.action["id"],
        new.judged,
        new.kind,
        new.action["arguments"],
        new.action["target"],
        new.action["target_version"],
        new.action["revision"],
    )


def _restated(system: System, new: NewAction, judged: Judged) -> NewAction:
    """The rows of an action whose verdict is another than it was judged with first."""
    if judged.verdict is new.judged.verdict:
        # Only its record says more.
        return replace(new, judged=judged)
    decided_at = new.action["created_at"]
    waits = bool(new.action["rests_on"])
    action = {**new.action, **state_columns(system, new.kind, judged, waits=waits, now=decided_at)}
    return replace(new, action=action, judged=judged)
