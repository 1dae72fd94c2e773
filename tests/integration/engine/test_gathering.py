"""What was looked up is written down with the draft that rests on it, or by itself where that may be long in coming."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from integrations.errors import Permanent, Temporary
from workers.store import audit, cases, proof, steps
from workers.store.records import CaseState


class Killed(BaseException):
    """As a process ends: nothing of ours catches it."""


def looked_up(engine):
    """How often the ticket was read."""
    return engine.house.reads.count("ticket 7")


def on_record(engine):
    with engine.system.db.read() as tx:
        case = cases.listing(tx, limit=1)[0]
        facts = steps.facts_of(tx, case.id, up_to_round=case.round)
        return case.step, [step.name for step in steps.of_case(tx, case.id)], len(facts)


def while_drafting(engine, what):
    """Have something happen while the model drafts."""
    engine.model.during = lambda: what() if engine.model.asked[-1].task == "draft" else None


def test_what_was_soon_looked_up_is_written_down_together_with_the_draft(engine):
    seen = []
    while_drafting(engine, lambda: seen.append(on_record(engine)))

    engine.event()
    engine.drain()

    assert seen == [("gather", ["triage"], 0)]
    assert on_record(engine) == ("decided", ["triage", "gather", "draft"], 3)
    assert looked_up(engine) == 1
    with engine.system.db.read() as tx:
        assert [entry.verb for entry in audit.of_chain(tx, engine.case().id)][:4] == [
            "opened",
            "triage",
            "gather",
            "draft",
        ]
    with engine.system.db.read() as tx:
        assert proof.verify(tx) == []


def test_what_took_long_to_look_up_is_written_down_at_once(engine):
    ticks = count()
    engine.system = replace(engine.system, monotonic=lambda: float(next(ticks)))
    seen = []
    while_drafting(engine, lambda: seen.append(on_record(engine)))

    engine.event()
    engine.drain()

    assert seen == [("draft", ["triage", "gather"], 3)]
    assert on_record(engine) == ("decided", ["triage", "gather", "draft"], 3)


def test_who_takes_over_from_one_that_died_while_drafting_looks_again_and_all_is_on_record_once(engine):
    def dies():
        raise Killed

    engine.event()
    while_drafting(engine, dies)
    with pytest.raises(Killed):
        engine.drain()
    engine.model.during = lambda: None
    engine.clock.on(hours=1)
    engine.sweep()

    assert looked_up(engine) == 2
    assert on_record(engine) == ("decided", ["triage", "gather", "draft"], 3)
    assert [request.task for request in engine.model.asked].count("triage") == 1


def test_while_no_model_can_be_had_what_was_looked_up_is_kept_and_not_asked_for_again(engine):
    def away():
        raise Temporary("The model is away.")

    engine.event()
    while_drafting(engine, away)
    engine.drain()

    assert engine.case().state == CaseState.WAITING
    assert on_record(engine) == ("draft", ["triage", "gather"], 3)

    engine.model.during = lambda: None
    engine.clock.on(hours=1)
    engine.sweep()

    assert looked_up(engine) == 1
    assert on_record(engine) == ("decided", ["triage", "gather", "draft"], 3)


def test_who_is_asked_for_help_sees_what_was_looked_up(engine):
    def refuses():
        raise Permanent("The model has nothing to say.")

    engine.event()
    while_drafting(engine, refuses)
    engine.drain()

    assert engine.case().attention == "The model has nothing to say."
    assert on_record(engine) == ("draft", ["triage", "gather"], 3)


def test_a_worker_that_was_overtaken_writes_nothing_of_what_it_looked_up(engine):
    def overtaken():
        engine.model.during = lambda: None
        engine.clock.on(hours=1)
        engine.sweep()
        raise Temporary("The model is away.")

    engine.event()
    while_drafting(engine, overtaken)
    engine.drain()

    assert on_record(engine) == ("decided", ["triage", "gather", "draft"], 3)
    assert engine.case().state == CaseState.INBOX
