"""Web, worker and sweeper as processes of their own, with Redis between them, as in production."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.servers.messages_api import MessagesApi
from tests.servers.redis import RedisServer, installed
from workers.cli.opening import MOST_FILES

pytestmark = pytest.mark.slow

PATIENCE = 120


@pytest.fixture
def redis():
    assert installed(), "Redis is not installed: `make test` installs it where it may"
    with RedisServer() as server:
        yield server


@pytest.fixture
def api():
    """A large model's service: it understands, and proposes nothing."""
    triage = {
        "summary": "Where is the parcel",
        "language": "en",
        "risk_flags": [],
        "abstain": False,
        "intent": "order_status",
        "sentiment": "neutral",
        "urgency": "normal",
        "entities": {},
        "confidence": {"intent": 0.95, "sentiment": 0.9, "urgency": 0.9, "language": 0.99},
    }
    draft = {"summary": "Nobody knows this shop.", "actions": [], "unsure": "The shop is not connected."}
    with MessagesApi() as server:
        server.answer(lambda request: draft if "actions" in str(request["output_config"]) else triage)
        yield server


@pytest.fixture
def environment(tmp_path, redis, api):
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "CASEWORKER_DATA": str(tmp_path / "data"),
        "CASEWORKER_BROKER_URL": redis.url,
        "CASEWORKER_LOG_FORMAT": "json",
        "CASEWORKER_LOOP_TURNS": "0",
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_BASE_URL": api.url,
        "ANTHROPIC_MODEL": "model-x",
    }


def call(environment, *arguments, stdin=""):
    """A command that ends by itself."""
    command = [sys.executable, "-m", "workers.cli", *arguments]
    ran = subprocess.run(
        command, env=environment, cwd=environment["HOME"], input=stdin, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


@contextmanager
def running(environment, *arguments, limits="true") -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A command that runs until it is told to end, within `limits` of a shell, and its log."""
    log = Path(environment["HOME"]) / f"{arguments[0]}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["sh", "-c", f'{limits} && exec "$@"', "sh", sys.executable, "-m", "workers.cli", *arguments],
            env=environment,
            cwd=environment["HOME"],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def said(log: Path, pattern: str) -> str:
    """What a process logged, once it did."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_an_event_goes_from_one_process_to_the_other_and_all_end_when_told(environment):
    call(environment, "migrate")
    token = call(environment, "token", "add", "shop", "--scope", "events")
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "shop",
        "type": "ticket.created",
        "subject": "shop:ticket:1",
        "data": {"title": "Where is it?", "text": "My parcel has not come."},
    }

    with ExitStack() as stack:
        started = {
            name: stack.enter_context(running(environment, name, *more))
            for name, *more in (["web", "--port", "0"], ["worker", "--queues", "support"], ["sweep"])
        }
        address = said(started["web"][1], r'"address": "([^"]+)"')
        assert said(started["worker"][1], r'"queues": (\["support"\])')
        request = urllib.request.Request(
            f"{address}/events",
            json.dumps(event).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents+json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 202
            (case,) = json.load(answer)["cases"]

        deadline = time.monotonic() + PATIENCE
        while (found := json.loads(call(environment, "case", "show", case, "--json")))["state"] == "working":
            assert time.monotonic() < deadline, started["worker"][1].read_text()
            time.sleep(0.2)
        for process, _ in started.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(PATIENCE) for name, (process, _) in started.items()}

    assert (found["state"], found["attention"]) == ("inbox", "The shop is not connected.")
    assert codes == {"web": 0, "worker": 0, "sweep": 0}
    assert "Traceback" not in "".join(log.read_text() for _, log in started.values())


@pytest.mark.parametrize("most", ["400", "$(ulimit -H -n)"], ids=["few", "as the system has it"])
def test_a_process_opens_as_many_files_as_it_is_allowed(environment, most):
    """And not the few that a shell begins with, which a worker with a thousand calls has used up."""
    call(environment, "migrate")

    with running(environment, "sweep", limits=f"ulimit -S -n 256 && ulimit -H -n {most}") as (process, log):
        said(log, '"event": "(sweeper_started)"')
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0

    allowed, hard = re.search(r"Max open files +(\d+) +(\d+|unlimited)", limits).groups()
    assert int(allowed) == min(MOST_FILES, int(hard.replace("unlimited", "99999"))) > 256
