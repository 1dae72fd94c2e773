"""What is learned from closed cases: once for each, with its source, origin and end, whoever is killed when."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.kit.ahead import clock_ahead
from tests.kit.engine import refund, reply, tags
from workers.memory.remembering import CRASH_POINTS
from workers.store.memory_tables import memories


def texts(found, kind):
    return [memory.text for memory in found if memory.kind == kind]


def test_a_closed_case_leaves_its_outcome_and_what_was_claimed_each_with_source_and_origin(house):
    case_id = house.closed("7", refund(), reply())

    assert house.learn() == 1

    outcome, claim = (next(m for m in house.of() if m.kind == kind) for kind in ("outcome", "claim"))
    assert outcome.text == (
        "A support case (refund request) was closed as done. "
        "refund payment on house:charge:ch_1: done; reply to customer on house:ticket:7: done."
    )
    assert (outcome.origin, outcome.case_id, outcome.refs) == (
        "trusted",
        case_id,
        ["house:charge:ch_1", "house:ticket:7"],
    )
    assert (claim.origin, claim.confidence) == ("untrusted", 0.95)
    assert claim.expires_at - claim.confirmed_at == timedelta(days=90)


def test_nothing_is_learned_twice(house):
    house.closed("7")

    assert (house.learn(), house.learn()) == (1, 0)
    assert [memory.seen for memory in house.ever()] == [1, 1]


def test_an_open_case_teaches_nothing_yet(house):
    house.engine.event()
    house.engine.drain()

    assert house.learn() == 0
    assert house.ever() == []


def test_why_a_colleague_refused_is_remembered_as_theirs(house):
    house.closed("7", refund(), word="reject", reason="Outside the window")
    house.learn()

    decision = next(m for m in house.of() if m.kind == "decision")

    assert decision.text == "A colleague rejected “refund payment”: “Outside the window”"
    assert decision.origin == "person"


def test_the_same_reason_again_confirms_and_another_stands_beside_it(house):
    for ticket, reason in (("7", "Too old"), ("8", "Too old"), ("9", "Worn out")):
        house.closed(ticket, refund(), word="reject", reason=reason)
    house.learn()

    decisions = [m for m in house.of() if m.kind == "decision"]

    assert sorted((m.text[-10:], m.seen) for m in decisions) == [(": “Too old”"[-10:], 2), ("“Worn out”", 1)]


def test_a_newer_claim_takes_the_place_of_the_older_which_is_kept_and_marked(house):
    house.closed("7")
    house.learn()
    house.engine.model.triage["summary"] = "Wants a new one instead"
    house.closed("8")
    house.learn()

    now = [m for m in house.of() if m.kind == "claim"]
    ever = [m for m in house.ever() if m.kind == "claim"]

    assert ["Wants a new one" in m.text for m in now] == [True]
    assert [m.superseded_by for m in ever] == [None, now[0].id]


def test_both_happen_also_within_one_lot(house):
    house.closed("7")
    house.engine.model.triage["summary"] = "Wants a new one instead"
    house.closed("8")
    house.closed("9")
    house.learn()

    claims = [m for m in house.ever() if m.kind == "claim"]

    assert [(m.seen, m.superseded_by is None) for m in claims] == [(2, True), (1, False)]


def test_what_has_expired_is_neither_told_nor_kept(house):
    house.closed("7", tags())
    house.learn()
    house.engine.clock.on(days=91)

    assert texts(house.of(), "claim") == []
    assert len(texts(house.ever(), "claim")) == 1

    house.learn()
    assert texts(house.ever(), "claim") == []
    assert len(texts(house.ever(), "outcome")) == 1


def test_more_cases_than_fit_into_a_lot_are_all_learned_from(house):
    for ticket in range(25):
        house.closed(f"t{ticket}", tags())

    assert house.learn() == 25
    assert len(texts(house.ever(), "outcome")) == 25


_KILLED = """
import sys
from datetime import datetime
from workers.memory.remembering import remember
from workers.memory.terms import Terms
from workers.store.database import Database
db = Database(sys.argv[1])
remember(db, Terms(), lambda: datetime.fromisoformat(sys.argv[2]))
"""


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_killed_anywhere_each_case_teaches_once(house, point):
    house.closed("7")
    house.closed("8")
    command = [sys.executable, "-c", _KILLED, house.db.url, house.engine.clock().isoformat()]

    ended = subprocess.run(command, env={**os.environ, "CASEWORKER_CRASH_AT": point}, check=False, timeout=60)
    house.learn()

    assert ended.returncode == -9
    with house.db.read() as tx:
        kept = tx.execute(select(memories.c.kind, memories.c.case_id, memories.c.seen)).all()
    assert sorted(row[0] for row in kept) == ["claim", "outcome", "outcome"]
    assert next(row[2] for row in kept if row[0] == "claim") == 2


def test_a_case_that_a_machine_whose_clock_is_ahead_closed_hides_no_other_and_each_teaches_once(house):
    house.closed("6")
    house.learn()
    with clock_ahead(house.engine, timedelta(days=400)):
        house.closed("7")
    assert house.learn() == 1

    house.closed("8")

    assert house.learn() == 1
    assert house.learn() == 0
