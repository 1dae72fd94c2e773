"""What a card offers to pick from: times to snooze until and groups to ask. Pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from policies.rules import Policy
from workers.inbox.standing import requirements
from workers.store.records import Action

MORNING = time(9)


def snooze_until(now: datetime, deadline: datetime | None) -> list[tuple[str, str]]:
    """(time, words) of the offers that end before the deadline."""
    tomorrow = datetime.combine(now.date() + timedelta(days=1), MORNING, now.tzinfo)
    monday = datetime.combine(now.date() + timedelta(days=7 - now.weekday()), MORNING, now.tzinfo)
    offers = [
        (now + timedelta(hours=1), "for an hour"),
        (now + timedelta(hours=4), "for four hours"),
        (tomorrow, "until tomorrow, 09:00 UTC"),
        (monday, "until Monday, 09:00 UTC"),
    ]
    return [
        (at.replace(microsecond=0).isoformat(), words) for at, words in offers if deadline is None or at <= deadline
    ]


def groups_to_ask(policy: Policy, action: Action) -> list[str]:
    """The groups that the policy knows and that this action does not wait for yet."""
    known = {role for bundle in policy.bundles for role in bundle.roles}
    return sorted(known - {r.role for r in requirements(action)})
