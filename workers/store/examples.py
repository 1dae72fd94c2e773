"""Named queries on what people's decisions teach."""

from __future__ import annotations

from sqlalchemy import select

from workers.store.database import Tx
from workers.store.records import ActionState
from workers.store.tables import actions, cases, events, steps

#: triage fields that a person has seen and acted upon when approving a draft
_FIELDS = ("intent", "typology", "request_type")


#: how far back is looked: what people decided long ago teaches less, and every process asks when it starts
RECENT = 20_000


def confirmed(tx: Tx, limit: int = 5000) -> list[tuple[str, str, str, str]]:
    """(domain, field, text, label) of first messages whose case ended with an action that a *person* approved.

    What the policy alone let through teaches nothing: the model would only learn to agree with itself.
    """
    oldest = select(cases.c.id).order_by(cases.c.id.desc()).offset(RECENT).limit(1)
    floor = tx.execute(oldest).scalar() or ""
    approved = (
        select(actions.c.case_id)
        .where(actions.c.state == ActionState.DONE, actions.c.decided_by.like("person:%"), actions.c.case_id > floor)
        .scalar_subquery()
    )
    query = (
        select(cases.c.domain, events.c.data, steps.c.output)
        .join(events, (events.c.case_id == cases.c.id) & (events.c.position == 1))
        .join(steps, (steps.c.case_id == cases.c.id) & (steps.c.round == 1) & (steps.c.name == "triage"))
        # Ids are in the order of time, so each of these is a range at the end of an index.
        .where(cases.c.id.in_(approved), cases.c.id > floor, events.c.case_id > floor, steps.c.case_id > floor)
        .order_by(cases.c.id.desc())
        .limit(limit)
    )
    return [
        (domain, field, text, output[field])
        for domain, data, output in reversed(tx.execute(query).all())
        for text in [f"{data.get('title', '')}\n{data.get('text', '')}".strip()]
        for field in _FIELDS
        if isinstance(output.get(field), str) and text
    ]
