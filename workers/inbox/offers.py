"""What a card offers to pick from: times to snooze until and groups to ask. Pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from policies.approvals import next_rung
from policies.rules import Policy
from workers.quorum import Position

MORNING = time(9)


def snooze_until(position: Position) -> list[tuple[str, str]]:
    """(time, words) of the offers that end before the deadline and before others may decide too."""
    now = position.now
    ends = (position.waiting.action.expires_at, next_rung(position.asked, position.given, now))
    latest = min((at for at in ends if at is not None), default=None)
    tomorrow = datetime.combine(now.date() + timedelta(days=1), MORNING, now.tzinfo)
    monday = datetime.combine(now.date() + timedelta(days=7 - now.weekday()), MORNING, now.tzinfo)
    offers = [
        (now + timedelta(hours=1), "for an hour"),
        (now + timedelta(hours=4), "for four hours"),
        (tomorrow, "until tomorrow, 09:00 UTC"),
        (monday, "until Monday, 09:00 UTC"),
    ]
    return [(at.replace(microsecond=0).isoformat(), words) for at, words in offers if latest is None or at <= latest]


def groups_to_ask(policy: Policy, position: Position) -> list[str]:
    """The groups that the policy knows and that this action does not wait for yet."""
    known = {role for bundle in policy.bundles for role in bundle.roles}
    return sorted(known - {r.role for r in position.asked.requirements})
