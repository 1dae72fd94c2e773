"""The installation's numbers are right on both databases, and none of them reads what is closed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.dialects import postgresql

from tests.kit.engine import call
from tests.kit.looking import looking
from workers import exposition
from workers.exposition import FleetNumbers
from workers.store import figures, schema
from workers.store.database import Database
from workers.store.ids import first_id, new_id
from workers.store.tables import dead_letters, processes
from workers.telemetry import serving

LATELY = timedelta(minutes=5)
WITHIN = timedelta(seconds=20)


@pytest.fixture
def engine(engine):
    # Ids carry this machine's time.
    engine.clock.now = datetime.now(UTC)
    return engine


def take(engine, **later):
    now = engine.clock.now + timedelta(**later)
    with engine.system.db.read() as tx:
        return figures.take(tx, now, since=now - LATELY, seen_within=WITHIN)


def test_an_empty_installation_has_nothing_to_say(engine):
    found = take(engine)

    assert (found.cases, found.actions, found.steps, found.models, found.events) == ([], [], [], [], [])
    assert (found.dead_letters, found.quarantined) == (0, 0)


def test_what_waits_to_be_worked_on_is_due_since_it_came(engine):
    engine.event()

    (waiting,) = take(engine, seconds=30).cases

    assert (waiting.domain, waiting.state, waiting.count, waiting.due, waiting.claimed) == (
        "support",
        "working",
        1,
        1,
        0,
    )
    assert waiting.oldest_due == engine.clock.now


def test_what_happened_lately_is_counted_and_what_happened_before_is_not(engine):
    engine.person("ana")
    engine.event()
    engine.drain()

    found = take(engine, seconds=5)
    earlier = take(engine, hours=1)

    assert {step.name for step in found.steps} == {"triage", "gather", "draft"}
    assert all(step.counts[-1] == 1 and list(step.counts) == sorted(step.counts) for step in found.steps)
    (model,) = found.models
    assert (model.provider, model.model, model.calls) == ("scripted", "script-1", 2)
    assert sum(event.count for event in found.events) == 1
    assert {action.state for action in found.actions} == {"pending"}
    assert (earlier.steps, earlier.models, earlier.events) == ([], [], [])
    assert earlier.actions, "what is open stays, however old"


def test_processes_that_were_not_seen_for_long_are_not_alive(engine):
    now = engine.clock.now
    row = {"queues": ["support"], "beat": 1, "held": 0, "started_at": now}
    with engine.system.db.write() as tx:
        for name, seen in (("a", now), ("b", now - timedelta(seconds=5)), ("c", now - timedelta(minutes=5))):
            tx.execute(insert(processes).values(id=name, kind="worker", seen_at=seen, **row))

    assert take(engine).processes == [("worker", 2)]


def test_dead_letters_are_counted_until_they_are_replayed(engine):
    now = engine.clock.now
    row = {"received_at": now, "door": "exchange", "reason": "malformed", "detail": "", "headers": [], "body": b"?"}
    with engine.system.db.write() as tx:
        tx.execute(insert(dead_letters).values(id=new_id("dead"), **row))
        tx.execute(insert(dead_letters).values(id=new_id("dead"), replayed_at=now, **row))

    assert take(engine).dead_letters == 1


def test_the_numbers_are_metrics_and_asked_for_once_in_a_while(engine):
    engine.event()
    numbers = FleetNumbers(engine.system.db, engine.clock)
    first = serving.render(numbers).decode()
    engine.event("another", ticket="8")
    second = serving.render(numbers).decode()

    assert 'caseworker_queue_depth{queue="support"} 1.0' in first
    assert 'caseworker_queue_depth{queue="support"} 1.0' in second
    assert 'caseworker_cases_open{domain="support",state="working"} 1.0' in first
    assert "caseworker_database_up 1.0" in first


def test_without_a_database_that_is_what_is_said(tmp_path):
    db = Database("postgresql://nobody@127.0.0.1:1/none", connections=2)

    text = serving.render(FleetNumbers(db, lambda: datetime.now(UTC))).decode()

    assert "caseworker_database_up 0.0" in text
    assert "caseworker_queue_depth" not in text
    assert "python_info" in text
    db.dispose()


def test_a_database_that_hangs_is_called_away_and_hides_nothing_that_was_counted(engine, monkeypatch):
    monkeypatch.setattr(exposition, "PATIENCE_SECONDS", 0.05)
    answers = threading.Event()
    asked = []
    take_as_ever = figures.take

    def hanging(*given, **more):
        asked.append(given)
        assert answers.wait(30)
        return take_as_ever(*given, **more)

    monkeypatch.setattr(figures, "take", hanging)
    numbers = FleetNumbers(engine.system.db, engine.clock)

    meanwhile = [serving.render(numbers).decode() for _ in range(3)]
    answers.set()
    monkeypatch.setattr(exposition, "PATIENCE_SECONDS", 30)

    assert all("caseworker_database_up 0.0" in text and "python_info" in text for text in meanwhile)
    assert "caseworker_database_up 1.0" in serving.render(numbers).decode()
    assert len(asked) == 1


def test_every_figure_is_shown(engine):
    """A column that is asked for and never shown would be work for nothing."""
    shown = {made.name for made in exposition.of(take(engine), engine.clock.now)}

    assert len(shown) == 17


def test_ids_begin_with_the_time():
    now = datetime.now(UTC)

    assert first_id("evt", now - timedelta(seconds=1)) <= new_id("evt") <= first_id("evt", now + timedelta(seconds=5))


@pytest.fixture(scope="module")
def grown(postgres):
    """A database with many closed cases and all that belongs to them, written by the server itself."""
    db = Database(postgres.database("grown"), connections=2)
    schema.upgrade(db)
    long_ago = datetime.now(UTC) - timedelta(days=30)
    with db.write() as tx:
        tx.execute(text(GROWN), {"first": first_id("x", long_ago)[2:12], "long_ago": long_ago, "many": 40_000})
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    yield db
    db.dispose()


GROWN = """
WITH old AS (SELECT :first || lpad(n::text, 16, '0') AS tail, n FROM generate_series(1, :many) AS n),
made_cases AS (
  INSERT INTO cases (id, domain, subject, source, title, state, step, round, priority, events_total, events_worked,
                     version, claims, waits, outcome, pipeline_version, opened_at, updated_at, closed_at)
  SELECT 'case_' || tail, 'support', 'shop:ticket:' || n, 'shop', 'Old', 'closed', 'decided', 1, 'normal', 1, 1,
         1, 0, 0, 'done', 1, :long_ago, :long_ago, :long_ago FROM old),
