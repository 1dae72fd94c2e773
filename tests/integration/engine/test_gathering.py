"""What was looked up is written down with the draft that rests on it, or by itself where that may be long in coming."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import func, select, update

from integrations.errors import Permanent, Temporary
from tests.kit.died import Died
from tests.kit.engine import tags
from tests.kit.old_rows import as_versions_before_wrote_them
from workers.memory.erasing import erase
from workers.store import audit, cases, closed, erasure, findings, proof, steps
from workers.store.records import CaseState
from workers.store.rows import shallow
from workers.store.tables import events as event_rows
from workers.store.tables import facts as fact_rows
from workers.store.tables import steps as step_rows


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
        raise Died

    engine.event()
    while_drafting(engine, dies)
    with pytest.raises(Died):
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


def as_before(engine):
    """Facts in rows of their own, as earlier versions left them."""
    with engine.system.db.write() as tx:
        case = cases.listing(tx, limit=1)[0]
        known = steps.facts_of(tx, case.id, up_to_round=case.round)
        as_versions_before_wrote_them(tx, case.id, {"gather": {"missing": [], "facts": len(known)}})
        steps.add_facts(tx, [shallow(fact) for fact in known])


def test_facts_are_found_wherever_a_version_kept_them(engine):
    engine.event()
    engine.drain()
    with engine.system.db.read() as tx:
        kept = steps.facts_of(tx, engine.case().id, up_to_round=1)
        assert tx.execute(select(func.count()).select_from(fact_rows)).scalar() == 0

    as_before(engine)

    with engine.system.db.read() as tx:
        assert steps.facts_of(tx, engine.case().id, up_to_round=1) == kept
        assert tx.execute(select(func.count()).select_from(fact_rows)).scalar() == len(kept) == 3
    assert [(fact.name, fact.position, fact.round) for fact in kept] == [
        ("ticket", 0, 1),
        ("customer", 1, 1),
        ("charge", 2, 1),
    ]


@pytest.mark.parametrize("before", [False, True])
def test_a_later_gathering_stands_for_itself_and_an_earlier_round_keeps_its_own(engine, before):
    engine.event()
    engine.drain()
    if before:
        as_before(engine)
    engine.house.refundable = 77
    engine.event("d2")
    engine.drain()

    with engine.system.db.read() as tx:
        first, second = (steps.facts_of(tx, engine.case().id, up_to_round=number) for number in (1, 2))

    assert [fact.round for fact in first] == [1, 1, 1]
    assert [fact.round for fact in second] == [2, 2, 2]
    assert [facts[2].data["refundable_minor"] for facts in (first, second)] == [10_000, 77]


def test_a_step_is_shown_without_the_facts_that_its_record_holds(engine):
    engine.event()
    engine.drain()

    with engine.system.db.read() as tx:
        gathered = steps.latest(tx, engine.case().id, "gather", up_to_round=1)
        (listed,) = [step for step in steps.of_case(tx, engine.case().id) if step.name == "gather"]

    assert gathered.output == listed.output == {"missing": [], "facts": 3}


@pytest.mark.parametrize("before", [False, True])
def test_what_is_learned_from_a_closed_case_reads_its_newest_facts(engine, before):
    engine.model.drafts = [[tags()]]
    engine.event()
    engine.drain()
    if before:
        as_before(engine)

    with engine.system.db.read() as tx:
        (found,) = closed.read(tx, [engine.case().id], ["customer", "ticket"])

    # The ticket is somebody else's text, and not to be trusted.
    assert [(name, len(records)) for name, records in found.records.items()] == [("customer", 1)]
    assert found.records["customer"][0][1]["customer_id"] == "cus_1"


def test_who_is_erased_leaves_which_records_there_were_and_nothing_that_they_said(engine, tmp_path):
    engine.model.drafts = [[tags()]]
    engine.event()
    engine.drain()

    erase(engine.system.db, "ana@example.com", tmp_path, by="person:lead", clock=engine.clock)

    with engine.system.db.read() as tx:
        left = steps.facts_of(tx, engine.case().id, up_to_round=1)
        outputs = tx.execute(select(step_rows.c.output)).scalars().all()
    assert [(fact.name, fact.title, fact.data, fact.version) for fact in left] == [
        (name, "Erased", {}, "") for name in ("ticket", "customer", "charge")
    ]
    assert "ana" not in json.dumps(outputs).casefold()


def test_a_case_is_found_by_an_address_that_only_a_record_names_which_was_looked_up(engine):
    engine.event()
    engine.drain()
    with engine.system.db.write() as tx:
        tx.execute(update(event_rows).values(data={}))

    with engine.system.db.read() as tx:
        assert erasure.mentions(tx, [], "ana@example.com") == [engine.case().id]
        assert erasure.mentions(tx, [engine.case().id], "ana@example.com") == []
        assert erasure.mentions(tx, [], "nobody@example.com") == []


def test_a_gathered_fact_is_known_by_its_place_and_one_of_an_earlier_version_by_its_id(engine):
    engine.event()
    engine.drain()
    with engine.system.db.read() as tx:
        facts = steps.facts_of(tx, engine.case().id, up_to_round=1)
        step = steps.whole(tx, engine.case().id, "gather", up_to_round=1)
    before = replace(step, output={"found": [{**found, "id": "fact_1"} for found in step.output["found"][:1]]})

    assert [fact.id for fact in facts] == [findings.id_of(engine.case().id, 1, place) for place in range(3)]
    assert all("id" not in found for found in step.output["found"])
    assert findings.facts_in(before) == [replace(facts[0], id="fact_1")]
