"""What may keep an approved action from being sent just now, and what is done about it: a thrown switch, another one's turn, a draft
or a policy that changed since the yes, a reservation that is gone, a process that stood still.

Called by `execute` before and at each attempt. Whoever finds something writes it down and says so; nothing is sent then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from integrations.errors import Postponed
from workers.actions.digest import row_digest
from workers.ledger import redraft, try_later
from workers.log import logger
from workers.renewal import judge_again
from workers.store import actions, cases, flow, switches
from workers.store.database import StoreUnavailable
from workers.store.flow import ActionSnapshot
from workers.store.records import Action, ActionState, Attempt
from workers.switchboard import RULE
from workers.target_order import ahead_of
from workers.wiring import System

SWITCH_CHECK_SECONDS = 5.0
#: a begin that took longer than this (seconds) may have waited for somebody, and a switch been thrown meanwhile
LONG_BEGUN = 0.2
ANOTHER = "What was approved is not what would be sent."
#: Payment services keep a key for 24 hours, and do under the same one after that what they have done before.
KEYS_LAST = timedelta(hours=23)
FORGOTTEN = "It may have been carried out so long ago that the other side has forgotten our key: it would do it again."


def postpone_if_stopped(system: System, snapshot: ActionSnapshot, *, doubtful: bool = False) -> bool:
    """A thrown switch holds the action where it is; releasing the switch lets it go on. Where the permission of the rule that
    allowed it is suspended, the policy is asked again, and people with it."""
    switch = snapshot.switch
    if switch is None:
        return False
    if switch.scope.startswith(RULE):
        if snapshot.action.state == ActionState.APPROVED:
            system.switchboard.forget()
            judge_again(system, snapshot.action)
            return True
        if doubtful:
            # What may have been done under a rule is brought to its end, though the rule allows nothing new.
            return False
    try_later(system, snapshot, Postponed(switches.held(switch), retry_after=SWITCH_CHECK_SECONDS), doubtful=doubtful)
    return True


def is_forgotten(begun: Sequence[Attempt], now: datetime) -> bool:
    """Whether one of these attempts may have been carried out when keys were given that the other side need not know any more."""
    return any(attempt.outcome is None and now - attempt.started_at > KEYS_LAST for attempt in begun)


def wait_for_turn(system: System, action: Action) -> bool:
    """Two writes to one target at once would make each other stale, so a case's actions on it go one after the other.

    The one that waits is due again when the other has ended (`settle` wakes it). False where none is before it any more.
    """
    now = system.clock()
    with system.db.write() as tx:
        cases.lock(tx, action.case_id)
        first = ahead_of(action, actions.unsettled(tx, action.case_id))
        if first:
            waits = f"Waits its turn after “{first[0].sentence}”."
            actions.change(tx, action, now=now, wake_at=None, waiting_for=waits)
            # Whoever read before that nobody waits, and is about to end the one before, has to look again.
            cases.change(tx, action.case_id, now=now)
    return bool(first)


def redraft_if_changed(system: System, action: Action) -> bool:
    """True when what is about to be sent is not what was approved, or was approved under another policy."""
    if not is_what_was_approved(action):
        redraft(system, action, ANOTHER)
        return True
    if action.policy_hash == system.policy.hash:
        return False
    logger.info("policy_changed_since_approval", action_id=action.id)
    judge_again(system, action)
    return True


def rejudge_if_unreserved(system: System, snapshot: ActionSnapshot) -> bool:
    """True when what it uses up of limits is not reserved: then it is judged anew, and reserved or not."""
    action = snapshot.action
    if snapshot.held or not action.verdict.get("limits"):
        return False
    logger.warning("reservation_missing", action_id=action.id)
    judge_again(system, action)
    return True


def is_what_was_approved(action: Action) -> bool:
    return row_digest(action) == action.digest == action.approved_digest


def postpone_if_stopped_meanwhile(system: System, action: Action, *, doubtful: bool) -> None:
    """The attempt was not begun: somebody else has it, or a switch was thrown since the action was read."""
    snapshot = flow.snapshot(system.db, action.id)
    if snapshot is not None and snapshot.action == action:
        postpone_if_stopped(system, snapshot, doubtful=doubtful)


def refuse_if_late(system: System, snapshot: ActionSnapshot, since: float, *, doubtful: bool) -> None:
    """A process that was stopped since it wrote its attempt down may have been taken for dead, or lost its lease: another one may
    have looked, found nothing and done it. So it does not send what it has not sent, and says so if the action is still its own.

    The attempt's commit looked at the switches as they were when it was asked for. If it then had to wait, they are looked at
    once more.
    """
    took = system.monotonic() - since
    _refuse_if_it_stood_still(system, took)
    if took > LONG_BEGUN:
        _refuse_if_stopped(system, snapshot, doubtful=doubtful)


def refuse_after_waiting(system: System, snapshot: ActionSnapshot, overslept: float, *, doubtful: bool) -> None:
    """The same of an attempt that had to wait for its turn at the vendor, and slept so much longer than it wanted."""
    _refuse_if_it_stood_still(system, overslept)
    _refuse_if_stopped(system, snapshot, doubtful=doubtful)


def _refuse_if_it_stood_still(system: System, seconds: float) -> None:
    if seconds > min(system.settings.dead_after_seconds, system.settings.lease_seconds) / 2:
        raise Postponed("This process stood still before it could send it.")


def _refuse_if_stopped(system: System, snapshot: ActionSnapshot, *, doubtful: bool) -> None:
    try:
        found = flow.snapshot(system.db, snapshot.action.id)
    except StoreUnavailable as error:
        raise Postponed("Nobody can tell just now whether this may be sent.", retry_after=1.0) from error
    switch = found.switch if found is not None else None
    if switch is not None and not (doubtful and switch.scope.startswith(RULE)):
        raise Postponed(switches.held(switch), retry_after=SWITCH_CHECK_SECONDS)
