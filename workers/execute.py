"""The only door out: carries an approved action out, exactly as approved, once. Only this module is handed Writers.

The effect ledger (DESIGN invariant 5): an attempt is committed before the call and completed after it, so that after a
crash at any place we know that a call *may* have been made, and what its kind of delivery allows:

- idempotent: the other side takes our key, so it is asked again with the same key, for as long as it surely knows it;
- reconcilable: we look for the mark that we sent, and do it only where it is not there;
- at most once: nobody can know. The action is `uncertain` and goes back to people. Never a blind retry.

Just before the attempt the digest is computed again from the row that is about to be sent, as it was read or committed a
moment ago (the attempt is fenced by its version and digest), the policy must still be the one that was decided under, no kill
switch may be thrown, what it uses up of limits must be reserved, and the target must not have changed. Otherwise: not sent.

Where the thread that decides an action carries it out itself at once, the attempt is begun in the commit that decides it
(`workers.conclusion`), if all this holds by then (`may_begin`): the same ledger with one commit less.

What a hint tells of is read and begun by one statement, where rows tell that all this holds (`flow.start`). The digest is computed
between that and the call then, and where a crash came in between, by who finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import ValidationError
from structlog.contextvars import bound_contextvars

from integrations.base import Receipt, VersionReader
from integrations.errors import IntegrationError, Permanent, Stale, Temporary
from integrations.registry import Writers
from workers import action_start, faults
from workers.actions.base import ActionKind, Delivery, Effect, first_flaw
from workers.actions.catalogue import CATALOGUE
from workers.deadlines import lapse
from workers.ledger import (
    MOST_TRIES,
    approve_again,
    look_again_later,
    record_end,
    record_not_done,
    record_uncertain,
    redraft,
    try_later,
    withdraw_if_left_behind,
)
from workers.log import logger
from workers.preconditions import (
    ANOTHER,
    FORGOTTEN,
    is_forgotten,
    is_what_was_approved,
    postpone_if_stopped,
    postpone_if_stopped_meanwhile,
    redraft_if_changed,
    refuse_after_waiting,
    refuse_if_late,
    rejudge_if_unreserved,
    wait_for_turn,
)
from workers.receipts import as_json, checked_receipt
from workers.store import actions, flow
from workers.store.database import StoreUnavailable
from workers.store.flow import ActionSnapshot, Begun
from workers.store.records import Action, ActionState, Attempt
from workers.switchboard import RULE
from workers.target_order import ahead_of, expected_version
from workers.telemetry import traces
from workers.wiring import System

CRASH_POINTS = (
    "action.begun",
    "action.attempt_committing",
    "action.attempt_committed",
    "action.called",
    "action.record_committing",
    "action.recorded",
)

#: what was written longer ago is read again before anything rests on it
JUST_NOW = timedelta(seconds=1)
_UNKNOWN_KIND = "The catalogue no longer has {!r}."


@dataclass(frozen=True, slots=True)
class _Call:
    """An action on its way out."""

    snapshot: ActionSnapshot
    kind: ActionKind
    writer: Any
    arguments: Any
    effect: Effect


def carry_out(
    system: System, writers: Writers, action_id: str, *, snapshot: ActionSnapshot | None = None, approving: bool = False
) -> None:
    """Do what is due for an action: carry it out, find out what became of a broken attempt, or let it expire.

    `snapshot` is what the same thread has committed a moment ago. It is read again where the moment was long; what changed
    in between holds the attempt back (`flow.begin`), as it does whoever has read it. `approving`: its yes may not be
    committed yet, and is waited for.
    """
    if snapshot is not None and snapshot.begun is not None:
        _send_begun(system, writers, snapshot, snapshot.begun)
        return
    if snapshot is None or system.clock() - snapshot.action.updated_at > JUST_NOW:
        prepare = partial(_call_if_approved, writers)
        snapshot, begun, call = action_start.start(system, action_id, approving=approving, prepare=prepare)
        if snapshot is not None and begun is not None:
            if call is not None or is_what_was_approved(snapshot.action):
                _send_begun(system, writers, snapshot, begun, call)
            else:
                redraft(system, snapshot.action, ANOTHER)
            return
    if snapshot is None or snapshot.action.wake_at is None or snapshot.action.wake_at > system.clock():
        return
    faults.point("action.begun")
    action = snapshot.action
    with (
        bound_contextvars(case_id=action.case_id, action_id=action.id),
        traces.span("execute", case_id=action.case_id, action_id=action.id, kind=action.kind, state=action.state),
        system.guards.admit_once(),
    ):
        if action.state == ActionState.PENDING:
            lapse(system, action)
        elif action.state == ActionState.APPROVED:
            _begin(system, writers, snapshot)
        elif action.state == ActionState.EXECUTING:
            _recover(system, writers, snapshot)


def may_begin(system: System, writers: Writers, snapshot: ActionSnapshot) -> bool:
    """Whether an action that is about to be decided may be begun in that very commit, by whoever carries it out at once.

    All that is looked at before an attempt is as it should be, but for the switches, which the commit itself looks at; nothing
    has to be asked outside before; and a crash between commit and call leaves nothing that only people could find out.
    """
    action = snapshot.action
    kind = CATALOGUE.get(action.kind)
    if kind is None or kind.delivery is Delivery.AT_MOST_ONCE or action.policy_hash != system.policy.hash:
        return False
    if not is_what_was_approved(action):
        return False
    if ahead_of(action, snapshot.others) or (action.verdict.get("limits") and not snapshot.held):
        return False
    target_system = action.target.partition(":")[0]
    if kind.guarded and action.target_version and system.readers.find(target_system, VersionReader) is not None:
        return False
    return writers.find(target_system, kind.writer) is not None


def _call_if_approved(writers: Writers, snapshot: ActionSnapshot) -> _Call | None:
    """The call of what is being begun, if it is what was approved; None for what cannot be called, which is found again and told
    in its place."""
    try:
        return _prepare(writers, snapshot) if is_what_was_approved(snapshot.action) else None
    except Exception:  # noqa: BLE001 - this runs between a commit and its answer, which would be lost
        return None


def _send_begun(
    system: System, writers: Writers, snapshot: ActionSnapshot, begun: Begun, call: _Call | None = None
) -> None:
    """Carry out what this thread has begun with the decision, or as it was read; `call` where it is prepared already."""
    faults.point("action.begun")
    action = snapshot.action
    with (
        bound_contextvars(case_id=action.case_id, action_id=action.id),
        traces.span("execute", case_id=action.case_id, action_id=action.id, kind=action.kind, state=action.state),
        system.leases.action(action.id, action.version),
    ):
        faults.point("action.attempt_committed")
        try:
            call = call or _prepare(writers, snapshot)
        except Permanent as error:
            record_end(system, snapshot, ActionState.FAILED, error=str(error))
            return
        _send(system, call, begun.attempt, since=begun.since)


def _begin(system: System, writers: Writers, snapshot: ActionSnapshot) -> None:
    action = snapshot.action
    if action.kind not in CATALOGUE:
        # Before it is judged anew, which nobody could.
        record_end(system, snapshot, ActionState.FAILED, error=_UNKNOWN_KIND.format(action.kind))
        return
    if (
        postpone_if_stopped(system, snapshot)
        or redraft_if_changed(system, action)
        or rejudge_if_unreserved(system, snapshot)
    ):
        return
    if ahead_of(action, snapshot.others):
        if not wait_for_turn(system, action):
            # The one before has ended since this was read, and what it made of the target is not known here.
            carry_out(system, writers, action.id)
        return
    try:
        call = _prepare(writers, snapshot)
        if call.kind.guarded and action.target_version:
            _refuse_if_stale(system, call)
    except Temporary as error:
        try_later(system, snapshot, error)
        return
    except Stale as error:
        redraft(system, action, str(error))
        return
    except Permanent as error:
        record_end(system, snapshot, ActionState.FAILED, error=str(error))
        return
    except Exception as error:  # noqa: BLE001 - a bug of a reader: nothing was sent, and people hear of it after so many tries
        logger.exception("preparing_broke", action_id=action.id)
        try_later(system, snapshot, _broke(error), counted=True)
        return
    _attempt(system, call)


def _prepare(writers: Writers, snapshot: ActionSnapshot) -> _Call:
    action, case = snapshot.action, snapshot.case
    kind = CATALOGUE.get(action.kind)
    if kind is None:
        raise Permanent(_UNKNOWN_KIND.format(action.kind))
    target_system, _, rest = action.target.partition(":")
    writer = writers.find(target_system, kind.writer)
    if writer is None:
        raise Permanent(
            f"Nothing here can write to {target_system!r} ({kind.writer.__name__}): set its credentials for the "
            "process that serves the queue “actions”."
        )
    effect = Effect(
        target_id=rest.partition(":")[2],
        key=action.id,
        if_version=expected_version(snapshot.others, action) if kind.guarded else "",
        customer=case.customer,
    )
    try:
        arguments = kind.arguments.model_validate(dict(action.arguments))
    except ValidationError as error:
        # As after an upgrade that changed the kind while this waited.
        raise Permanent(f"Its arguments do not fit what {kind.name!r} takes now: {first_flaw(error)}.") from error
    return _Call(snapshot, kind, writer, arguments, effect)


def _refuse_if_stale(system: System, call: _Call) -> None:
    """Re-read the target's version where the system can tell it. Raise `Stale`."""
    target = call.snapshot.action.target
    reader = system.readers.find(target.partition(":")[0], VersionReader)
    if reader is None:
        return
    if reader.version(target) != call.effect.if_version:
        raise Stale("The target changed after this was drafted.")


