"""Named queries on who must not approve an action: who brought its case about, and who approved the one before it.

Asked only where a rule excludes them. The answers are read from what is stored anyway: the events of the case, the tokens
that brought them, and earlier decisions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import select

from workers.store.action_rows import column_of
from workers.store.database import Tx
from workers.store.parcels import DATA
from workers.store.records import Action, ActionState, Case
from workers.store.tables import actions, cases, decisions, events, people, tokens

#: where an event says on whose behalf it came
NAMED_BY = ("requester_email", "customer_email", "proposed_by")


def initiators(tx: Tx, of: Collection[str]) -> dict[str, frozenset[str]]:
    """By case: the e-mail addresses of those who brought it about, as its events name them or by the token that brought
    them. Whoever wrote later counts too."""
    if not of:
        return {}
    found: defaultdict[str, set[str]] = defaultdict(set)
    tokened: defaultdict[str, set[str]] = defaultdict(set)
    for case_id, customer in tx.execute(select(cases.c.id, cases.c.customer).where(cases.c.id.in_(of))):
        found[case_id].add(customer.casefold())
    query = select(events.c.case_id, events.c.secret_id, DATA).where(events.c.case_id.in_(of))
    for case_id, secret, data in tx.execute(query):
        found[case_id].update(str(data[name]).strip().casefold() for name in NAMED_BY if data.get(name))
        if secret is not None:
            tokened[secret].add(case_id)
    owners = select(tokens.c.id, people.c.email).join(people, people.c.id == tokens.c.person_id)
    for token_id, email in tx.execute(owners.where(tokens.c.id.in_(tokened))) if tokened else ():
        for case_id in tokened[token_id]:
            found[case_id].add(email.casefold())
    return {case_id: frozenset(emails - {""}) for case_id, emails in found.items()}


def last_approvers(tx: Tx, action: Action, case: Case) -> frozenset[str]:
    """The ids of those who said yes, or for whom it was said, to the newest action of this kind for this customer that was
    carried out; where nobody knows the customer, on this target. Nobody where a rule allowed it."""
    done = select(actions.c.id, actions.c.digest, actions.c.packed, actions.c.settled_at).where(
        actions.c.kind == action.kind, actions.c.state == ActionState.DONE, actions.c.id != action.id
    )
    newest_first = done.order_by(actions.c.settled_at.desc(), actions.c.id.desc()).limit(1)
    if case.customer:
        whose = newest_first.join(cases, cases.c.id == actions.c.case_id).where(cases.c.customer == case.customer)
        # Open and closed cases are in indexes of their own.
        rows = [
            *tx.execute(whose.where(cases.c.closed_at.is_(None), cases.c.outcome.is_(None))),
            *tx.execute(whose.where(cases.c.closed_at.is_not(None))),
        ]
    else:
        rows = list(tx.execute(newest_first.where(actions.c.target == action.target)))
    if not rows:
        return frozenset()
    before = max(rows, key=lambda row: (row.settled_at, row.id))
    digest = column_of(before.digest, before.packed, "digest")
    said = select(decisions.c.person_id, decisions.c.on_behalf_of).where(
        decisions.c.action_id == before.id, decisions.c.decision == "approve", decisions.c.digest == digest
    )
    return frozenset(person for row in tx.execute(said) for person in row if person is not None)
