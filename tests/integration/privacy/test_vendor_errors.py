"""A vendor's client that quotes what it was sent, and errors that nobody foresaw: cases go on or wait, and no log repeats it."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from integrations.errors import Permanent, Temporary
from tests.kit.engine import make_engine
from workers import log, pipeline
from workers.store import audit
from workers.store.records import ActionState
from workers.tasks import _run

MARK = "Zanzibar-Quagga"


@pytest.fixture
def engine(tmp_path):
    made = make_engine(tmp_path)
    yield made
    made.system.db.dispose()


@pytest.fixture
def written(monkeypatch):
    """What the log writes, at its most talkative."""
    into = io.StringIO()
    monkeypatch.setattr(sys, "stderr", into)
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, threading.excepthook
    log.configure("DEBUG", "json")
    yield into.getvalue
    root.handlers[:] = handlers
    root.setLevel(level)
    threading.excepthook = hook
    structlog.reset_defaults()


def entries(engine) -> str:
    with engine.system.db.read() as tx:
        return "\n".join(json.dumps(entry.data, default=str) for entry in audit.since(tx, 0, 10_000))


def test_a_reader_that_quotes_leaves_its_quote_out_of_the_log(engine, written):
    engine.event(text=MARK)
    engine.house.read_faults += [Temporary(f"The desk could not read {MARK!r}.")]
    engine.drain()
    engine.clock.on(minutes=10)
    engine.house.read_faults += [Permanent(f"\u201c{MARK}\u201d is no address.")]
    engine.sweep()

    assert '"event": "case_waits"' in written()
    assert '"event": "source_refused"' in written()
    assert MARK not in written()
    assert MARK not in entries(engine)


def test_a_writer_that_quotes_leaves_its_quote_out_of_log_and_audit(engine, written):
    engine.event(text=MARK)
    engine.drain()
    engine.house.before += [Temporary(f"{MARK!r} timed out."), Permanent(f"{MARK!r} was refused.")]
    for action in engine.actions():
        if action.state == ActionState.PENDING:
            engine.decide(action)
    engine.drain()
    engine.clock.on(minutes=10)
    engine.sweep()

    assert ActionState.FAILED in {action.state for action in engine.actions()}
    assert '"event": "action_waits"' in written()
    assert MARK not in written()
    assert MARK not in entries(engine)


def test_an_error_that_nobody_foresaw_is_told_without_its_words(engine, written):
    engine.event(text=MARK)
    engine.house.read_faults += [ValueError(f"invalid literal: {MARK}")]
    _, case_id = engine.hints.waiting[0]

    _run(engine.system, lambda row: pipeline.advance(engine.system, row), case_id=case_id)

    assert '"event": "task_failed"' in written()
    assert "ValueError: (words withheld)" in written()
    assert MARK not in written()
    assert MARK not in entries(engine)


def test_a_model_that_gives_nothing_is_told_without_the_letter(engine, written):
    engine.event(text=MARK)
    engine.model.faults += [Permanent(f"The model's service refused {MARK!r}.")]
    engine.drain()

    assert '"event": "case_needs_a_person"' in written()
    assert "The model's service refused" in entries(engine)
    assert MARK not in written()
    assert MARK not in entries(engine)


def test_a_statement_that_the_database_refuses_is_told_without_its_values(engine):
    with pytest.raises(IntegrityError) as refused, engine.system.db.write() as tx:
        tx.execute(text("INSERT INTO cases (id) VALUES (:id)"), {"id": MARK})

    assert "INSERT INTO cases" in str(refused.value)
    assert MARK not in str(refused.value)
