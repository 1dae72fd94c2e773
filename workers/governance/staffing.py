"""Whether a change of the policy could be decided by the people there are: so that nobody finds out only when it is urgent."""

from __future__ import annotations

from datetime import datetime

from policies.engine import decide
from policies.rules import Policy
from policies.types import Facts, Outcome
from workers.actions.governing import CHANGE, CHANGE_POLICY
from workers.governance.proposing import DOMAIN
from workers.store import people
from workers.store.database import Tx

FOLDER = (
    "CASEWORKER_POLICY_CHANGES=folder takes over what lies in the folder at the next start (docs/changing-a-policy.md)."
)


def obstacle(tx: Tx, policy: Policy, now: datetime) -> str | None:
    """What keeps everybody from changing the policy; None where enough people are there, besides whoever proposes."""
    if not policy.route(DOMAIN, CHANGE).known:
        return "The policy in force says nothing of its own changes, so nobody may change it."
    facts = Facts(
        action_kind=CHANGE,
        domain=DOMAIN,
        risk=CHANGE_POLICY.risk.value,
        reversible=CHANGE_POLICY.reversible,
        delivery=CHANGE_POLICY.delivery.value,
        occurred_at=now,
    )
    verdict = decide(policy, facts, at=now).verdict
    if verdict.outcome is Outcome.DENY:
        return "The policy in force refuses every change of itself."
    if verdict.outcome < Outcome.REVIEW:
        return "The policy in force would let itself be changed without anybody's yes, which is never done."
    active = [person for person in people.everyone(tx) if person.active]
    # Whoever proposes may be one of them, and does not count.
    proposer = int("initiator" in verdict.exclude)
    for requirement in verdict.requirements:
        there = sum(not requirement.role or requirement.role in person.groups for person in active)
        if there < requirement.n + proposer:
            besides = " besides whoever proposes it" if proposer else ""
            return (
                f"A change of the policy needs {requirement.n} of {requirement.role or 'anybody'}{besides}; "
                f"there are {there} in all. Add people (`caseworker user add`)."
            )
    return None
