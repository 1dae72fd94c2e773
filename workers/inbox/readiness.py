"""Ready to decide before anybody does: a made-up yes, to a draft that there is not, taken through all that a real one goes through.

The web calls it once as it starts. The first yes then finds connections that are open, statements that the database has prepared
and planned, and code that has run: without it that one takes four times as long as those after it. It changes nothing, as there is
no such case; what cannot be made ready now, because the database is away, the first yes makes ready itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from policies.record import verdict_json
from policies.types import Outcome, Requirement, Use, Verdict
from workers.inbox import service
from workers.inbox.choices import approved
from workers.inbox.words import Choice, Word
from workers.limits.reserving import holdings, refusing, rooms
from workers.log import logger
from workers.settlement import consequences_of
from workers.store import asking, flow, spending
from workers.store.audit import Chain
from workers.store.database import UNANSWERED
from workers.store.flow import ActionSnapshot, Announcement
from workers.store.records import Action, ActionState, Case, CaseState, Person
from workers.wiring import System

#: the id of no row
_NONE = ""
#: whoever was asked for it would have this one
_ROLE = "nobody's"
#: as long as a digest, and a link of a chain
_DIGEST = "0" * 64


def warm_up(system: System) -> None:
    """Ask once, of nobody and nothing, what is asked for each plain yes, and write what is written: it finds nothing to change."""
    if system.db.is_sqlite:
        return
    system.hints.warm_up()
    try:
        flow.snapshot(system.db, _NONE)
        _rehearse(system)
    except UNANSWERED as error:
        # What is wrong is told where it is in the way, and keeps nobody from starting.
        logger.info("not_ready_to_decide", error=type(error).__name__)


def _rehearse(system: System) -> None:
    now = system.clock()
    snapshot = _snapshot(now, system.policy.hash)
    person = Person(_NONE, "", "", "", [_ROLE], True, now)
    choice = Choice(Word.APPROVE, 1, _DIGEST)
    asking.at_once(system.db, _NONE, _NONE)
    service.approve(system, person, snapshot, choice)
    changes = approved(snapshot.action, actor="", now=now)
    consequences = consequences_of(snapshot.case, [replace(snapshot.action, **changes)], now=now)
    consent = service.consent(person, snapshot, choice, changes, consequences, now=now)
    announcement = Announcement(lambda: False)
    for uses in _used(system):
        held, refused = holdings(_NONE, uses), rooms(refusing(uses))
        spending.approve(system.db, snapshot.action, consent, held, refused, now=now, announcement=announcement)


def _used(system: System) -> list[Sequence[Use]]:
    """What actions may use up under the policy in force. Those whose use is written by the same statement stand for each other."""
    found: dict[Any, Sequence[Use]] = {}
    for route in system.policy.routes:
        all_of_them = [Use(limit, limit.ref, 0) for limit in route.limits]
        # Of money in a currency that no limit knows only those of how many are left.
        for uses in (all_of_them, [use for use in all_of_them if use.limit.max_count is not None]):
            if uses:
                found.setdefault(tuple(sorted(held.wide for held in holdings(_NONE, uses))), uses)
    return list(found.values())


def _snapshot(now: datetime, policy: str) -> ActionSnapshot:
    action = _made_up(
        Action,
        state=ActionState.PENDING,
        revision=1,
        digest=_DIGEST,
        policy_hash=policy,
        verdict=verdict_json(Verdict(Outcome.REVIEW, (Requirement(_ROLE),), (), ())),
        arguments={},
        rests_on=[],
        created_at=now,
    )
    case = _made_up(Case, state=CaseState.INBOX, events_total=1, events_worked=1, opened_at=now, updated_at=now)
    return ActionSnapshot(action, case, others=(), switch=None, chain=Chain(1, _DIGEST), held=False)


def _made_up(record: Any, **known: Any) -> Any:
    """A record of which nothing else is known."""
    empty = {field.name: None for field in fields(record)}
    texts = dict.fromkeys(("id", "case_id", "kind", "sentence", "target", "domain", "customer"), "")
    numbers = dict.fromkeys(("round", "ordinal", "tries", "version"), 0)
    return record(**empty | {name: value for name, value in (texts | numbers).items() if name in empty} | known)
