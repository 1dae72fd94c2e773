"""Commits of several cases in one: each knows what became of its own, whatever becomes of the connection or of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.crowd import Crowd, gathered
from workers.journal import entry
from workers.store import cases, flow, outage, proof, steps
from workers.store.cases import LostClaim
from workers.store.flow import Progress


def claimed(engine, number):
    """So many cases, each claimed."""
    for n in range(number):
        engine.event(delivery=f"d{n}", ticket=str(n))
    system, now = engine.system, engine.clock()
    with system.db.read() as tx:
        ids = [i for i, _ in cases.due(tx, now, 100)]
    lease = system.settings.lease
    taken = [flow.claim(system.db, i, worker="w", now=now, lease=lease, caps=flow.Caps()) for i in sorted(ids)]
    return [(one.case, one.chain) for one in taken]


def recording(engine, case, chain):
    now = engine.clock()
    made = entry(case, "triage", (now, now), {}, {"said": case.id})
    progress = Progress({"step": "gather"}, steps=[made.step], notes=[made.note])
    return lambda: outage.record(engine.system.db, case, chain, progress, now=now)


def journal(engine, case):
    with engine.system.db.read() as tx:
        return [step.name for step in steps.of_case(tx, case.id)]


@pytest.mark.parametrize("marked", [0, 2])
def test_a_common_commit_whose_answer_was_lost_is_recognised_by_each(beyond, marked):
    engine, proxy = beyond
    taken = claimed(engine, 3)
    crowd = Crowd(engine.system.db)
    with gathered(engine.system.db, crowd):
        for case, chain in taken:
            crowd.begin(recording(engine, case, chain))
        proxy.lose(taken[marked][0].id)

    found = crowd.done()[1:]

    assert proxy.lost == 1
    assert [(case.id, case.step) for case, _ in found] == [(case.id, "gather") for case, _ in taken]
    assert [journal(engine, case) for case, _ in taken] == [["triage"]] * 3
    with engine.system.db.read() as tx:
        assert proof.verify(tx) == []


def test_who_lost_his_claim_writes_nothing_and_the_others_do(beyond):
    engine, _ = beyond
    taken = claimed(engine, 3)
    crowd = Crowd(engine.system.db)
    with gathered(engine.system.db, crowd):
        for n, (case, chain) in enumerate(taken):
            was = replace(case, version=case.version - 1) if n == 1 else case
            crowd.begin(recording(engine, was, chain))

    first, lost, third = crowd.done()[1:]

    assert isinstance(lost, LostClaim)
    assert (first[0].step, third[0].step) == ("gather", "gather")
    assert [journal(engine, case) for case, _ in taken] == [["triage"], [], ["triage"]]


def test_a_chain_that_somebody_else_has_written_to_is_read_again_by_its_own_alone(beyond):
    engine, _ = beyond
    taken = claimed(engine, 3)
    stale = replace(taken[1][1], seq=0, hash=None)
    crowd = Crowd(engine.system.db)
    with gathered(engine.system.db, crowd):
        for n, (case, chain) in enumerate(taken):
            crowd.begin(recording(engine, case, stale if n == 1 else chain))

    assert [case.step for case, _ in crowd.done()[1:]] == ["gather"] * 3
    assert [journal(engine, case) for case, _ in taken] == [["triage"]] * 3
    with engine.system.db.read() as tx:
        assert proof.verify(tx) == []