def _attempt(system: System, call: _Call, *, doubtful: bool = False) -> None:
    """Consume the approval and write the attempt down, in one commit, then call. Nothing when somebody else was first.

    `doubtful` says that an earlier attempt may have been carried out. Then a refusal proves nothing: a target that changed
    may have been changed by that very attempt.
    """
    began = system.monotonic()
    as_read, case = call.snapshot.action, call.snapshot.case
    faults.point("action.attempt_committing")
    started = flow.begin(
        system.db,
        as_read,
        worker=system.worker,
        now=system.clock(),
        lease=system.settings.lease,
        unless=[scope for scope in flow.stopping(as_read, case) if not (doubtful and scope.startswith(RULE))],
    )
    if started is None:
        postpone_if_stopped_meanwhile(system, as_read, doubtful=doubtful)
        return
    faults.point("action.attempt_committed")
    action, attempt = started
    with system.leases.action(action.id, action.version):
        _send(
            system,
            replace(call, snapshot=replace(call.snapshot, action=action)),
            attempt,
            since=began,
            doubtful=doubtful,
        )


def _send(system: System, call: _Call, attempt: Attempt, *, since: float, doubtful: bool = False) -> None:
    """Make the call of an attempt that is written down since then, and write down how it ended."""
    snapshot, action = call.snapshot, call.snapshot.action
    try:
        refuse_if_late(system, snapshot, since, doubtful=doubtful)
        with (
            traces.span("write", case_id=action.case_id, action_id=action.id, attempt=attempt.number),
            system.guards.recheck_after_waiting(partial(refuse_after_waiting, system, snapshot, doubtful=doubtful)),
        ):
            receipt = _perform(call)
    except Stale as error:
        if doubtful:
            record_uncertain(system, action, f"An earlier try may have been carried out, and now: {error}")
        else:
            redraft(system, action, str(error))
    except Temporary as error:
        if error.maybe_done and call.kind.delivery is Delivery.AT_MOST_ONCE:
            record_uncertain(system, action, str(error))
        else:
            try_later(system, snapshot, error, attempt, doubtful=doubtful)
    except Permanent as error:
        if doubtful:
            record_uncertain(system, action, f"An earlier try may have been carried out, and now: {error}")
        else:
            record_end(system, snapshot, ActionState.FAILED, error=str(error))
    else:
        faults.point("action.called")
        logger.info("action_done", action_id=action.id, attempt=attempt.number)
        record_end(system, snapshot, ActionState.DONE, receipt=as_json(receipt))


