"""Who may read the metrics, what a process shows on its port, and what stands on each line of the log."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import subprocess
import sys
import threading
import urllib.request
from datetime import UTC, datetime

import pytest
import structlog
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.architecture.source import ROOT
from tests.kit.engine import make_engine
from workers import exposition, log
from workers.access import make_token
from workers.store import people
from workers.telemetry import probe, serving


@pytest.fixture
def engine(tmp_path):
    made = make_engine(tmp_path)
    yield made
    made.system.close()


@pytest.fixture
def page(engine):
    with TestClient(Starlette(routes=[exposition.route(engine.system)])) as client:
        yield client


def token(engine, *scopes):
    plain, hashed = make_token()
    with engine.system.db.write() as tx:
        people.add_token(tx, name="p", token_hash=hashed, scopes=scopes, person_id=None, now=datetime.now(UTC))
    return {"Authorization": f"Bearer {plain}"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer cw_guessed"}, {"X-Forwarded-For": "127.0.0.1"}])
def test_nobody_without_a_token_learns_what_there_is_to_do(page, headers):
    refused = page.get("/metrics", headers=headers)

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "caseworker_" not in refused.text


def test_a_token_for_events_may_not_look(engine, page):
    assert page.get("/metrics", headers=token(engine, "events")).status_code == 401


def test_a_token_that_may_read_may_read_the_metrics(engine, page):
    engine.event()

    shown = page.get("/metrics", headers=token(engine, "read"))

    assert shown.status_code == 200
    assert shown.headers["content-type"].startswith("text/plain; version=")
    assert 'caseworker_queue_depth{queue="support"}' in shown.text


@pytest.fixture
def shown():
    server = serving.serve("127.0.0.1", 0)
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_process_shows_what_it_counted_and_that_it_lives(shown):
    with urllib.request.urlopen(f"http://127.0.0.1:{shown}/metrics", timeout=60) as answer:
        assert b"caseworker_tasks_running" in answer.read()
    with urllib.request.urlopen(f"http://127.0.0.1:{shown}/healthz", timeout=60) as answer:
        assert json.load(answer) == {"status": "ok"}
    connection = http.client.HTTPConnection("127.0.0.1", shown, timeout=60)
    connection.request("GET", "/settings")
    assert connection.getresponse().status == 404
    connection.close()


def test_the_probe_tells_a_living_process_from_none(shown):
    assert probe.answers(shown)
    assert not probe.answers(1)


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"])
def test_the_probe_asks_where_the_process_listens(host):
    try:
        server = serving.serve(host, 0)
    except OSError:
        # Not every machine has IPv6, or more than one address of loopback.
        with pytest.raises(OSError), socket.create_server((host, 0), family=family(host)):
            pass
        return
    environment = {"CASEWORKER_METRICS_HOST": host, "CASEWORKER_METRICS_PORT": str(server.server_port)}
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "workers.telemetry.probe"], env=environment, check=False, timeout=60
        )
    finally:
        server.shutdown()
        server.server_close()

    assert asked.returncode == 0


def test_a_probe_without_a_port_says_what_is_missing():
    asked = subprocess.run(
        [sys.executable, "-m", "workers.telemetry.probe"],
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert asked.returncode == 1
    assert asked.stderr == "CASEWORKER_METRICS_PORT is not set, so there is no port to ask.\n"


KILLED = """
import os
from workers.telemetry import metrics, serving

child = os.fork()
if not child:
    metrics.task().__enter__()
    metrics.policy_kept_back(True)
    metrics.claim_lost()
    os._exit(9)
os.waitpid(child, 0)
with metrics.task():
    print(serving.render().decode())
"""


def test_a_killed_process_of_a_pool_is_at_nothing_any_more_and_what_it_counted_stays(tmp_path):
    shown = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "made"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout

    assert "caseworker_tasks_running 1.0" in shown
    assert "caseworker_policy_kept_back 0.0" in shown
    assert "caseworker_claims_lost_total 1.0" in shown


def test_each_line_says_which_process_wrote_it_also_from_its_threads():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        # As a command does it: what opens the system writes lines before the process can say who it is.
        log.configure("WARNING", "console")
        logger = structlog.stdlib.get_logger("caseworker")
        logger.info("policy_in_force")
        log.configure("INFO", "json", process="worker", worker="host:1")
        said = []
        root.handlers[0].emit = lambda record: said.append(root.handlers[0].format(record))

        def work():
            with structlog.contextvars.bound_contextvars(case_id="case_1"):
                logger.info("claim_lost")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        logging.getLogger("celery").warning("a library speaks")
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()

    ours, theirs = map(json.loads, said)
    assert (ours["event"], ours["case_id"], ours["process"], ours["worker"]) == (
        "claim_lost",
        "case_1",
        "worker",
        "host:1",
    )
    assert (theirs["event"], theirs["process"]) == ("a library speaks", "worker")


def test_what_is_off_is_not_even_loaded():
    """A hundred milliseconds at each start, for something that nobody asked for."""
    # Not OpenTelemetry as a whole: the client of Redis loads a part of it by itself.
    off = ("workers.telemetry.otel", "opentelemetry.exporter")
    looked = f"import sys, workers.cli.watching; print(any(name in sys.modules for name in {off!r}))"

    ran = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "False"
