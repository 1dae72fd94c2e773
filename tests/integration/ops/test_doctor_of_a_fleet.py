"""The doctor looks at the servers of a fleet and at who gives signs of life, and says what to do for each."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import redis as redis_client
from sqlalchemy import event, insert

from tests.kit.patience import until
from tests.servers.redis import RedisServer, installed
from workers.cli import checks, fleet_checks, wired
from workers.cli.failures import Failure
from workers.cli.findings import Level
from workers.settings import Settings
from workers.store import database
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


@pytest.mark.parametrize(
    ("broken", "mended", "told"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "replica"),
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "maxmemory"),
    ],
)
def test_a_redis_that_takes_no_messages_is_a_problem(settings, redis, broken, mended, told):
    with redis_client.Redis.from_url(redis.url) as client:
        client.execute_command(*broken)
        found = look(settings)
        client.execute_command(*mended)

    assert told in found["broker writes", "problem"].told
    assert ("broker writes", "problem") not in look(settings)


def test_a_redis_that_cannot_save_is_a_problem(settings, redis):
    def saved(client):
        client.bgsave()
        until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
        return look(settings)

    with redis_client.Redis.from_url(redis.url) as client:
        in_its_place = Path(client.config_get("dir")["dir"]) / "dump.rdb"
        in_its_place.mkdir()
        found = saved(client)
        in_its_place.rmdir()

        assert "could not save" in found["broker writes", "problem"].told
        assert ("broker writes", "problem") not in saved(client)


def test_a_clock_that_differs_is_a_problem(db):
    with db.read() as tx:
        found = {
            finding.about: finding
            for finding in fleet_checks.database_server(tx, datetime.now(UTC) - timedelta(minutes=3))
        }

    assert found["clocks"].level is Level.PROBLEM
    assert "ahead of" in found["clocks"].told


def test_a_redis_whose_user_may_not_ask_for_its_state_is_there(settings, redis):
    with redis_client.Redis.from_url(redis.url) as client:
        client.execute_command("ACL", "SETUSER", "worker", "on", ">word", "~caseworker:*", "+@all", "-@dangerous")
    limited = settings.model_copy(update={"broker_url": redis.url.replace("redis://", "redis://worker:word@")})

    found = look(limited)

    assert "+info" in found["broker", "note"].remedy
    assert ("broker", "problem") not in found


def test_connections_that_run_out_are_a_problem(settings, db, monkeypatch):
    monkeypatch.setattr(fleet_checks, "MANY_CONNECTIONS", 0.001)

    with psycopg.connect(db.url.replace("postgresql+psycopg", "postgresql")):
        found = look(settings)

    assert "max_connections" in found["connections", "problem"].remedy


@pytest.fixture
def shared_session(settings, monkeypatch):
    """Every connection is lent the same session, as by a proxy that lends it out by the transaction."""
    session = psycopg.connect(settings.database_url.replace("+psycopg", ""))
    plain = database.create_engine

    def create_engine(*args, **kwargs):
        made = plain(*args, **kwargs)
        event.listen(made, "do_connect", lambda *_: session)
        return made

    monkeypatch.setattr(database, "create_engine", create_engine)
    yield settings
    session.close()


def test_a_proxy_that_lends_sessions_by_the_transaction_is_a_problem(shared_session):
    found = look(shared_session)["database", "problem"]

    assert "by the transaction" in found.told
    assert "pool_mode = session" in found.remedy


def test_behind_such_a_proxy_nothing_starts(shared_session):
    with pytest.raises(Failure, match="pool_mode = session"), wired.system(shared_session):
        pytest.fail("it started")
