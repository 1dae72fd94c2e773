"""Who stands in for whom while they are away: naming somebody and calling it off, by page, API and command line alike.

A stand-in is named for a time with an end and cannot pass it on. Both names stand in the audit log. Whose yes counts then is
settled elsewhere (`quorum`); here only what may be arranged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from workers.inbox.words import Invalid, NotAllowed, NotFound
from workers.quorum import LEAD
from workers.store import audit, delegations, people
from workers.store.audit import SYSTEM, Note
from workers.store.database import Tx
from workers.store.records import Delegation, Person

#: nobody is away for longer without being asked again
LONGEST = timedelta(days=366)
#: characters of a reason that are kept
MOST_REASON = 200
_TOO_LONG = f"That is longer than {LONGEST.days} days. Name somebody for a shorter time."


@dataclass(frozen=True, slots=True)
class Absence:
    """From when to when; days count whole, in the house's zone."""

    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of_days(cls, first: date, last: date, zone: str) -> Absence:
        """From the first day to the end of the last. Raise `Invalid` for what no calendar holds."""
        there = ZoneInfo(zone)
        midnight = datetime.min.time()
        try:
            following = last + timedelta(days=1)
        except OverflowError as error:
            raise Invalid(_TOO_LONG) from error
        return cls(datetime.combine(first, midnight, there), datetime.combine(following, midnight, there))


def may_arrange(by: Person, person_id: str) -> bool:
    """Everybody for themselves; leads for others, who may have fallen ill."""
    return by.active and (by.id == person_id or LEAD in by.groups)


def arrange(
    tx: Tx,
    person: str,
    stand_in: str,
    absence: Absence,
    *,
    by: Person | None,
    reason: str,
    actor: str,
    now: datetime,
) -> Delegation:
    """`stand_in` speaks for `person` meanwhile; both are named by id or e-mail address. `by` is who asks, where that is
    somebody who signed in; they must be allowed to. Raise a `DecisionError` for what cannot be arranged."""
    if not stand_in:
        raise Invalid("Choose who stands in.")
    away, there = _account(tx, person), _account(tx, stand_in)
    if by is not None and not may_arrange(by, away.id):
        raise NotAllowed("Only a lead can name a stand-in for somebody else.")
    if by is not None and by.id == there.id and by.id != away.id:
        # Or every lead could say yes with the authority of whom they like.
        raise NotAllowed("Nobody takes the place of somebody else: they, or another lead, must name you.")
    return _name(tx, away, there, absence, reason=reason[:MOST_REASON], actor=actor, now=now)


def _account(tx: Tx, named: str) -> Person:
    found = people.get(tx, named) or people.by_email(tx, named.strip())
    if found is None:
        raise Invalid(f"There is no account {named!r}. Give the e-mail address of somebody who can sign in here.")
    return found


def _name(
    tx: Tx, person: Person, stand_in: Person, absence: Absence, *, reason: str, actor: str, now: datetime
) -> Delegation:
    people.hold(tx, (person.id, stand_in.id))
    # Nothing that was said before counts by it.
    starts_at, ends_at = max(absence.starts_at, now), absence.ends_at
    if person.id == stand_in.id:
        raise Invalid("Nobody stands in for themselves.")
    for one in (person, stand_in):
        if not one.active:
            raise Invalid(f"The account of {one.name} is not active.")
    if ends_at <= starts_at:
        raise Invalid("The last day must not be over, nor before the first.")
    if ends_at - starts_at > LONGEST:
        raise Invalid(_TOO_LONG)
    for other in delegations.not_over(tx, now):
        if other.starts_at >= ends_at or other.until <= starts_at:
            continue
        if other.person_id == person.id:
            raise Invalid(f"Somebody stands in for {person.name} in that time already. End that first.")
        if other.person_id == stand_in.id:
            raise Invalid(f"{stand_in.name} is away in that time too, and a stand-in cannot pass it on.")
    made = delegations.add(
        tx,
        person_id=person.id,
        stand_in_id=stand_in.id,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason,
        created_by=actor,
        now=now,
    )
    told = {
        "delegation": made.id,
        "person": person.email,
        "stand_in": stand_in.email,
        "from": starts_at.isoformat(),
        "until": ends_at.isoformat(),
        "reason": reason,
    }
    audit.append(tx, SYSTEM, now, Note(actor, "stand_in_named", told))
    return made


def call_off(tx: Tx, delegation_id: str, *, actor: str, by: Person | None, now: datetime) -> Delegation:
    """End it now. `by` is who asks, where that is somebody who signed in; they must be allowed to."""
    found = delegations.get(tx, delegation_id)
    if found is None:
        raise NotFound(f"There is no delegation {delegation_id!r}.")
    if by is not None and by.id != found.stand_in_id and not may_arrange(by, found.person_id):
        raise NotAllowed("Only those two, or a lead, can end this.")
    ended = delegations.end(tx, delegation_id, now)
    if ended is None:
        raise Invalid("That is over already.")
    audit.append(tx, SYSTEM, now, Note(actor, "stand_in_ended", {"delegation": delegation_id}))
    return ended
