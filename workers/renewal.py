"""Judging anew what was judged by a policy that is in force no more: when it is shown, decided on, or about to be carried out.

Called by the inbox and by `execute`. What people said so far lapses with the revision that they said it of; so nobody approves
under a policy that is gone. A change of the policy itself is not judged anew but over: it was made for the policy before.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from workers.actions.catalogue import CATALOGUE
from workers.drafting import rejudge
from workers.log import logger
from workers.settlement import settle
from workers.store import actions, audit, cases
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.records import Action, ActionState, Revision
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


def judge_again(system: System, action: Action) -> bool:
    """Make the next revision of an action as the policy in force judges it. False where it changed meanwhile."""
    now = system.clock()
    with system.db.write() as tx:
        case = cases.lock(tx, action.case_id)
        kind = CATALOGUE.get(action.kind)
        if case is None or kind is None:
            return False
        if kind.fixed and outdated(system, action):
            changed, judged = _over(tx, action, system), None
        else:
            said = actions.revisions_of(tx, action.id)
            anew = rejudge(
                system,
                tx,
                case,
                action,
                action.arguments,
                author="caseworker",
                edited=_edited(said),
                now=now,
                extra_roles=_escalated(said),
            )
            changed, judged = (None, None) if anew is None else (anew.action, anew.note)
        if changed is None:
            return False
        told = {"action": action.id, "revision": changed.revision, "outcome": str(changed.verdict["outcome"])}
        record = {} if judged is None else {"record": judged.data["record"]}
        audit.append(
            tx, case.id, now, Note("caseworker", "judged_anew", {**told, "state": str(changed.state), **record})
        )
        fresh = cases.get(tx, case.id)
        hints = settle(tx, fresh, now=now) if fresh is not None else []
    logger.info("judged_anew", action_id=action.id, state=changed.state)
    for due in hints:
        system.hints.action(due)
    return True


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


def _edited(revisions: Sequence[Revision]) -> bool:
    """Whether a person changed what the agent had drafted: that stays so, whoever judges it."""
    return any(revision.author.startswith("person:") for revision in revisions[1:])


def _escalated(revisions: Sequence[Revision]) -> list[str]:
    """Groups that people asked for besides those that the policy asks."""
    found: dict[str, None] = {}
    for before, revision in pairwise(revisions):
        if revision.author == "escalation":
            had = {r["role"] for r in before.record["requirements"]}
            found.update({r["role"]: None for r in revision.record["requirements"] if r["role"] not in had})
    return list(found)
