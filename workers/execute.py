"""The only door out: carries an approved action out, exactly as approved, once. Only this module is handed Writers.

The effect ledger (DESIGN invariant 5): an attempt is committed before the call and completed after it, so that after a
crash at any place we know that a call *may* have been made, and what its kind of delivery allows:

- idempotent: the other side takes our key, so it is asked again with the same key;
- reconcilable: we look for the mark that we sent, and do it only where it is not there;
- at most once: nobody can know. The action is `uncertain` and goes back to people. Never a blind retry.

Just before the attempt the digest is computed again from the row that is about to be sent, as it was read or committed a
moment ago (the attempt is fenced by its version and digest), the policy must still be the one that was decided under, no kill
switch may be thrown, what it uses up of limits must be reserved, and the target must not have changed. Otherwise: not sent.

Where the thread that decides an action carries it out itself at once, the attempt is begun in the commit that decides it
(`workers.conclusion`), if all this holds by then (`ready`): the same ledger with one commit less.

What a hint tells of is read and begun by one statement, where rows tell that all this holds (`flow.start`). The digest is computed
between that and the call then, and where a crash came in between, by who finds it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from functools import partial
from typing import Any

from structlog.contextvars import bound_contextvars

from integrations.base import Receipt, VersionReader
from integrations.errors import Permanent, Postponed, Stale, Temporary
from integrations.registry import Writers
from workers import faults, outset
from workers.actions.base import ActionKind, Delivery, Effect
from workers.actions.catalogue import CATALOGUE
from workers.actions.digest import row_digest
from workers.deadlines import lapse
from workers.ledger import MOST_TRIES, again, ended, redraft, still_unknown, uncertain
from workers.log import logger
from workers.renewal import judge_again
from workers.store import actions, cases, flow, switches
from workers.store.action_rows import short_receipt
from workers.store.flow import Begun, Errand
from workers.store.records import Action, ActionState, Attempt
from workers.switchboard import RULE
from workers.telemetry import traces
from workers.turns import before, carried_forward
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
ANOTHER = "What was approved is not what would be sent."
#: what was written longer ago is read again before anything rests on it
JUST_NOW = timedelta(seconds=1)
_RECEIPT = tuple(field.name for field in fields(Receipt))


@dataclass(frozen=True, slots=True)
class _Call:
    """An action on its way out."""

    errand: Errand
    kind: ActionKind
    writer: Any
    effect: Effect

    @property
    def arguments(self) -> Any:
        return self.kind.arguments.model_validate(dict(self.errand.action.arguments))


def carry_out(
    system: System, writers: Writers, action_id: str, *, errand: Errand | None = None, approving: bool = False
) -> None:
    """Do what is due for an action: carry it out, find out what became of a broken attempt, or let it expire.

    `errand` is what the same thread has committed a moment ago. It is read again where the moment was long; what changed
    in between holds the attempt back (`flow.begin`), as it does whoever has read it. `approving`: its yes may not be
    committed yet, and is waited for.
    """
    if errand is not None and errand.begun is not None:
        _go_on(system, writers, errand, errand.begun)
        return
    if errand is None or system.clock() - errand.action.updated_at > JUST_NOW:
        prepare = partial(_prepared, writers)
        errand, begun, call = outset.set_out(system, action_id, approving=approving, prepare=prepare)
        if errand is not None and begun is not None:
            if call is not None or _is_what_was_approved(errand.action):
                _go_on(system, writers, errand, begun, call)
            else:
                redraft(system, errand.action, ANOTHER)
            return
    if errand is None or errand.action.wake_at is None or errand.action.wake_at > system.clock():
        return
    faults.point("action.begun")
    action = errand.action
    with (
        bound_contextvars(case_id=action.case_id, action_id=action.id),
        traces.span("execute", case_id=action.case_id, action_id=action.id, kind=action.kind, state=action.state),
    ):
        if action.state == ActionState.PENDING:
            lapse(system, action)
        elif action.state == ActionState.APPROVED:
            _begin(system, writers, errand)
        elif action.state == ActionState.EXECUTING:
            _recover(system, writers, errand)


def _is_what_was_approved(action: Action) -> bool:
    return row_digest(action) == action.digest == action.approved_digest


def ready(system: System, writers: Writers, errand: Errand) -> bool:
    """Whether an action that is about to be decided may be begun in that very commit, by whoever carries it out at once.

    All that is looked at before an attempt is as it should be, but for the switches, which the commit itself looks at; nothing
    has to be asked outside before; and a crash between commit and call leaves nothing that only people could find out.
    """
    action = errand.action
    kind = CATALOGUE.get(action.kind)
    if kind is None or kind.delivery is Delivery.AT_MOST_ONCE or action.policy_hash != system.policy.hash:
        return False
    if not _is_what_was_approved(action):
        return False
    if before(action, errand.others) or (action.verdict.get("limits") and not errand.held):
        return False
    target_system = action.target.partition(":")[0]
    if kind.guarded and action.target_version and system.readers.find(target_system, VersionReader) is not None:
        return False
    return writers.find(target_system, kind.writer) is not None


def _prepared(writers: Writers, errand: Errand) -> _Call | None:
    """The call of what is being begun, if it is what was approved. Whatever is wrong with it is found again, and told, in its place."""
    with suppress(Exception):
        return _prepare(writers, errand) if _is_what_was_approved(errand.action) else None
    return None


def _go_on(system: System, writers: Writers, errand: Errand, begun: Begun, call: _Call | None = None) -> None:
    """Carry out what this thread has begun with the decision, or as it was read; `call` where it is prepared already."""
    faults.point("action.begun")
    action = errand.action
    with (
        bound_contextvars(case_id=action.case_id, action_id=action.id),
        traces.span("execute", case_id=action.case_id, action_id=action.id, kind=action.kind, state=action.state),
        system.leases.action(action.id, action.version),
    ):
        faults.point("action.attempt_committed")
        try:
            call = call or _prepare(writers, errand)
        except Permanent as error:
            ended(system, errand, ActionState.FAILED, error=str(error))
            return
        _send(system, call, begun.attempt, since=begun.since)


def _begin(system: System, writers: Writers, errand: Errand) -> None:
    action = errand.action
    if _held_back(system, errand) or _changed_since_approval(system, action) or _lost_its_place(system, errand):
        return
    if before(action, errand.others):
        if not _waits_its_turn(system, action):
            # The one before has ended since this was read, and what it made of the target is not known here.
            carry_out(system, writers, action.id)
        return
    try:
        call = _prepare(writers, errand)
        if call.kind.guarded and action.target_version:
            _refuse_if_stale(system, call)
    except Temporary as error:
        again(system, errand, error)
        return
    except Stale as error:
        redraft(system, action, str(error))
        return
    except Permanent as error:
        ended(system, errand, ActionState.FAILED, error=str(error))
        return
    _attempt(system, call)


def _held_back(system: System, errand: Errand, *, doubtful: bool = False) -> bool:
    """A thrown switch holds the action where it is; releasing the switch lets it go on. Where the permission of the rule that
    allowed it is suspended, the policy is asked again, and people with it."""
    switch = errand.switch
    if switch is None:
        return False
    if switch.scope.startswith(RULE):
        if errand.action.state == ActionState.APPROVED:
            system.switchboard.forget()
            judge_again(system, errand.action)
            return True
        if doubtful:
            # What may have been done under a rule is brought to its end, though the rule allows nothing new.
            return False
    again(system, errand, Postponed(switches.held(switch), retry_after=SWITCH_CHECK_SECONDS), doubtful=doubtful)
    return True


def _waits_its_turn(system: System, action: Action) -> bool:
    """Two writes to one target at once would make each other stale, so a case's actions on it go one after the other.

    The one that waits is due again when the other has ended (`settle` wakes it). False where none is before it any more.
    """
    with system.db.write() as tx:
        cases.lock(tx, action.case_id)
        first = before(action, actions.unsettled(tx, action.case_id))
        if first:
            actions.change(
                tx,
                action,
                now=system.clock(),
                wake_at=None,
                waiting_for=f"Waits its turn after “{first[0].sentence}”.",
            )
    return bool(first)


def _changed_since_approval(system: System, action: Action) -> bool:
    """True when what is about to be sent is not what was approved, or was approved under another policy."""
    if not _is_what_was_approved(action):
        redraft(system, action, ANOTHER)
        return True
    if action.policy_hash == system.policy.hash:
        return False
    logger.info("policy_changed_since_approval", action_id=action.id)
    judge_again(system, action)
    return True


def _lost_its_place(system: System, errand: Errand) -> bool:
    """True when what it uses up of limits is not reserved: then it is judged anew, and reserved or not."""
    action = errand.action
    if errand.held or not action.verdict.get("limits"):
        return False
    logger.warning("reservation_missing", action_id=action.id)
    judge_again(system, action)
    return True


def _prepare(writers: Writers, errand: Errand) -> _Call:
    action, case = errand.action, errand.case
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
    effect = Effect(
        target_id=rest.partition(":")[2],
        key=action.id,
        if_version=carried_forward(errand.others, action) if kind.guarded else "",
        customer=case.customer,
    )
    return _Call(errand, kind, writer, effect)


def _refuse_if_stale(system: System, call: _Call) -> None:
    """Re-read the target's version where the system can tell it. Raise `Stale`."""
    target = call.errand.action.target
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
    before, case = call.errand.action, call.errand.case
    faults.point("action.attempt_committing")
    started = flow.begin(
        system.db,
        before,
        worker=system.worker,
        now=system.clock(),
        lease=system.settings.lease,
        unless=[scope for scope in flow.stopping(before, case) if not (doubtful and scope.startswith(RULE))],
    )
    if started is None:
        _hold_if_stopped(system, before, doubtful=doubtful)
        return
    faults.point("action.attempt_committed")
    action, attempt = started
    with system.leases.action(action.id, action.version):
        _send(
            system, replace(call, errand=replace(call.errand, action=action)), attempt, since=began, doubtful=doubtful
        )


