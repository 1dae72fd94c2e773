"""The commits of the flow: claiming a case, recording progress, beginning and ending an action. One call, one commit.

The pipeline and `execute` write through these alone on their straight way. On PostgreSQL each is one statement, so that a
case costs few round trips (`flow_postgresql`); on SQLite the same thing is a transaction of several (`flow_portable`).
Both say the same: first the fence, then the rest, or nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from workers.store import flow_portable, flow_postgresql, flow_start, unsettled
from workers.store.audit import Chain
from workers.store.database import Database, Tx
from workers.store.flow_types import (
    ActionSnapshot,
    Announcement,
    Begun,
    Caps,
    Claimed,
    Consent,
    Ending,
    OnBegin,
    Progress,
    stopping,
)
from workers.store.records import Action, Attempt, Case

__all__ = [
    "ActionSnapshot",
    "Announcement",
    "Begun",
    "Caps",
    "Consent",
    "Ending",
    "Progress",
    "approve",
    "begin",
    "claim",
    "end",
    "live_on",
    "record",
    "record_in",
    "snapshot",
    "start",
    "stopping",
]


class _Flow(Protocol):
    """What either of the two modules offers."""

    def claim(
        self, db: Database, case_id: str, /, *, worker: str, now: datetime, lease: timedelta, caps: Caps
    ) -> Claimed | None: ...
    def record(
        self, db: Database, case: Case, chain: Chain, progress: Progress, /, *, now: datetime
    ) -> tuple[Case, Chain]: ...
    def snapshot(self, db: Database, action_id: str, /) -> ActionSnapshot | None: ...
    def begin(
        self, db: Database, action: Action, /, *, worker: str, now: datetime, lease: timedelta, unless: Sequence[str]
    ) -> tuple[Action, Attempt] | None: ...
    def end(self, db: Database, action: Action, ending: Ending, /, *, now: datetime) -> bool: ...
    def approve(self, db: Database, action: Action, consent: Consent, /, *, now: datetime) -> Action | None: ...
    def live_on(self, db: Database, kinds: Sequence[str], targets: Sequence[str], /) -> dict[tuple[str, str], int]: ...


def _on(db: Database) -> _Flow:
    return flow_portable if db.is_sqlite else flow_postgresql


def claim(db: Database, case_id: str, *, worker: str, now: datetime, lease: timedelta, caps: Caps) -> Claimed | None:
    """Take a due case for `lease`, raising its fence: the hinted one, or one of its domain that is due and urgent.

    None when it is not due, another worker has it, or its customer or source has as many in work as its cap allows: then
    it stays due.
    """
    claimed = _on(db).claim(db, case_id, worker=worker, now=now, lease=lease, caps=caps)
    if claimed is not None and claimed.case.events_worked:
        with db.write() as tx:
            unsettled.show(tx, claimed.case.id)
    return claimed


def record(db: Database, case: Case, chain: Chain, progress: Progress, *, now: datetime) -> tuple[Case, Chain]:
    """Write progress to a claimed case, asserting the fence. Raise `LostClaim`, also where an event joined against
    `progress.unjoined`, or a switch of `progress.unless` is thrown."""
    return _on(db).record(db, case, chain, progress, now=now)


def record_in(tx: Tx, case: Case, progress: Progress, *, now: datetime) -> Case:
    """As `record`, within a transaction that has more to do."""
    return flow_portable.record_in(tx, case, progress, now=now)


def snapshot(db: Database, action_id: str) -> ActionSnapshot | None:
    """An action with all that must be known before it is carried out or decided."""
    return _on(db).snapshot(db, action_id)


def begin(
    db: Database, action: Action, *, worker: str, now: datetime, lease: timedelta, unless: Sequence[str]
) -> tuple[Action, Attempt] | None:
    """Consume the approval and write the attempt down. None when the action is no longer as it was read, or one of the
    switches `unless` was thrown meanwhile."""
    return _on(db).begin(db, action, worker=worker, now=now, lease=lease, unless=unless)


def start(
    db: Database,
    action_id: str,
    *,
    worker: str,
    now: datetime,
    lease: timedelta,
    policy: str,
    kinds: Sequence[str],
    unguarded: Sequence[str],
    versioned: Sequence[str],
    approving: bool = False,
    on_begin: OnBegin | None = None,
) -> tuple[ActionSnapshot | None, tuple[Action, Attempt] | None]:
    """An action as `snapshot` reads it, and begun in the same commit where it is approved and due, of one of these `kinds`, under
    this policy, and nothing that rows tell stands in the way: no switch, no missing place in a limit, nothing else of its case
    under way at its target, and no version to be compared outside, as there is of all but `unguarded` kinds at the systems that
    are `versioned`. Not begun on SQLite.

    `approving`: whoever approves it may be committing that at this moment, which is waited for. `on_begin` is called with what is begun while
    that is committed, in most cases: nothing may leave this process by it, as the commit may still fail."""
    if db.is_sqlite:
        return snapshot(db, action_id), None
    found = flow_start.start(
        db,
        action_id,
        worker=worker,
        now=now,
        lease=lease,
        policy=policy,
        kinds=kinds,
        unguarded=unguarded,
        versioned=versioned,
        approving=approving,
        on_begin=on_begin,
    )
    return found or (None, None)


def end(db: Database, action: Action, ending: Ending, *, now: datetime) -> bool:
    """Write down how an action ended, and bring its case in line. False, and nothing written, where the action or its
    case is no longer as it was read."""
    return _on(db).end(db, action, ending, now=now)


def approve(
    db: Database, action: Action, consent: Consent, *, now: datetime, announcement: Announcement | None = None
) -> Action | None:
    """Write down a plain yes, and bring the case in line. None, and nothing written, where the action or its case is no
    longer as it was read, or somebody has decided something of the action before. On PostgreSQL the `announcement` is made, in most cases,
    while its rows are held until it is committed."""
    if db.is_sqlite:
        return flow_portable.approve(db, action, consent, now=now)
    return flow_postgresql.approve(db, action, consent, now=now, announcement=announcement)


def live_on(db: Database, kinds: Sequence[str], targets: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many actions of each of these kinds on each of these targets were carried out, are under way or approved."""
    if not targets:
        return {}
    return _on(db).live_on(db, kinds, targets)
