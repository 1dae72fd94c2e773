"""Judging anew what was judged by a policy that is in force no more: when it is shown, decided on, or about to be carried out.

Called by the inbox and by `execute`. What people said so far lapses with the revision that they said it of; so nobody approves
under a policy that is gone. A change of the policy itself is not judged anew but over: it was made for the policy before.
"""

from __future__ import annotations

from workers.actions.catalogue import CATALOGUE
from workers.drafting import rejudge
from workers.log import logger
from workers.settlement import settle
from workers.store import actions, audit, cases
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.records import Action, ActionState
from workers.wiring import System

JUDGED_ANEW = (
    "The policy changed since this was judged, so it was judged anew. "
    "Look at it again: what is allowed now goes out by itself."
)


def outdated(system: System, action: Action) -> bool:
    """Whether an open action was judged by another policy than the one in force."""
    return action.state in (ActionState.PENDING, ActionState.APPROVED) and action.policy_hash != system.policy.hash


def renew(system: System, action_id: str) -> bool:
    """Judge a pending action anew where that is due; whether it was."""
    with system.db.read() as tx:
        action = actions.get(tx, action_id)
    if action is None or action.state != ActionState.PENDING or not outdated(system, action):
        return False
    return judge_again(system, action)


class _Overtaken(Exception):
    """The action changed meanwhile: what was reserved for its next revision is not to be kept either."""


def judge_again(system: System, action: Action) -> bool:
    """Make the next revision of an action as the policy in force judges it. False where it changed meanwhile."""
    try:
        with system.db.write() as tx:
            changed, hints = _judged_again(system, tx, action)
    except _Overtaken:
        return False
    logger.info("judged_anew", action_id=action.id, state=changed.state)
    for due in hints:
        system.hints.action(due)
    return True


def _judged_again(system: System, tx: Tx, action: Action) -> tuple[Action, list[str]]:
    """The next revision, and the actions that are due by it. Raise `_Overtaken`."""
    now = system.clock()
    case = cases.lock(tx, action.case_id)
    kind = CATALOGUE.get(action.kind)
    if case is None or kind is None:
        raise _Overtaken
    if kind.fixed and outdated(system, action):
        changed, judged = _over(tx, action, system), None
    else:
        anew = rejudge(
            system,
            tx,
            case,
            action,
            action.arguments,
            author="caseworker",
            edited=False,
            now=now,
        )
        changed, judged = (None, None) if anew is None else (anew.action, anew.note)
    if changed is None:
        raise _Overtaken
    told = {"action": action.id, "revision": changed.revision, "outcome": str(changed.verdict["outcome"])}
    record = {} if judged is None else {"record": judged.data["record"]}
    audit.append(tx, case.id, now, Note("caseworker", "judged_anew", {**told, "state": str(changed.state), **record}))
    fresh = cases.get(tx, case.id)
    return changed, settle(tx, fresh, now=now) if fresh is not None else []


def _over(tx: Tx, action: Action, system: System) -> Action | None:
    now = system.clock()
    return actions.change(
        tx,
        action,
        now=now,
        state=ActionState.STALE,
        reason="Another policy came into force. Propose it again, if it should still be.",
        wake_at=None,
        waiting_for=None,
        settled_at=now,
    )
