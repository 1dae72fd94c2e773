"""What stood in a case's way besides people: kill switches, limits that were reached, and rungs that asked further people.

Serves `timeline`. Told from what is kept with each decision, from the case's own log and from the switches that are thrown
now, so that a case's page reads nothing that grows with the house.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from policies.record import facts_of
from workers.store.records import Action, AuditEntry, Case, Revision, Switch
from workers.switchboard import RULE, scopes_of


@dataclass(frozen=True, slots=True)
class Blocker:
    """`kind`: switch, limit or passed_on."""

    at: datetime
    kind: str
    title: str
    who: str
    text: str
    action_id: str


def of_revision(revision: Revision) -> list[Blocker]:
    """The switches under which it was judged, and the limits that had no room for it."""
    record, at, of = revision.record, revision.created_at, revision.action_id
    thrown = facts_of(record).get("thrown_switches") or ()
    found = [
        Blocker(at, "switch", f"Judged while the switch “{scope}” was thrown", "caseworker", "", of)
        for scope in thrown
        if not scope.startswith(RULE)
    ]
    reasons = [str(reason) for reason in (record.get("verdict") or {}).get("reasons") or ()]
    for tried in record.get("reserved") or ():
        if not tried.get("held"):
            limit = tried["limit"]
            said = next((reason for reason in reasons if reason.startswith(f"The limit {limit} ")), "")
            found.append(Blocker(at, "limit", f"The limit {limit} was reached", "caseworker", said, of))
    return found


def of_log(log: Sequence[AuditEntry]) -> list[Blocker]:
    """Rungs: that further people were let in."""
    return [
        Blocker(
            entry.at,
            "passed_on",
            f"Passed on: {entry.data.get('role')} may decide too",
            entry.actor,
            f"Nobody of {entry.data.get('asked') or 'those who were asked'} had decided.",
            str(entry.data.get("action", "")),
        )
        for entry in log
        if entry.verb == "passed_on"
    ]


def of_switches(case: Case, actions: Sequence[Action], thrown: Sequence[Switch]) -> list[Blocker]:
    """The thrown switches that hold something of this case back now, each once."""
    found = []
    for switch in thrown:
        held = next((a for a in actions if a.settled_at is None and switch.scope in _scopes(case, a)), None)
        if held is not None:
            title = f"The switch “{switch.scope}” holds this back"
            found.append(
                Blocker(
                    max(switch.thrown_at, held.created_at), "switch", title, switch.actor, switch.reason or "", held.id
                )
            )
    return found


def _scopes(case: Case, action: Action) -> Sequence[str]:
    return list(scopes_of(case.domain, action.kind, action.target.partition(":")[0]))