def _send(system: System, call: _Call, attempt: Attempt, *, since: float, doubtful: bool = False) -> None:
    """Make the call of an attempt that is written down since then, and write down how it ended."""
    errand, action = call.errand, call.errand.action
    try:
        _refuse_if_late(system, since)
        with traces.span("write", case_id=action.case_id, action_id=action.id, attempt=attempt.number):
            receipt = call.kind.perform(call.writer, call.arguments, call.effect)
    except Stale as error:
        if doubtful:
            uncertain(system, action, f"An earlier try may have been carried out, and now: {error}")
        else:
            redraft(system, action, str(error))
    except Temporary as error:
        if error.maybe_done and call.kind.delivery is Delivery.AT_MOST_ONCE:
            uncertain(system, action, str(error))
        else:
            again(system, errand, error, attempt, doubtful=doubtful)
    except Permanent as error:
        if doubtful:
            uncertain(system, action, f"An earlier try may have been carried out, and now: {error}")
        else:
            ended(system, errand, ActionState.FAILED, error=str(error))
    else:
        faults.point("action.called")
        logger.info("action_done", action_id=action.id, attempt=attempt.number)
        ended(system, errand, ActionState.DONE, receipt=_as_json(receipt))


def _hold_if_stopped(system: System, action: Action, *, doubtful: bool) -> None:
    """The attempt was not begun: somebody else has it, or a switch was thrown since the action was read."""
    errand = flow.errand(system.db, action.id)
    if errand is not None and errand.action == action:
        _held_back(system, errand, doubtful=doubtful)