def _perform(call: _Call) -> Receipt:
    """Make the call. What nobody foresaw is told as an answer that never came: whatever broke may have broken after the effect."""
    try:
        return checked_receipt(call.kind.perform(call.writer, call.arguments, call.effect))
    except (IntegrationError, StoreUnavailable):
        raise
    except Exception as error:
        logger.exception("write_broke", action_id=call.snapshot.action.id)
        raise _broke(error, maybe_done=True) from error


def _recover(system: System, writers: Writers, snapshot: ActionSnapshot) -> None:
    """An attempt was begun and its end was never recorded."""
    action = snapshot.action
    kind = CATALOGUE.get(action.kind)
    if kind is None or kind.delivery is Delivery.AT_MOST_ONCE or action.tries >= MOST_TRIES:
        record_uncertain(system, action, "The process stopped while this was being carried out.")
        return
    if not is_what_was_approved(action):
        record_uncertain(system, action, ANOTHER)
        return
    claimed, begun = _claim(system, action)
    if claimed is None:
        return
    snapshot = replace(snapshot, action=claimed)
    with system.leases.action(claimed.id, claimed.version):
        try:
            call = _prepare(writers, snapshot)
            seen = kind.look(call.writer, call.arguments, call.effect) if kind.look is not None else None
            receipt = checked_receipt(seen) if seen is not None else None
        except Temporary as error:
            look_again_later(system, claimed, error)
            return
        except Permanent as error:
            record_uncertain(system, claimed, str(error))
            return
        except Exception as error:  # noqa: BLE001 - a bug of what looks: people are asked after so many tries, as of a vendor
            logger.exception("look_broke", action_id=claimed.id)
            look_again_later(system, claimed, _broke(error))
            return
        if receipt is not None:
            record_end(system, snapshot, ActionState.DONE, receipt=as_json(receipt))
            return
        if kind.look is not None:
            record_not_done(system, claimed, begun)
    if not withdraw_if_left_behind(system, claimed, doubtful=kind.look is None):
        _retry(system, writers, call, begun)


