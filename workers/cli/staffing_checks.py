"""What a policy asks for that the people of this installation cannot give: told before an action has to wait for it.

Called by ``caseworker doctor`` for the policy in force, and by ``caseworker policy check`` where there is a database with
people in it. Changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from policies.rules import Policy
from policies.types import Outcome, Requirement
from workers.cli.findings import Finding, Level
from workers.quorum import LEAD, Staff, in_words, too_few
from workers.store.database import Tx

#: rules are named up to so many
_NAMED = 3


def warnings(policy: Policy, staff: Staff) -> list[str]:
    """One sentence for each thing that is asked and cannot be met, and for each that one absence would stop."""
    if not any(staff.present()):
        return []
    asking: defaultdict[tuple[Requirement, ...], list[str]] = defaultdict(list)
    for rule in policy.rules:
        if rule.outcome is Outcome.REVIEW and rule.requirements:
            asking[rule.requirements].append(rule.ref)
    told = []
    for requirements, refs in asking.items():
        problem = too_few(requirements, None, staff)
        if problem is not None:
            more = f" and {len(refs) - _NAMED} more" if len(refs) > _NAMED else ""
            told.append(
                f"{', '.join(refs[:_NAMED])}{more} {'asks' if len(refs) == 1 else 'ask'} for {in_words(requirements)}: that {problem}."
            )
    if not any(LEAD in person.groups for person in staff.present()):
        told.append(f"Nobody who is here is in {LEAD!r}: what the others cannot approve is then nobody's.")
    return told


def findings(tx: Tx, policy: Policy, now: datetime) -> Iterator[Finding]:
    remedy = "`caseworker user groups` puts people into groups; `caseworker delegate list` says who is away."
    for told in warnings(policy, Staff.at(tx, now)):
        yield Finding("approvers", Level.NOTE, told, remedy)