def _refuse_if_late(system: System, since: float) -> None:
    """A process that was stopped since it wrote its attempt down may have been taken for dead: another one may have looked,
    found nothing and done it. So it does not send what it has not sent, and says so if the action is still its own."""
    if system.monotonic() - since > system.settings.dead_after_seconds / 2:
        raise Postponed("This process stood still before it could send it.")


def _recover(system: System, writers: Writers, errand: Errand) -> None:
    """An attempt was begun and its end was never recorded."""
    action = errand.action
    kind = CATALOGUE.get(action.kind)
    if kind is None or kind.delivery is Delivery.AT_MOST_ONCE or action.tries >= MOST_TRIES:
        uncertain(system, action, "The process stopped while this was being carried out.")
        return
    if not _is_what_was_approved(action):
        uncertain(system, action, ANOTHER)
        return
    now = system.clock()
    with system.db.write() as tx:
        claimed = actions.change(tx, action, now=now, wake_at=now + system.settings.lease, claimed_by=system.worker)
        if claimed is not None:
            actions.write_attempt_out(tx, action)
    if claimed is None:
        return
    errand = replace(errand, action=claimed)
    with system.leases.action(claimed.id, claimed.version):
        try:
            call = _prepare(writers, errand)
            receipt = kind.look(call.writer, call.arguments, call.effect) if kind.look is not None else None
        except Temporary as error:
            still_unknown(system, claimed, error)
            return
        except Permanent as error:
            uncertain(system, claimed, str(error))
            return
        if receipt is not None:
            ended(system, errand, ActionState.DONE, receipt=_as_json(receipt))
            return
    if not _held_back(system, errand, doubtful=kind.look is None):
        _attempt(system, call, doubtful=kind.look is None)


def _as_json(receipt: Receipt) -> dict[str, Any]:
    return short_receipt({name: getattr(receipt, name) for name in _RECEIPT})
