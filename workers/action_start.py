"""The start of an action that a hint told of: read, and begun by the same statement where that is all that is missing.

Called by `execute` alone, which carries out what has begun and looks after all that has not, and by `celery_worker` as one starts.
Nothing here sends anything: what only this process can tell is looked at before the call, and a crash in between leaves nothing
that only people could find out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from integrations.base import VersionReader
from workers import faults
from workers.actions.base import Delivery
from workers.actions.catalogue import CATALOGUE
from workers.log import logger
from workers.store import flow
from workers.store.database import UNANSWERED
from workers.store.flow import ActionSnapshot, Begun
from workers.store.records import Action, Attempt
from workers.wiring import System

Prepared = TypeVar("Prepared")

#: the id of no action
_NONE = ""


def start(
    system: System, action_id: str, *, approving: bool, prepare: Callable[[ActionSnapshot], Prepared | None]
) -> tuple[ActionSnapshot | None, Begun | None, Prepared | None]:
    """An action as it is read, what was begun of it, and what `prepare` made of that where there was time for it: it is called
    while the begin is committed. `approving`: the hint may have come before the yes was committed."""
    since = system.monotonic()
    faults.point("action.attempt_committing")
    known: list[tuple[ActionSnapshot, Prepared | None]] = []

    def on_begin(snapshot: ActionSnapshot, action: Action, _attempt: Attempt) -> None:
        begun = replace(snapshot, action=action)
        known.append((begun, prepare(begun)))

    snapshot, started = flow.start(system.db, action_id, **_terms(system), approving=approving, on_begin=on_begin)
    if snapshot is None or started is None:
        return snapshot, None, None
    action, attempt = started
    begun, prepared = known[-1] if known else (replace(snapshot, action=action), None)
    return begun, Begun(attempt, since), prepared


def warm_up(system: System) -> None:
    """Ask for no action what is asked for each: the first one then finds a connection that is open, and a statement that the
    database has prepared and planned, which takes longer than all else until it is carried out."""
    if system.db.is_sqlite:
        return
    try:
        for approving in (False, True):
            flow.start(system.db, _NONE, **_terms(system), approving=approving)
    except UNANSWERED as error:
        # What is wrong is told where it is in the way, and keeps nobody from starting.
        logger.info("not_ready_to_carry_out", error=type(error).__name__)


def _terms(system: System) -> dict[str, Any]:
    """On which an action is begun as it is read."""
    return {
        "worker": system.worker,
        "now": system.clock(),
        "lease": system.settings.lease,
        "policy": system.policy.hash,
        "kinds": [name for name, kind in CATALOGUE.items() if kind.delivery is not Delivery.AT_MOST_ONCE],
        "unguarded": [name for name, kind in CATALOGUE.items() if not kind.guarded],
        "versioned": [one for one in system.readers.systems() if system.readers.find(one, VersionReader) is not None],
    }
