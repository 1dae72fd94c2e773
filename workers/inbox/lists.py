"""What the inbox's list shows: one row per thing that waits, under five tabs. Reads, never decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from workers.actions.catalogue import CATALOGUE
from workers.inbox.standing import Standing, standing, waits_for
from workers.quorum import Position, Staff, position
from workers.store import cases, inbox, leaving
from workers.store.database import Tx
from workers.store.inbox import Waiting
from workers.store.records import ActionState, Case, CaseState, Person

_URGENCY = {"urgent": 0, "high": 1}
#: so many drafts are looked through for whose they are: each costs a third of a millisecond
MOST_LOOKED_AT = 1_000
#: so many are shown of a list
MOST_SHOWN = 200
#: so many cases that ask for a person
MOST_CASES = 100


class Tab(StrEnum):
    MINE = "mine"
    ALL = "all"
    LEAVING = "leaving"
    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Row:
    """One action in a list, with its case."""

    waiting: Waiting
    title: str
    risk: str
    why: str
    standing: Standing | None = None

    @property
    def href(self) -> str:
        return f"/actions/{self.waiting.action.id}"


@dataclass(frozen=True, slots=True)
class Inbox:
    tab: Tab
    domain: str
    domains: tuple[str, ...]
    rows: tuple[Row, ...]
    #: cases that ask for a person though no action of theirs waits; on the tab `waiting`, those that wait for a system
    cases: tuple[Case, ...]
    counts: Mapping[Tab, int]
    snoozed: int
    #: how many of this list stand here, where that is not all of it
    first: int | None
    #: how many drafts were looked through, where more may wait
    looked_at: int | None


def load(tx: Tx, person: Person, *, tab: Tab, domain: str, domains: Iterable[str], now: datetime) -> Inbox:
    waiting = _in_order(tx, domain, now)
    mine = [item for item in waiting if waits_for(item, person)]
    asking = cases.needing_attention(tx, domain=domain or None, limit=MOST_CASES)
    stuck = inbox.find_cases(tx, states=[CaseState.WAITING], domain=domain or None)
    counts = {
        Tab.MINE: len(mine) + len(asking),
        Tab.ALL: len(waiting) + len(asking),
        Tab.LEAVING: leaving.count(tx, domain=domain or None),
        Tab.WAITING: len(stuck),
    }
    rows: Sequence[Row] = ()
    match tab:
        case Tab.LEAVING:
            rows = [_row(item, None) for item in leaving.listing(tx, domain=domain or None)]
        case Tab.MINE:
            rows = [_row(item.waiting, standing(item, person)) for item in mine[:MOST_SHOWN]]
        case Tab.ALL:
            rows = [_row(item.waiting, standing(item, person)) for item in waiting[:MOST_SHOWN]]
        case Tab.DONE:
            rows = [_row(item, None) for item in inbox.finished(tx, domain=domain or None)]
    of_list = {Tab.MINE: mine, Tab.ALL: waiting}.get(tab, [])
    listed = {Tab.MINE: asking, Tab.ALL: asking, Tab.WAITING: stuck}.get(tab, [])
    return Inbox(
        tab=tab,
        domain=domain,
        domains=tuple(sorted(domains)),
        rows=tuple(rows),
        cases=tuple(listed),
        counts=counts,
        snoozed=inbox.snoozed(tx, now=now),
        first=len(rows) if len(of_list) > len(rows) else None,
        looked_at=MOST_LOOKED_AT if len(waiting) == MOST_LOOKED_AT else None,
    )


def neighbours(
    tx: Tx, person: Person, action_id: str, *, tab: Tab, domain: str, now: datetime
) -> tuple[str | None, str | None]:
    """The items before and after one in the list that it was opened from; after the last comes the first."""
    if tab is Tab.LEAVING:
        ids = [item.action.id for item in leaving.listing(tx, domain=domain or None)]
    else:
        waiting = _in_order(tx, domain, now)
        ids = [i.waiting.action.id for i in waiting if tab is Tab.ALL or waits_for(i, person)]
    if action_id in ids:
        place = ids.index(action_id)
        others = ids[place + 1 :] + ids[:place]
        return (others[-1], others[0]) if others else (None, None)
    return (ids[-1], ids[0]) if ids else (None, None)


def _row(item: Waiting, stands: Standing | None) -> Row:
    kind = CATALOGUE.get(item.action.kind)
    reasons = item.action.verdict.get("reasons") or [""]
    return Row(
        waiting=item,
        title=kind.title if kind is not None else item.action.kind,
        risk=kind.risk.value if kind is not None else "",
        why=_why(stands, str(reasons[0])),
        standing=stands,
    )


def _why(stands: Standing | None, reason: str) -> str:
    """What is urgent about it before why it was asked."""
    if stands is None:
        return reason
    return " ".join(filter(None, (stands.shortage, stands.overdue, reason)))


def _in_order(tx: Tx, domain: str, now: datetime) -> list[Position]:
    """What may have happened already first, then what the ladder has passed on, then by urgency, then by age."""
    staff = Staff.at(tx, now)
    items = [
        position(item, staff, now) for item in inbox.waiting(tx, now=now, domain=domain or None, limit=MOST_LOOKED_AT)
    ]
    return sorted(
        items,
        key=lambda item: (
            item.waiting.action.state != ActionState.UNCERTAIN,
            not item.rungs(),
            _URGENCY.get(item.waiting.case.priority, 2),
            item.waiting.action.created_at,
        ),
    )
