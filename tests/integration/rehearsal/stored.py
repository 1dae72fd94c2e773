"""Stored decisions as these tests read them, and as somebody would tamper with them."""

from __future__ import annotations

import json

from sqlalchemy import update

from policies.loader import loads
from tests.integration.rehearsal.policies import files
from tests.kit.engine import POLICY, tags
from tests.kit.revisions import in_rows
from workers.store import actions, decided
from workers.store.tables import revisions

_LIMITED = """
limits:
  - id: one-a-day
    actions: [add_tags]
    window_minutes: 1440
    max_count: 1
    over: review
"""


def known(policy_hash):
    return POLICY if policy_hash == POLICY.hash else None


def kept(engine, action_id):
    with engine.system.db.read() as tx:
        return decided.records_of(tx, action_id)


def tampered(engine, action_id, change, revision=1):
    with engine.system.db.write() as tx:
        where = (revisions.c.action_id == action_id, revisions.c.revision == revision)
        (stored,) = [one.record for one in actions.revisions_of(tx, action_id) if one.revision == revision]
        in_rows(tx)
        tx.execute(update(revisions).where(*where).values(record=change(json.loads(json.dumps(stored)))))


def limited_to_one_a_day(engine, cases):
    """So many cases under a limit that lets one of them through. The policy that says so."""
    limited = loads({"tried.yaml": files("allow")["tried.yaml"] + _LIMITED}, run_tests=False)
    engine.system = engine.system.under(limited)
    for number in range(cases):
        engine.model.drafts = [[tags()]]
        engine.event(delivery=f"d{number}", ticket=str(number))
        engine.drain()
    return limited
