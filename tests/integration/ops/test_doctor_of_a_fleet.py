"""The doctor looks at the servers of a fleet and at who gives signs of life, and says what to do for each."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import redis as redis_client
from sqlalchemy import insert

from tests.servers.redis import RedisServer, installed
from workers.cli import checks, fleet_checks
from workers.cli.findings import Level
from workers.settings import Settings
from workers.store import processes as process_rows
from workers.store.database import Database
from workers.store.tables import processes


@pytest.fixture
def redis():
    assert installed(), "Redis is not installed: `make test` installs it where it may"
    with RedisServer() as server:
        yield server


@pytest.fixture
def db(on_postgresql):
    made = Database(on_postgresql, connections=2)
    yield made
    made.dispose()


@pytest.fixture
def settings(db, redis, tmp_path, monkeypatch):
    for variable in list(os.environ):
        if variable.startswith(("CASEWORKER_", "ANTHROPIC_")):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    return Settings(data=tmp_path, database_url=db.url, broker_url=redis.url)


def alive(db, kind, *, queues=(), ago=timedelta(0)):
    now = datetime.now(UTC)
    row = {"id": f"host:{kind}:{ago.seconds}", "kind": kind, "queues": list(queues), "beat": 1, "held": 0}
    with db.write() as tx:
        tx.execute(insert(processes).values(**row, started_at=now - ago, seen_at=now - ago))


def look(settings):
    return {(finding.about, finding.level.value): finding for finding in checks.examine(settings)}


def test_a_sound_fleet_is_called_so(settings, db, redis):
    with redis_client.Redis.from_url(redis.url) as client:
        client.config_set("appendonly", "yes")
    alive(db, process_rows.WORKER, queues=("support", "actions"))
    alive(db, process_rows.SWEEPER)

    found = look(settings)

    assert not [key for key in found if key[1] == Level.PROBLEM and key[0] != "durability"]
    assert found["database server", "ok"].told.startswith("PostgreSQL 1")
    assert "Redis" in found["broker", "ok"].told
    assert ("clocks", "ok") in found
    assert "1 alive" in found["workers", "ok"].told
    assert "events" in found["queues", "note"].told
    assert "support" not in found["queues", "note"].told


def test_a_server_that_forgets_is_a_problem(settings):
    """The tests' own server runs without fsync."""
    found = look(settings)["durability", "problem"]

    assert "fsync" in found.told
    assert "fsync = on" in found.remedy


def test_nobody_at_work_is_a_problem_and_a_silent_process_does_not_count(settings, db):
    alive(db, process_rows.WORKER, ago=timedelta(minutes=5))

    found = look(settings)

    assert "caseworker worker" in found["workers", "problem"].remedy
    assert "caseworker sweep" in found["sweepers", "problem"].remedy


def test_a_redis_that_evicts_is_a_problem_and_one_that_forgets_is_mentioned(settings, redis):
    with redis_client.Redis.from_url(redis.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")

    found = look(settings)

    assert "noeviction" in found["broker memory", "problem"].remedy
    assert "appendonly yes" in found["broker persistence", "note"].remedy


def test_a_clock_that_differs_is_a_problem(db):
    with db.read() as tx:
        found = {
            finding.about: finding
            for finding in fleet_checks.database_server(tx, datetime.now(UTC) - timedelta(minutes=3))
        }

    assert found["clocks"].level is Level.PROBLEM
    assert "ahead of" in found["clocks"].told


def test_connections_that_run_out_are_a_problem(settings, db, monkeypatch):
    monkeypatch.setattr(fleet_checks, "MANY_CONNECTIONS", 0.001)

    with psycopg.connect(db.url.replace("postgresql+psycopg", "postgresql")):
        found = look(settings)

    assert "max_connections" in found["connections", "problem"].remedy
