"""The only door out: carries an approved action out, exactly as approved, once. Only this module is handed Writers.

The effect ledger (DESIGN invariant 5): an attempt is committed before the call and completed after it, so that after a
crash at any place we know that a call *may* have been made, and what its kind of delivery allows:

- idempotent: the other side takes our key, so it is asked again with the same key;
- reconcilable: we look for the mark that we sent, and do it only where it is not there;
- at most once: nobody can know. The action is `uncertain` and goes back to people. Never a blind retry.

Just before the attempt the digest is computed again from the row that is about to be sent, the policy must still be the
one that was decided under, no kill switch may be thrown, and the target must not have changed. Otherwise: not sent.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from integrations.base import Receipt, VersionReader
from integrations.errors import Permanent, Stale, Temporary
from integrations.registry import Writers
from workers import faults
from workers.actions.base import ActionKind, Delivery, Effect
from workers.actions.catalogue import CATALOGUE
from workers.actions.digest import action_digest
from workers.drafting import rejudge
from workers.ledger import MOST_TRIES, again, ended, lapse, redraft, uncertain
from workers.log import logger
from workers.patience import pause
from workers.store import actions, cases, switches
from workers.store.records import Action, ActionState, Attempt, Case
from workers.wiring import System

CRASH_POINTS = (
    "action.begun",
    "action.attempt_committing",
    "action.attempt_committed",
    "action.called",
    "action.record_committing",
    "action.recorded",
)

SWITCH_CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Errand:
    """An action on its way out."""

    action: Action
    case: Case
    kind: ActionKind
    writer: Any
    effect: Effect

    @property
    def arguments(self) -> Any:
        return self.kind.arguments.model_validate(dict(self.action.arguments))


def carry_out(system: System, writers: Writers, action_id: str) -> None:
    """Do what is due for an action: carry it out, find out what became of a broken attempt, or let it expire."""
    with system.db.read() as tx:
        action = actions.get(tx, action_id)
        case = cases.get(tx, action.case_id) if action is not None else None
    if action is None or case is None or action.wake_at is None or action.wake_at > system.clock():
        return
    faults.point("action.begun")
    if action.state == ActionState.PENDING:
        lapse(system, action)
    elif action.state == ActionState.APPROVED:
        _begin(system, writers, case, action)
    elif action.state == ActionState.EXECUTING:
        _recover(system, writers, case, action)


def _begin(system: System, writers: Writers, case: Case, action: Action) -> None:
    if (
        _held_back(system, case, action)
        or _changed_since_approval(system, case, action)
        or _not_its_turn(system, action)
    ):
        return
    try:
        errand = _errand(system, writers, case, action)
        if errand.kind.guarded and action.target_version:
            _refuse_if_stale(system, errand)
    except Temporary as error:
        again(system, action, error)
        return
    except Stale as error:
        redraft(system, action, str(error))
        return
    except Permanent as error:
        ended(system, action, ActionState.FAILED, error=str(error))
        return
    started = _start(system, action)
    if started is not None:
        _call(system, errand, *started)


def _held_back(system: System, case: Case, action: Action) -> bool:
    """A thrown switch holds the action where it is; releasing the switch lets it go on."""
    with system.db.read() as tx:
        switch = switches.thrown(tx, ["all", f"domain:{case.domain}", f"action:{action.kind}"])
    if switch is None:
        return False
    reason = f"Held by the switch “{switch.scope}”: {switch.reason}"
    again(system, action, Temporary(reason, retry_after=SWITCH_CHECK_SECONDS))
    return True


def _not_its_turn(system: System, action: Action) -> bool:
    """Two writes to one target at once would make each other stale, so a case's actions on it go one after the other.

    The one that waits is due again when the other has ended (`settle` wakes it).
    """
    with system.db.write() as tx:
        cases.lock(tx, action.case_id)
        before = [
            other
            for other in actions.unsettled(tx, action.case_id)
            if other.target == action.target
            and other.id != action.id
            and (
                other.state == ActionState.EXECUTING
                or (other.state == ActionState.APPROVED and other.wake_at is not None and _earlier(other, action))
            )
        ]
        if before:
            actions.change(
                tx,
                action,
                now=system.clock(),
                wake_at=None,
                waiting_for=f"Waits its turn after “{before[0].sentence}”.",
            )
    return bool(before)


def _earlier(one: Action, other: Action) -> bool:
    return (one.round, one.ordinal) < (other.round, other.ordinal)


def _changed_since_approval(system: System, case: Case, action: Action) -> bool:
    """True when what is about to be sent is not what was approved, or was approved under another policy."""
    computed = action_digest(
        kind=action.kind,
        arguments=action.arguments,
        target=action.target,
        target_version=action.target_version,
        policy_hash=action.policy_hash,
        revision=action.revision,
        requirements=action.verdict["requirements"],
    )
    if computed != action.digest or computed != action.approved_digest:
        redraft(system, action, "What was approved is not what would be sent.")
        return True
    if action.policy_hash == system.policy.hash:
        return False
    with system.db.write() as tx:
        judged = rejudge(system, tx, case, action, action.arguments, author="caseworker", edited=False)
    logger.info("policy_changed_since_approval", action_id=action.id)
    if judged is not None and judged.wake_at is not None:
        system.hints.action(action.id)
    return True


def _errand(system: System, writers: Writers, case: Case, action: Action) -> _Errand:
    kind = CATALOGUE.get(action.kind)
    if kind is None:
        raise Permanent(f"The catalogue no longer has {action.kind!r}.")
    target_system, _, rest = action.target.partition(":")
    writer = writers.find(target_system, kind.writer)
    if writer is None:
        raise Permanent(
            f"Nothing here can write to {target_system!r} ({kind.writer.__name__}): set its credentials for the "
            "process that serves the queue “actions”."
        )
    with system.db.read() as tx:
        expected = carried_forward(actions.of_case(tx, case.id), action)
    effect = Effect(
        target_id=rest.partition(":")[2],
        key=action.id,
        if_version=expected if kind.guarded else "",
        customer=case.customer,
    )
    return _Errand(action, case, kind, writer, effect)


def carried_forward(of_case: list[Action], action: Action) -> str:
    """The version token to expect: the one drafted against, moved on by this case's own writes to the same target."""
    moves = {
        str(other.receipt["version_before"]): str(other.receipt["version_after"])
        for other in of_case
        if other.receipt and other.target == action.target and other.receipt.get("version_after")
    }
    expected, seen = action.target_version, set[str]()
    while expected in moves and expected not in seen:
        seen.add(expected)
        expected = moves[expected]
    return expected