def _retry(system: System, writers: Writers, call: _Call, begun: Sequence[Attempt]) -> None:
    """Try once more what was tried before: its end is unknown of what takes our key, and of what was looked for it is known that there is none."""
    action = call.snapshot.action
    if call.kind.look is None:
        if is_forgotten(begun, system.clock()):
            record_uncertain(system, action, FORGOTTEN)
        elif not postpone_if_stopped(system, call.snapshot, doubtful=True):
            _attempt(system, call, doubtful=True)
    elif approve_again(system, action):
        # As if it had never been tried: policy, limits, switches and target may have changed since it was.
        carry_out(system, writers, action.id)


def _claim(system: System, action: Action) -> tuple[Action | None, list[Attempt]]:
    """An action to look after, and its attempts. None where somebody else has it."""
    now = system.clock()
    with system.db.write() as tx:
        claimed = actions.change(tx, action, now=now, wake_at=now + system.settings.lease, claimed_by=system.worker)
        if claimed is None:
            return None, []
        actions.write_attempt_out(tx, action)
        return claimed, actions.attempts_of(tx, action.id)


def _broke(error: Exception, *, maybe_done: bool = False) -> Temporary:
    """What a person reads of an error that nobody foresaw; its words stay in the log."""
    told = f"Something broke on our side ({type(error).__name__}); the log says what."
    return Temporary(told, maybe_done=maybe_done)
