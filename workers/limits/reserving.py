"""Reserves what decisions use up of the limits that they fall under, within the transaction that stores them.

Called by `workers.verdict_limits` for what rules allow, and by the inbox with the last yes of people. All or nothing: an action
that does not fit one of its limits holds none of them, and its verdict says why. A counter's turn is taken before it is added
up and kept until the commit, so that two who reserve at once cannot both have the last of it. Whether there is room is asked of
the counter's total, which is never less than the truth; only where it says no is added up exactly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from policies.limits import tightened, told
from policies.record import from_json
from policies.types import DecisionRecord, Outcome, Reserved, Use
from workers import switchboard
from workers.log import logger
from workers.store import actions, limit_adoption, limits, switches
from workers.store.database import Tx
from workers.store.limits import Holding
from workers.store.records import Action
from workers.store.spending import Room, Used


class LimitReached(Exception):
    """This cannot be approved now: it would go beyond a limit. The message is for people."""


def reserves(record: DecisionRecord) -> bool:
    """Whether storing this decision reserves anything: rules let it run, within limits."""
    return bool(record.uses) and record.verdict.outcome < Outcome.REVIEW


def reserve(
    tx: Tx, decided: Sequence[tuple[str, DecisionRecord]], *, now: datetime, once: bool
) -> list[DecisionRecord]:
    """Reserve for each (action id, decision) in order; each decision comes back as it stands now.

    What waits for people reserves nothing yet. A limit that trips throws the switch of the action's kind. `once`: this
    transaction reserves nothing else, before or after.
    """
    wanted = [held for action_id, record in decided if reserves(record) for held in holdings(action_id, record.uses)]
    limits.take_turns(tx, wanted, now=now, alone=not once)
    return [_reserved(tx, action_id, record, now) if reserves(record) else record for action_id, record in decided]


def reserve_for_approval(tx: Tx, action: Action, *, now: datetime) -> None:
    """Reserve with the yes that completes an action's approval. Raise `LimitReached` where a limit refuses more; where it only
    asks for a person, there was one, and it counts all the same."""
    if not action.verdict.get("limits"):
        return
    record = from_json(actions.revisions_of(tx, action.id)[-1].record)
    # What was edited with it, or rests on it, may have reserved in this transaction already.
    held = holdings(action.id, record.uses)
    limits.take_turns(tx, held, now=now, alone=True)
    limits.drop(tx, action.id)
    refusing = []
    for use in record.uses:
        tried = _tried(tx, use, now)
        if not tried.held and use.limit.over is Outcome.DENY:
            refusing.append(told(use, tried))
    if refusing:
        raise LimitReached(f"This cannot be approved now. {'. '.join(refusing)}.")
    limits.hold(tx, held, now)


def rooms(uses: Iterable[Use]) -> list[Room]:
    """What must be left of each limit for these to fit, as `_weighed` weighs them."""
    return [
        Room(
            counter_of(use),
            use.limit.max_count,
            None if use.limit.max_minor is None else use.limit.max_minor - max(use.amount_minor, 0),
        )
        for use in uses
    ]


def refusing(uses: Iterable[Use]) -> list[Use]:
    """Those whose limits refuse a person's yes too, as `reserve_for_approval` has it."""
    return [use for use in uses if use.limit.over is Outcome.DENY]


def fitting(record: DecisionRecord, used: Used) -> DecisionRecord | None:
    """The decision as `reserve` gives it where all that it uses up is to be had when so much is used up; else None."""
    tried = [_weighed(use, *used.get(counter_of(use), (0, 0))) for use in record.uses]
    return tightened(record, tried) if all(one.held for one in tried) else None


def _reserved(tx: Tx, action_id: str, record: DecisionRecord, now: datetime) -> DecisionRecord:
    # What it held as it was before counts for nothing now.
    limits.drop(tx, action_id)
    tried = [_tried(tx, use, now) for use in record.uses]
    if all(one.held for one in tried):
        limits.hold(tx, holdings(action_id, record.uses), now)
    else:
        _trip(tx, record, tried, now)
    return tightened(record, tried)


def _tried(tx: Tx, use: Use, now: datetime) -> Reserved:
    counter = counter_of(use)
    tried = _weighed(use, *limits.total(tx, counter))
    if tried.held:
        return tried
    since = now - timedelta(minutes=use.limit.window_minutes)
    return _weighed(use, *limits.exact(tx, counter, since=since, now=now))


def _weighed(use: Use, count: int, minor: int) -> Reserved:
    limit = use.limit
    fits = (limit.max_count is None or count < limit.max_count) and (
        # Nothing gives room back by being negative.
        limit.max_minor is None or minor + max(use.amount_minor, 0) <= limit.max_minor
    )
    return Reserved(limit.ref, use.key, count, minor, fits)


def holdings(action_id: str, uses: Sequence[Use]) -> list[Holding]:
    """What an action holds of its limits. Two rules may name one counter; it is used once."""
    found = {}
    for use in uses:
        counter, limit = counter_of(use), use.limit
        found[counter] = Holding(
            action_id, counter, limit.ref, limit.window_minutes, max(use.amount_minor, 0), "customer" not in limit.per
        )
    return list(found.values())


def _trip(tx: Tx, record: DecisionRecord, tried: Sequence[Reserved], now: datetime) -> None:
    """A limit that was never meant to be reached: the kind is stopped, and a person looks."""
    for use, one in zip(record.uses, tried, strict=True):
        if one.held or not use.limit.trips:
            continue
        scope = f"action:{record.facts['action_kind']}"
        if switches.thrown(tx, [scope]) is None:
            logger.warning("limit_tripped", limit=use.limit.ref, scope=scope)
            switchboard.throw(tx, scope, reason=told(use, one), actor=f"policy:{use.limit.ref}", now=now)


def counter_of(use: Use) -> int:
    """The number of a counter, which does not say whom it counts."""
    return _number(use.key)


@lru_cache(maxsize=4096)
def _number(key: str) -> int:
    """Asked several times for each decision, and for every decision where a counter is everybody's."""
    return limit_adoption.number_of(hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest())
