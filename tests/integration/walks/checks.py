"""What must hold whatever happened, by the design and in plain sums, and not by the code that is to keep it."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from tests.integration.limits.reading import agree
from tests.integration.walks.rules import MOST_MINOR, MOST_TIMES, WINDOW_MINUTES
from workers.actions.digest import row_digest
from workers.store import actions, audit, cases, inbox, judgements, limits, people, proof, unsettled
from workers.store.records import Action, ActionState, Case, CaseState
from workers.store.tables import actions as table
from workers.store.tables import attempts as attempts_table

LIVE = {ActionState.PENDING, ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN}
EFFECT_OF = {
    "refund_payment": "refund",
    "reply_to_customer": "reply",
    "request_documents": "mail",
    "escalate_ticket": "assign",
    "add_tags": "tag",
}
SENT = {
    "refund_payment": lambda a: a["amount_minor"],
    "reply_to_customer": lambda a: a["body"],
    "request_documents": lambda a: a["body"],
    "escalate_ticket": lambda a: a["team"],
    "add_tags": lambda a: list(a["tags"]),
}


def may_happen(world: Any, kind: str, ref: str, key: str, what: Any) -> list[str]:
    """Asked at the very moment in which something is done outside."""
    db = world.engine.system.db
    world.in_tx += 1
    try:
        with db.read() as tx:
            action = actions.get(tx, key)
            attempts = actions.attempts_of(tx, key)
            said = actions.decisions_of(tx, key)
            everyone = {p.id: p for p in people.everyone(tx)}
    finally:
        world.in_tx -= 1
    began, state = next((turn, state) for row, turn, state in reversed(world.calls) if row == key)
    told = f"{kind} {key[-6:]} in {state}"
    broken = []
    if action.state != ActionState.EXECUTING:
        broken.append(f"{told}: done while it is {action.state}")
    if not row_digest(action) == action.digest == action.approved_digest:
        broken.append(f"{told}: not what was approved")
    if EFFECT_OF[action.kind] != kind or SENT[action.kind](action.arguments) != what:
        broken.append(f"{told}: {what} sent, {action.arguments} approved")
    if sum(k == key for k, *_ in world.effects) > 1:
        broken.append(f"{told}: done once more")
    doubtful = state == ActionState.EXECUTING and len(attempts) > 1
    # What was begun by whoever decided it was begun before this call.
    if state != ActionState.EXECUTING:
        broken += [f"{told}: {why}" for why in _held_back(world, action, began)]
    house = next((h for _, h in reversed(world.in_force) if h.policy.hash == action.policy_hash), None)
    if house is None:
        broken.append(f"{told}: a policy that never was")
    else:
        broken += [f"{told}: {why}" for why in uncovered(house, action, said, everyone)]
    if kind == "refund" and not doubtful:
        broken += beyond_limits(world)
    return broken


def _held_back(world: Any, action: Action, began: int) -> list[str]:
    """What should have kept it from being begun at all."""
    stopping = {"all", "domain:support", "vendor:house", f"action:{action.kind}"}
    stopping |= {f"rule:{rule}" for rule in action.verdict["rules"]}
    broken = [
        f"done though {scope} is thrown" for scope, at in world.thrown.items() if at < began and scope in stopping
    ]
    since, house = world.in_force[-1]
    if since < began and action.policy_hash != house.policy.hash:
        broken.append("done under a policy that is gone")
    return broken


def _asked(house: Any, action: Action) -> tuple[tuple[str, ...], ...]:
    """Stages of roles that must say yes; none where it may run by itself."""
    if action.kind == "refund_payment":
        return house.stages if action.arguments["amount_minor"] > house.alone else ()
    asks = {"reply_to_customer": house.name != "open", "request_documents": house.name == "open"}
    return (("",),) if asks.get(action.kind) else ()


def uncovered(house: Any, action: Action, said: list[Any], everyone: dict[str, Any]) -> list[str]:
    """Whether rules allow it by themselves, or all whom they ask have said yes to this very revision."""
    by_rule = (action.decided_by or "").startswith("policy:")
    if action.kind == "refund_payment" and action.arguments["amount_minor"] > house.never:
        return ["it is forbidden"]
    stages = _asked(house, action)
    if not stages:
        return []
    if by_rule:
        return [f"{house.name} asks people, and {action.decided_by} let it go"]
    yes = [d for d in said if d.decision == "approve" and (d.revision, d.digest) == (action.revision, action.digest)]
    if len({d.person_id for d in yes}) < sum(map(len, stages)):
        return [f"asks {stages} and has {len(yes)} yes to revision {action.revision}"]
    for stage in stages:
        for role in stage:
            if role and not any({role, "lead"} & set(everyone[d.on_behalf_of or d.person_id].groups) for d in yes):
                return [f"nobody of {role} said yes"]
    return []


def beyond_limits(world: Any) -> list[str]:
    now = world.engine.clock()
    paid = [
        (what, at)
        for _, kind, what, at in world.effects
        if kind == "refund" and at > now - timedelta(minutes=WINDOW_MINUTES)
    ]
    total = sum(what for what, _ in paid)
    if total > MOST_MINOR or len(paid) > MOST_TIMES:
        return [f"{len(paid)} refunds, {total} in a day"]
    return []


def look(world: Any) -> list[str]:
    """Asked whenever nobody is in the middle of anything."""
    broken, world.broken = list(world.broken), []
    now, db = world.engine.clock(), world.engine.system.db
    world.in_tx += 1
    try:
        with db.read() as tx:
            every = cases.listing(tx, limit=500)
            by_case = {case.id: actions.of_case(tx, case.id) for case in every}
            waiting = {w.action.id for w in inbox.waiting(tx, now=now, limit=1000)}
            asking = {case.id for case in cases.needing_attention(tx)}
            found = set(tx.execute(unsettled.standing(table.c.id)).scalars())
            held = {row.id: row for row in tx.execute(select(cases.cases.c.id, cases.cases.c.held_until))}
            tries = defaultdict(list)
            for row in tx.execute(select(attempts_table)):
                tries[row.action_id].append(row)
            if not agree(tx):
                broken.append("limits: a counter says something else than its holds")
            counted, by_state = (
                actions.open_by_state(tx),
                Counter(str(a.state) for each in by_case.values() for a in each if a.state in LIVE),
            )
            if {k: n for k, n in counted.items() if n} != by_state:
                broken.append(f"figures: {counted} counted, {by_state} there")
            unheld = [
                a.id[-6:]
                for each in by_case.values()
                for a in each
                if a.kind == "refund_payment"
                and a.state in (ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN)
                and not limits.holds(tx, a.id)
            ]
            if unheld:
                broken.append(f"limits: nothing is held for {unheld}")
            chains = {case.id: audit.of_chain(tx, case.id) for case in every}
    finally:
        world.in_tx -= 1
    done = Counter(key for key, *_ in world.effects)
    for case in every:
        broken += [
            f"case {case.id[-6:]}: {why}" for why in of_case(case, by_case[case.id], held[case.id].held_until, asking)
        ]
        told = [n for e in chains[case.id] for n in audit.unfolded(e)]
        for action in by_case[case.id]:
            broken += [
                f"{action.kind} {action.id[-6:]} ({action.state}): {why}"
                for why in of_action(
                    action, case, by_case[case.id], now, waiting, found, done[action.id], tries[action.id]
                )
            ]
            broken += [f"{action.kind} {action.id[-6:]} ({action.state}): {why}" for why in untold(action, told)]
    live = [a for each in by_case.values() for a in each if a.kind == "refund_payment" and counts(a, now)]
    if len(live) > MOST_TIMES or sum(a.arguments["amount_minor"] for a in live) > MOST_MINOR:
        broken.append(f"limits: {[(a.id[-6:], a.state, a.arguments['amount_minor']) for a in live]}")
    return broken


def counts(action: Action, now: Any) -> bool:
    if action.state == ActionState.DONE:
        return action.settled_at > now - timedelta(minutes=WINDOW_MINUTES)
    return action.state in (ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN)


def of_case(case: Case, its: list[Action], held_until: Any, asking: set[str]) -> list[str]:
    live = [a for a in its if a.state in LIVE]
    if case.closed_at is not None or case.state == CaseState.CLOSED:
        return _closed(case, live)
    if case.claimed_by:
        return [] if case.wake_at is not None or held_until is not None else ["claimed without a lease"]
    if case.wake_at is not None:
        return []
    return _at_rest(case, live, asking)


def _closed(case: Case, live: list[Action]) -> list[str]:
    broken = []
    if live:
        broken.append(f"closed, with {[(a.kind, a.state) for a in live]}")
    if case.state != CaseState.CLOSED or case.closed_at is None or not case.outcome:
        broken.append(f"half closed: {case.state} {case.outcome}")
    if case.wake_at is not None or case.claimed_by:
        broken.append("closed, and due or claimed")
    if case.events_worked != case.events_total and case.outcome != "closed_by_hand":
        broken.append("closed with a message that nobody read")
    return broken


def _at_rest(case: Case, live: list[Action], asking: set[str]) -> list[str]:
    """Of a case that nobody works on and no timer wakes."""
    if case.state == CaseState.TAKEN_OVER:
        return [] if case.assignee and case.id in asking else ["taken over by nobody"]
    if case.events_total > case.events_worked and not (case.state == CaseState.INBOX and case.attention):
        return [f"a message that nobody will read, {case.state}"]
    if case.state == CaseState.INBOX:
        if case.attention or any(a.state in (ActionState.PENDING, ActionState.UNCERTAIN) for a in live):
            return []
        return [f"in the inbox with nothing to decide: {[(a.kind, a.state) for a in live]}"]
    if case.state == CaseState.ACTING:
        moving = [a for a in live if a.state in (ActionState.APPROVED, ActionState.EXECUTING)]
        broken = [] if moving else [f"acting, with nothing under way: {[(a.kind, a.state) for a in live]}"]
        if any(a.state in (ActionState.PENDING, ActionState.UNCERTAIN) for a in live):
            broken.append("acting, though people are asked")
        return broken
    return [f"{case.state} at {case.step}, and nothing moves it"]


def of_action(
    action: Action,
    case: Case,
    its: list[Action],
    now: Any,
    waiting: set[str],
    found: set[str],
    done: int,
    tries: list[Any],
) -> list[str]:
    broken = []
    live = action.state in LIVE
    open_tries = [row.number for row in tries if row.finished_at is None]
    if not live and open_tries:
        broken.append(f"over, with tries that have no end: {open_tries}")
    if live != (action.settled_at is None):
        broken.append(f"settled at {action.settled_at}")
    if live != (action.id in found):
        broken.append("is where nobody looks" if live else "is looked for though it is over")
    if not live and (action.wake_at is not None or action.claimed_by):
        broken.append(f"over, and due {action.wake_at} or claimed {action.claimed_by}")
    asks = action.state == ActionState.UNCERTAIN or (
        action.state == ActionState.PENDING and not (action.snoozed_until and action.snoozed_until > now)
    )
    if asks != (action.id in waiting):
        broken.append(f"in the inbox: {action.id in waiting}")
    return [*broken, *_moves(action, case, its), *_as_it_was(action, done)]


def _moves(action: Action, case: Case, its: list[Action]) -> list[str]:
    """Whether something or somebody will bring it further."""
    broken = []
    if action.state == ActionState.PENDING and (action.wake_at is None or action.expires_at is None):
        broken.append(f"pending without an end: due {action.wake_at}, until {action.expires_at}")
    if action.state == ActionState.PENDING and action.approved_digest:
        broken.append("pending, with an approval")
    if action.state == ActionState.APPROVED and action.wake_at is None:
        rests = [a for a in its if a.id in action.rests_on and a.state in LIVE]
        turn = [
            a
            for a in its
            if a.target == action.target
            and a.id != action.id
            and a.state in (ActionState.APPROVED, ActionState.EXECUTING, ActionState.UNCERTAIN)
        ]
        if not rests and not turn and not case.claimed_by and case.wake_at is None:
            broken.append(f"approved, and nothing moves it: {action.waiting_for}, case {case.state}")
    if action.state == ActionState.EXECUTING and action.wake_at is None:
        broken.append("under way without a lease")
    return broken


def _as_it_was(action: Action, done: int) -> list[str]:
    """Whether it says of itself what really happened."""
    broken = []
    if done and action.state not in (ActionState.DONE, ActionState.UNCERTAIN, ActionState.EXECUTING):
        broken.append(f"happened, and says {action.reason}")
    if action.state == ActionState.DONE and not done:
        broken.append("done, and nothing happened")
    if action.state == ActionState.DENIED and done:
        broken.append("forbidden, and done")
    return broken


def untold(action: Action, told: list[Any]) -> list[str]:
    """Whether the audit log tells how an action ended."""
    if action.state in LIVE or action.state in (ActionState.CANCELLED, ActionState.SUPERSEDED):
        return []
    if any(action.id in str(n.data) for n in told if n.verb != "drafted"):
        return []
    return ["the log says nothing of its end"]


def whole(world: Any) -> list[str]:
    with world.engine.system.db.read() as tx:
        return [*proof.verify(tx), *judgements.unfitting(tx)]