def _refuse_if_stale(system: System, errand: _Errand) -> None:
    """Re-read the target's version where the system can tell it. Raise `Stale`."""
    reader = system.readers.find(errand.action.target.partition(":")[0], VersionReader)
    if reader is None:
        return
    present = reader.version(errand.action.target)
    if present != errand.effect.if_version:
        raise Stale("The target changed after this was drafted.")


def _start(system: System, action: Action) -> tuple[Action, Attempt] | None:
    """Consume the approval and write the attempt down, in one commit. None when somebody else was first."""
    now = system.clock()
    with system.db.write() as tx:
        started = actions.change(
            tx,
            action,
            now=now,
            state=ActionState.EXECUTING,
            claimed_by=system.worker,
            wake_at=now + system.settings.lease,
            tries=action.tries + 1,
            waiting_for=None,
        )
        if started is None:
            return None
        attempt = actions.begin_attempt(tx, started, key=action.id, now=now)
        faults.point("action.attempt_committing")
    faults.point("action.attempt_committed")
    return started, attempt


def _call(system: System, errand: _Errand, action: Action, attempt: Attempt) -> None:
    with system.leases.action(action.id, action.version):
        try:
            receipt = errand.kind.perform(errand.writer, errand.arguments, errand.effect)
        except Stale as error:
            redraft(system, action, str(error))
        except Temporary as error:
            if error.maybe_done and errand.kind.delivery is Delivery.AT_MOST_ONCE:
                uncertain(system, action, str(error))
            else:
                again(system, action, error)
        except Permanent as error:
            ended(system, action, ActionState.FAILED, error=str(error))
        else:
            faults.point("action.called")
            logger.info("action_done", action_id=action.id, attempt=attempt.number)
            ended(system, action, ActionState.DONE, receipt=_as_json(receipt))


def _recover(system: System, writers: Writers, case: Case, action: Action) -> None:
    """An attempt was begun and its end was never recorded."""
    kind = CATALOGUE.get(action.kind)
    if kind is None or kind.delivery is Delivery.AT_MOST_ONCE or action.tries >= MOST_TRIES:
        uncertain(system, action, "The process stopped while this was being carried out.")
        return
    now = system.clock()
    with system.db.write() as tx:
        claimed = actions.change(tx, action, now=now, wake_at=now + system.settings.lease, claimed_by=system.worker)
    if claimed is None:
        return
    try:
        errand = _errand(system, writers, case, claimed)
        if kind.look is not None:
            receipt = kind.look(errand.writer, errand.arguments, errand.effect)
            if receipt is not None:
                ended(system, claimed, ActionState.DONE, receipt=_as_json(receipt))
                return
    except Temporary as error:
        wait = now + pause(claimed.tries, error.retry_after)
        with system.db.write() as tx:
            actions.change(tx, claimed, now=now, wake_at=wait, waiting_for=str(error), tries=claimed.tries + 1)
        return
    except Permanent as error:
        uncertain(system, claimed, str(error))
        return
    started = _start(system, claimed)
    if started is not None:
        _call(system, errand, *started)


def _as_json(receipt: Receipt) -> dict[str, Any]:
    return asdict(receipt)
