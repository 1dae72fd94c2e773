"""How an action ends, or goes round again: the commits that `execute` makes after a call, each with its settlement.

Every function here asserts that the action is still as it was read; losing that race means that somebody else has
recorded the same end, and is no error. So each may be repeated, and is while the database is away: what came of a call
should not have to be found out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integrations.errors import Postponed, Temporary
from workers import faults
from workers.actions.catalogue import CATALOGUE
from workers.backoff import pause
from workers.log import discreet, logger
from workers.obligations import telling
from workers.settlement import at_rest, consequences_of, settle
from workers.store import actions, audit, cases, flow, outage
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.flow import ActionSnapshot, Ending
from workers.store.record_digest import DIGITS
from workers.store.records import Action, ActionState, Attempt, Case, CaseState
from workers.telemetry import metrics
from workers.wiring import System

#: after so many tries a person is asked instead
MOST_TRIES = 20
NOTHING_FOUND = "Its end was not recorded, and a look found nothing of it."


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """How an action ends whose case went on without it while it was being tried, and why."""

    state: ActionState
    why: str
    #: something was drafted since, which may count on it: the agent looks again
    drafted_anew: bool = False


@outage.retried
def record_end(
    system: System,
    snapshot: ActionSnapshot,
    state: ActionState,
    *,
    receipt: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """Done or failed, for good."""
    action, now = snapshot.action, system.clock()
    attention = f"“{action.sentence}” failed: {error}" if state is ActionState.FAILED else None
    changes = {
        "state": state,
        "receipt": receipt,
        "reason": error or action.reason,
        "claimed_by": None,
        "wake_at": None,
        "waiting_for": None,
        "settled_at": now,
    }
    told = {"action": action.id, "kind": action.kind, "digest": action.digest[:DIGITS], "outcome": state.value}
    note = Note("caseworker", "executed", told)
    faults.point("action.record_committing")
    if not _record_end_at_once(system, snapshot, changes, note, attention, error):
        hints = []
        with system.db.write() as tx:
            changed = actions.change(tx, action, now=now, **changes)
            if changed is not None:
                actions.finish_attempts(tx, action, outcome=state, now=now, receipt=receipt, error=error)
                if state is ActionState.DONE:
                    telling.tell(tx, changed, now)
                audit.append(tx, action.case_id, now, note)
                hints = _settle(system, tx, action, attention)
        for action_id in hints:
            system.hints.action(action_id)
    metrics.action_ended(action.kind, state.value)
    faults.point("action.recorded")


def _record_end_at_once(
    system: System,
    snapshot: ActionSnapshot,
    changes: dict[str, Any],
    note: Note,
    attention: str | None,
    error: str | None,
) -> bool:
    """The straight way: the case rests, and no other action of it changes with this one, so one commit says it all.
    False where that is not so, or no longer."""
    case, action, now = snapshot.case, snapshot.action, system.clock()
    if not at_rest(case) or telling.told_of(action.verdict):
        return False
    if snapshot.begun is not None and changes["state"] != ActionState.DONE:
        # Its attempt has no row yet, and needs one to say how it ended.
        return False
    after = replace(action, state=changes["state"], settled_at=now, wake_at=None)
    troubled = replace(case, attention=attention) if attention else case
    consequences = consequences_of(troubled, [*snapshot.others, after], now=now)
    if consequences.actions or consequences.due:
        return False
    ending = Ending(
        changes=changes,
        outcome=changes["state"],
        receipt=changes["receipt"],
        error=error,
        case=case,
        case_changes=consequences.case,
        chain=snapshot.chain,
        notes=[note, *consequences.notes],
        in_rows=snapshot.begun is None,
    )
    return flow.end(system.db, action, ending, now=now)


@outage.retried
def record_uncertain(system: System, action: Action, why: str) -> None:
    """We cannot know whether it happened: a person must look."""
    now = system.clock()
    logger.warning("action_uncertain", action_id=action.id, reason=why)
    with system.db.write() as tx:
        changed = actions.change(
            tx,
            action,
            now=now,
            state=ActionState.UNCERTAIN,
            reason=why,
            claimed_by=None,
            wake_at=None,
            # What was put off was another question.
            snoozed_until=None,
        )
        if changed is None:
            return
        actions.finish_attempts(tx, action, outcome=ActionState.UNCERTAIN, now=now, error=why)
        data = {"action": action.id, "kind": action.kind, "outcome": "uncertain"}
        audit.append(tx, action.case_id, now, Note("caseworker", "executed", data))
        _settle(system, tx, action, None)
    metrics.action_ended(action.kind, "uncertain")


@outage.retried
def try_later(
    system: System,
    snapshot: ActionSnapshot,
    error: Temporary,
    attempt: Attempt | None = None,
    *,
    doubtful: bool = False,
    counted: bool = False,
) -> None:
    """Not this time: wait, with the reason on the card. What may have been done stays `executing`, to be looked up.

    `attempt` is the one that ended so. That it did nothing says nothing of those before it: while one of them may have been
    carried out (`doubtful`), the action is not merely approved again. `counted`: it uses up a try though nothing was sent.
    """
    action, now = snapshot.action, system.clock()
    unasked = isinstance(error, Postponed)
    unknown = error.maybe_done or doubtful
    if action.tries >= MOST_TRIES and not unasked:
        if unknown:
            record_uncertain(system, action, f"{action.tries} tries, the last ended so: {error}")
        else:
            record_end(system, snapshot, ActionState.FAILED, error=f"{action.tries} tries, the last ended so: {error}")
        return
    # What was not even asked used up no try.
    tries = max(action.tries - 1, 0) if unasked and attempt is not None else action.tries + counted
    with system.db.write() as tx:
        # Before the action: who takes a case over, or begins a new round, has the case in hand while withdrawing what waits.
        left = None if unknown else _left_behind(cases.lock(tx, action.case_id), action)
        hints = _withdraw(system, tx, action, left) if left is not None and not left.drafted_anew else []
        if left is None:
            changed = actions.change(
                tx,
                action,
                now=now,
                state=ActionState.EXECUTING if unknown else ActionState.APPROVED,
                wake_at=now + pause(max(action.tries - 1, 0), error.retry_after),
                waiting_for=str(error),
                claimed_by=None,
                tries=tries,
            )
            if changed is not None and attempt is not None and not error.maybe_done:
                actions.finish_attempts(
                    tx, action, number=attempt.number, outcome="not_done", now=now, error=str(error)
                )
    if left is not None:
        _after_withdrawal(system, action, left, hints)
        return
    logger.info("action_waits", action_id=action.id, reason=str(error), maybe_done=unknown)


@outage.retried
def withdraw_if_left_behind(system: System, action: Action, *, doubtful: bool) -> bool:
    """Whether its case went on without an action that is to be tried once more. Then it is over.

    `doubtful`: an earlier try may have been carried out, and nobody can look. Where a person does the case by hand they are to find
    out. Where the agent goes on, what it drafts next waits for this one's end, which is found by asking again under the same key: to
    leave it open would let the next one do the same again.
    """
    with system.db.write() as tx:
        left = _left_behind(cases.lock(tx, action.case_id), action)
        if left is None or (doubtful and left.state is ActionState.STALE):
            return False
        hints = None if doubtful or left.drafted_anew else _withdraw(system, tx, action, left)
    if doubtful:
        record_uncertain(system, action, f"The process stopped while this was being carried out, and now: {left.why}")
    else:
        _after_withdrawal(system, action, left, hints)
    return True


def _left_behind(case: Case | None, action: Action) -> LeftBehind | None:
    """Whether the case went on without this action. What merely waits is withdrawn where a case goes on (`settle_open`); what was
    under way then, when it comes back with nothing done.

    Whoever drafts at this moment has been told that it is under way, and counts on it: then it stays.
    """
    if case is None:
        return None
    if case.closed_at is not None:
        return LeftBehind(ActionState.CANCELLED, "The case was closed meanwhile.")
    if case.state == CaseState.TAKEN_OVER:
        return LeftBehind(ActionState.CANCELLED, "Somebody took the case over meanwhile.")
    if case.claimed_by:
        return None
    if case.events_total > case.events_worked:
        return LeftBehind(ActionState.STALE, "A new message came in.")
    if case.round > action.round:
        return LeftBehind(ActionState.STALE, "The case was drafted anew meanwhile.", drafted_anew=True)
    return None


def _withdraw(system: System, tx: Tx, action: Action, left: LeftBehind) -> list[str] | None:
    """End an action that has done nothing; the ids of those that are due by that, None where it changed meanwhile."""
    state, why, now = left.state, left.why, system.clock()
    changed = actions.change(
        tx, action, now=now, state=state, reason=why, claimed_by=None, wake_at=None, waiting_for=None, settled_at=now
    )
    if changed is None:
        return None
    actions.finish_attempts(tx, action, outcome="not_done", now=now, error=why)
    data = {"action": action.id, "kind": action.kind, "outcome": state.value}
    audit.append(tx, action.case_id, now, Note("caseworker", "executed", data))
    return _settle(system, tx, action, None)


def _after_withdrawal(system: System, action: Action, left: LeftBehind, hints: list[str] | None) -> None:
    """What follows the commit of `_withdraw`, or takes its place."""
    if left.drafted_anew:
        redraft(system, action, left.why)
        return
    if hints is None:
        return
    logger.info("action_withdrawn", action_id=action.id, reason=left.why)
    metrics.action_ended(action.kind, left.state.value)
    for action_id in hints:
        system.hints.action(action_id)


@outage.retried
def look_again_later(system: System, action: Action, error: Temporary) -> None:
    """What became of a broken attempt cannot be found out just now: look again later."""
    now = system.clock()
    # What was not even asked used up no try, as in `try_later`.
    tries = action.tries + (not isinstance(error, Postponed))
    with system.db.write() as tx:
        actions.change(
            tx,
            action,
            now=now,
            wake_at=now + pause(action.tries, error.retry_after),
            waiting_for=str(error),
            claimed_by=None,
            tries=tries,
        )


@outage.retried
def record_not_done(system: System, action: Action, begun: Sequence[Attempt]) -> None:
    """A look found nothing of these attempts: how the next one ends says nothing of them."""
    with system.db.write() as tx:
        for attempt in begun:
            actions.finish_attempts(
                tx, action, number=attempt.number, outcome="not_done", now=system.clock(), error=NOTHING_FOUND
            )


@outage.retried
def approve_again(system: System, action: Action) -> bool:
    """What is known to have done nothing is approved as before, and due; whether it was still as it was read."""
    now = system.clock()
    with system.db.write() as tx:
        changed = actions.change(
            tx, action, now=now, state=ActionState.APPROVED, wake_at=now, waiting_for=None, claimed_by=None
        )
    return changed is not None


@outage.retried
def redraft(system: System, action: Action, why: str) -> None:
    """The world moved on since this was drafted: not sent, and the agent looks again."""
    now = system.clock()
    logger.info("action_stale", action_id=action.id, reason=why)
    kind = CATALOGUE.get(action.kind)
    # What nobody drafts again is over.
    over = kind is not None and kind.fixed
    with system.db.write() as tx:
        # Before the actions, as in `try_later`: what is under way comes back to a case that has gone on, or waits and is withdrawn.
        case = cases.lock(tx, action.case_id)
        if case is not None and case.claimed_by and not over:
            _redraft_later(tx, action, why, now)
            return
        changed = actions.change(
            tx,
            action,
            now=now,
            state=ActionState.STALE,
            reason=why,
            claimed_by=None,
            wake_at=None,
            settled_at=now,
        )
        if changed is None:
            return
        actions.finish_attempts(tx, action, outcome=ActionState.STALE, now=now, error=why)
        withdrawn = actions.settle_open(tx, action.case_id, ActionState.STALE, why, now)
        data = {"action": action.id, "reason": discreet(why), "withdrawn": withdrawn}
        audit.append(tx, action.case_id, now, Note("caseworker", "stale", data))
        hints = _settle(system, tx, action, None) if over else []
        again_from = None
        if case is not None and case.state != CaseState.TAKEN_OVER and not over:
            again_from = _back_to_agent(system, tx, case, why, now)
    metrics.action_ended(action.kind, "stale")
    for action_id in hints:
        system.hints.action(action_id)
    if again_from is not None:
        system.hints.case(again_from.id, again_from.domain)


def _back_to_agent(system: System, tx: Tx, case: Case, why: str, now: datetime) -> Case | None:
    """The case, with its agent to look again; None where it has done so often enough, and people are asked.

    Only what begins by itself is counted so: a round that people ask for is always begun, however many there were.
    """
    if case.round - case.events_total < system.settings.max_redrafts:
        return cases.change(
            tx, case.id, now=now, state=CaseState.WORKING, step="gather", round=case.round + 1, wake_at=now
        )
    reason = f"{case.round} rounds did not settle this case. The last: {why}"
    logger.warning("case_needs_a_person", case_id=case.id, step=case.step, reason=discreet(reason))
    if cases.change(tx, case.id, now=now, state=CaseState.INBOX, attention=reason, wake_at=None) is not None:
        told = {"step": case.step, "reason": discreet(reason)}
        audit.append(tx, case.id, now, Note("caseworker", "asked_for_help", told))
    return None


def _redraft_later(tx: Tx, action: Action, why: str, now: datetime) -> None:
    """Whoever drafts at this moment was told of it as under way, and nobody could make them look again: it is tried once more when
    that may be over, and found to be stale then (`_left_behind` says the same of what merely did nothing)."""
    soon = now + pause(max(action.tries - 1, 0))
    changed = actions.change(
        tx, action, now=now, state=ActionState.APPROVED, wake_at=soon, waiting_for=why, claimed_by=None
    )
    if changed is not None:
        actions.finish_attempts(tx, action, outcome=ActionState.STALE, now=now, error=why)


def _settle(system: System, tx: Tx, action: Action, attention: str | None) -> list[str]:
    case = cases.lock(tx, action.case_id)
    if case is None:
        return []
    if attention is not None:
        case = cases.call_attention(tx, case.id, attention, now=system.clock()) or case
    return settle(tx, case, now=system.clock())
