"""The commands of the compose file, run as they stand there, but without containers: one case goes through all of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack

import pytest

from tests.architecture.source import ROOT
from tests.integration.ops.deployment import OURS
from tests.servers.messages_api import MessagesApi
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer, installed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE = 240
TRIAGE = {
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
DRAFT = {"summary": "Nobody knows this shop.", "actions": [], "unsure": "The shop is not connected."}


class Fleet:
    """Every service of ours as a process of its own, each on ports of its own."""

    def __init__(self, folder, database, broker, model, stack):
        self.folder = folder
        self.stack = stack
        self.base = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "CASEWORKER_DATA": str(folder / "data"),
            "CASEWORKER_LOG_FORMAT": "json",
            "CASEWORKER_LOOP_TURNS": "0",
        }
        self.given = {
            "CASEWORKER_DATABASE_URL": database,
            "CASEWORKER_BROKER_URL": broker,
            "CASEWORKER_METRICS_HOST": "127.0.0.1",
            "CASEWORKER_SECRET_KEY": "for tests",
            "CASEWORKER_PUBLIC_URL": "http://127.0.0.1:8000",
            "CASEWORKER_TRACES": "off",
        }
        self.model = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": model, "ANTHROPIC_MODEL": "model-x"}
        self.ports = {name: free_port() for name in OURS}
        self.processes = {}

    def environment(self, name):
        of_service = {
            variable: self.given.get(variable, str(value))
            for variable, value in OURS[name]["environment"].items()
            if variable.startswith("CASEWORKER_")
        }
        of_service["CASEWORKER_METRICS_PORT"] = str(self.ports[name])
        keys = self.model if name == "worker-thinking" else {}
        return {**self.base, **of_service, **keys}

    def call(self, name, *words):
        """A command that ends by itself, as `docker compose run NAME …`."""
        ran = subprocess.run(
            [sys.executable, "-m", "workers.cli", *words],
            env=self.environment(name),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def start(self, name):
        words = OURS[name]["command"]
        if name == "web":
            words = ["0" if word == "8000" else "127.0.0.1" if word == "0.0.0.0" else word for word in words]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", *words],
                env=self.environment(name),
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes[name] = process
        self.stack.callback(end, process)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def metrics(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/metrics", timeout=60) as answer:
            return answer.read().decode()


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()


def until(found, what):
    deadline = time.monotonic() + PATIENCE
    while not (result := found()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)
    return result


@pytest.fixture
def fleet(tmp_path, postgres):
    assert installed(), "Redis is not installed: `make test` installs it where it may"
    with RedisServer() as redis, MessagesApi() as api, ExitStack() as stack:
        api.answer(lambda request: DRAFT if "actions" in str(request["output_config"]) else TRIAGE)
        yield Fleet(tmp_path, postgres.database("fleet"), redis.url, api.url, stack)


def test_a_case_goes_through_the_fleet_of_the_compose_file(fleet):
    assert fleet.call("migrate", *OURS["migrate"]["command"])
    token = fleet.call("web", "token", "add", "shop", "--scope", "events")
    for name in OURS:
        if name != "migrate":
            fleet.start(name)
    address = until(lambda: re.search(r'"address": ?"([^"]+)"', fleet.log("web")), lambda: fleet.log("web"))[1]

    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "shop",
        "type": "ticket.created",
        "subject": "shop:ticket:1",
        "data": {"title": "Where is it?", "text": "My parcel has not come."},
    }
    request = urllib.request.Request(
        f"{address}/events",
        json.dumps(event).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents+json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        (case,) = json.load(answer)["cases"]
    until(
        lambda: json.loads(fleet.call("web", "case", "show", case, "--json"))["state"] == "inbox",
        lambda: fleet.log("worker-thinking"),
    )

    # Each process shows that it lives and what it did, on its own port; the web process shows the whole.
    shown = {name: until(lambda name=name: fleet.metrics(name), lambda: "") for name in fleet.processes}
    assert all("process_resident_memory_bytes" in text for text in shown.values())
    assert 'caseworker_cases_open{domain="support",state="inbox"} 1.0' in shown["web"]
    assert "caseworker_cases_open" not in shown["worker-actions"]
    assert "caseworker_database_up" in shown["web"]

    # It exits with 1: the tests' own PostgreSQL runs without fsync.
    told = subprocess.run(
        [sys.executable, "-m", "workers.cli", "doctor", "--json"],
        env=fleet.environment("web"),
        cwd=fleet.folder,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = {finding["about"]: finding for finding in json.loads(told)["findings"]}
    assert found["workers"]["told"].startswith("3 alive")
    assert found["sweepers"]["level"] == "ok"
    assert "queues" not in found, "every queue has its worker"

    for process in fleet.processes.values():
        process.send_signal(signal.SIGTERM)
    codes = {name: process.wait(PATIENCE) for name, process in fleet.processes.items()}
    logs = {name: fleet.log(name) for name in fleet.processes}
    assert codes == dict.fromkeys(fleet.processes, 0), logs
    assert "Traceback" not in "".join(logs.values())
    # Celery warns, in words, of a worker that root runs: here perhaps, in a container never.
    lines = [json.loads(line) for line in logs["worker-thinking"].splitlines() if line.startswith("{")]
    assert lines
    assert {line["process"] for line in lines} == {"worker"}
    assert "My parcel has not come" not in "".join(logs.values())
