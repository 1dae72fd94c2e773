"""What a step came to is read wherever a version kept it: in JSON or in bytes, in rows of their own or together with the draft."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from sqlalchemy import func, select

from integrations.errors import Temporary
from tests.kit.engine import tags
from tests.kit.old_rows import as_versions_before_wrote_them
from workers.inbox import timeline
from workers.memory.erasing import erase
from workers.store import archive, steps
from workers.store.records import CaseState
from workers.store.tables import model_usage
from workers.store.tables import steps as step_rows


def told(engine):
    """All that people are told of the steps, and of what was paid for them."""
    case = engine.case()
    with engine.system.db.read() as tx:
        life = timeline.load(tx, case.id)
        facts = steps.facts_of(tx, case.id, up_to_round=case.round)
        latest = {n: steps.latest(tx, case.id, n, up_to_round=9) for n in ("triage", "gather", "draft", "decide")}
        return (
            [asdict(entry) for entry in life.entries],
            life.cost,
            life.usage,
            facts,
            latest,
            steps.of_case(tx, case.id),
        )


def rows(engine, *columns):
    with engine.system.db.read() as tx:
        return [tuple(row) for row in tx.execute(select(*columns).order_by(step_rows.c.name.desc()))]


def into_old_rows(engine):
    with engine.system.db.write() as tx:
        as_versions_before_wrote_them(tx, engine.case().id)


def test_a_case_reads_the_same_in_rows_of_before(engine):
    engine.event()
    engine.drain()
    now = told(engine)

    into_old_rows(engine)

    assert [name for (name,) in rows(engine, step_rows.c.name)] == ["triage", "gather", "draft"]
    assert told(engine) == now


def test_a_case_takes_two_rows_and_none_of_the_bill(engine):
    engine.event()
    engine.drain()

    found = rows(engine, step_rows.c.name, step_rows.c.gathered_at, step_rows.c.finished_at, step_rows.c.model)

    (triage, triaged_with, _, model), (draft, gathered_at, finished_at, drafted_with) = found
    assert (triage, draft, triaged_with) == ("triage", "draft", None)
    assert gathered_at <= finished_at
    assert model == drafted_with == engine.model.usage.model
    with engine.system.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(model_usage)).scalar() == 0


def test_postgresql_keeps_what_a_step_came_to_in_bytes_and_sqlite_in_words(engine):
    engine.event()
    engine.drain()

    packed, output = rows(engine, step_rows.c.packed, step_rows.c.output)[0]

    assert (packed or output)["intent"] == "refund_request"
    if engine.system.db.is_sqlite:
        assert packed is None
    else:
        assert output is True, "nothing that an older version takes for what a step came to"


@pytest.mark.parametrize("before", [False, True])
def test_a_case_that_was_left_at_its_draft_goes_on_from_what_is_on_record(engine, before):
    def away():
        raise Temporary("The model is away.")

    engine.model.drafts = [[tags()]]
    engine.model.during = lambda: away() if engine.model.asked[-1].task == "draft" else None
    engine.event()
    engine.drain()
    assert engine.case().state == CaseState.WAITING
    if before:
        into_old_rows(engine)
    engine.model.during = lambda: None
    engine.clock.on(hours=1)
    engine.sweep()

    assert engine.house.reads.count("ticket 7") == 1
    assert [request.task for request in engine.model.asked] == ["triage", "draft", "draft"]
    assert engine.case().state == CaseState.CLOSED


@pytest.mark.parametrize("before", [False, True])
def test_of_an_erased_case_no_row_keeps_a_word(engine, tmp_path, before):
    engine.model.drafts = [[tags()]]
    engine.event()
    engine.drain()
    if before:
        into_old_rows(engine)

    erase(engine.system.db, "ana@example.com", tmp_path, by="person:lead", clock=engine.clock)

    with engine.system.db.read() as tx:
        left = {step.name: step.output for step in steps.of_case(tx, engine.case().id)}
        facts = steps.facts_of(tx, engine.case().id, up_to_round=1)
    assert left == {"triage": {}, "gather": {}, "draft": {}}
    assert [(fact.name, fact.title, fact.data) for fact in facts] == [
        (name, "Erased", {}) for name in ("ticket", "customer", "charge")
    ]
    assert all(packed is None for (packed,) in rows(engine, step_rows.c.packed))


@pytest.mark.parametrize("before", [False, True])
def test_an_archive_shows_what_a_step_came_to_in_words(engine, before):
    engine.event()
    engine.drain()
    if before:
        into_old_rows(engine)

    with engine.system.db.read() as tx:
        (whole,) = archive.whole(tx, [engine.case().id])

    shown = {row["name"]: row["output"] for row in whole["steps"]}
    assert shown["triage"]["intent"] == "refund_request"
    gathered = shown["gather"] if before else shown["draft"]["gathered"]
    assert [fact["name"] for fact in gathered["found"]] == ["ticket", "customer", "charge"]
    assert len(whole["model_usage"]) == (2 if before else 0)
    assert before or [row["model"] for row in whole["steps"]] == [engine.model.usage.model] * 2