made_events AS (
  INSERT INTO events (id, source, delivery_id, type, vendor_type, subject, occurred_at, received_at, data, raw, headers,
                      door, duplicates, case_id, position)
  SELECT 'evt_' || tail, 'shop', 'd' || n, 'ticket.created', 't', 'shop:ticket:' || n, :long_ago, :long_ago, '{}', '',
         '[]', 'events', 0, 'case_' || tail, 1 FROM old),
made_steps AS (
  INSERT INTO steps (id, case_id, round, name, input_digest, output, started_at, finished_at)
  SELECT 'step_' || tail, 'case_' || tail, 1, 'triage', '', '{}', :long_ago, :long_ago FROM old),
made_usage AS (
  INSERT INTO model_usage (id, case_id, round, step, provider, model, input_tokens, output_tokens, cache_read_tokens,
                           cache_write_tokens, latency_ms, stop_reason, at)
  SELECT 'use_' || tail, 'case_' || tail, 1, 'triage', 'p', 'm', 1, 1, 0, 0, 1, 'end', :long_ago FROM old),
made_actions AS (
  INSERT INTO actions (id, case_id, round, ordinal, kind, state, revision, arguments, target, target_version, digest,
                       policy_hash, verdict, sentence, rationale, citations, origins, confidence, rests_on, version,
                       tries, created_at, updated_at, settled_at)
  SELECT 'act_' || tail, 'case_' || tail, 1, 1, 'add_tags', 'done', 1, '{}', 't' || n, '', '', '', '{}', '', '', '[]',
         '[]', 1, '[]', 1, 1, :long_ago, :long_ago, :long_ago FROM old)
INSERT INTO attempts (id, action_id, number, key, digest, started_at, finished_at, outcome)
SELECT 'try_' || tail, 'act_' || tail, 1, 'k', '', :long_ago, :long_ago, 'done' FROM old
"""


@pytest.mark.parametrize("name", ["cases", "actions", "steps", "models", "attempts", "events"])
def test_no_figure_reads_what_is_closed(grown, name):
    now = datetime.now(UTC)
    query = figures.queries(now, now - LATELY, WITHIN, sqlite=False)[name]
    written = str(query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))

    with grown.read() as tx:
        plan = "\n".join(
            row[0] for row in tx.execute(text("EXPLAIN (ANALYZE, BUFFERS) " + written.replace(":", r"\:")))
        )

    assert "Seq Scan" not in plan, plan
    assert "rows=40000" not in plan, plan


def test_turns_and_look_ups_are_counted_as_one_kind_each(engine):
    """A label for every number would make as many series as an agent has ideas."""
    looking(
        engine,
        [call("find_charge", charge_id="ch_1b"), call("find_charge", id="b", charge_id="ch_1c")],
        [call("read_page", id="c")],
    )
    engine.event()
    engine.drain()

    counted = {found.name: found.counts[-1] for found in take(engine).steps}

    assert counted == {"triage": 1, "gather": 1, "plan": 1, "turn": 2, "look-up": 3, "draft": 1}
