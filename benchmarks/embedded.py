"""What the embedded system costs: webhooks accepted per second, webhook to inbox, and what it uses when idle.

Starts `caseworker up` on a scratch folder and a free port, speaks to it over HTTP as a vendor would (signed webhooks of
about 1.5 kB), and reads times from outside. Prints a table, and JSON with ``--json``.

    python benchmarks/embedded.py --deliveries 2000 --cases 100
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Self

BODY_BYTES = 1500


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def signed(secret: str, ticket: str) -> tuple[bytes, dict[str, str]]:
    """A Standard Webhooks delivery of a new ticket."""
    delivery, now = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
    text = "My tent arrived with a broken pole. I would like a refund please. "
    body = json.dumps(
        {
            "id": delivery,
            "type": "ticket.created",
            "occurred_at": "2026-11-20T12:00:00Z",
            "data": {
                "ticket_id": ticket,
                "title": "Broken tent pole",
                "text": (text * 40)[: BODY_BYTES - 400],
                "requester_email": "ana.diaz@example.com",
                "requester_name": "Ana Diaz",
                "channel": "web",
            },
        }
    ).encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{delivery}.{now}.".encode() + body, hashlib.sha256).digest()
    return body, {
        "content-type": "application/json",
        "webhook-id": delivery,
        "webhook-timestamp": now,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


class Server:
    """`caseworker up` on a scratch folder."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="caseworker-bench-")
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.folder.name,
            "SAMPLE_WEBHOOK_SECRET": self.secret,
            "CASEWORKER_LOG_LEVEL": "ERROR",
        }
        command = [sys.executable, "-m", "workers.cli", "up", "--port", str(self.port), "--data", self.folder.name]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit("the server did not come up")

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.folder.cleanup()

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.folder.name}/caseworker.db?mode=ro", uri=True, timeout=10)


def accepted_per_second(server: Server, deliveries: int, clients: int) -> dict[str, float]:
    """Many deliveries at once, each opening a case of its own; the workers go on working meanwhile."""
    waiting = list(range(deliveries))
    took: list[float] = []
    refused: list[int] = []
    lock = threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while True:
            with lock:
                if not waiting:
                    return
                number = waiting.pop()
            body, headers = signed(server.secret, f"bench-{number}")
            began = time.perf_counter()
            connection.request("POST", "/hooks/sample", body, headers)
            answer = connection.getresponse()
            answer.read()
            with lock:
                took.append(time.perf_counter() - began)
                if answer.status != 200:
                    refused.append(answer.status)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    took.sort()
    return {
        "accepted_per_second": (deliveries - len(refused)) / elapsed,
        "refused": len(refused),
        "ack_p50_ms": took[len(took) // 2] * 1000,
        "ack_p99_ms": took[int(len(took) * 0.99)] * 1000,
    }


def webhook_to_inbox(server: Server, cases: int) -> dict[str, float]:
    """One delivery at a time on an idle system, until its first action can be seen by a person."""
    took = []
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    database = server.database()
    for number in range(cases):
        ticket = f"one-{number}"
        body, headers = signed(server.secret, ticket)
        began = time.perf_counter()
        connection.request("POST", "/hooks/sample", body, headers)
        connection.getresponse().read()
        query = "SELECT state FROM cases WHERE subject = ? AND state != 'working'"
        while database.execute(query, (f"sample:ticket:{ticket}",)).fetchone() is None:
            if time.perf_counter() - began > 30:
                raise SystemExit(f"case {number} did not reach the inbox")
            time.sleep(0.001)
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return {"inbox_p50_ms": statistics.median(took), "inbox_p99_ms": took[int(len(took) * 0.99)]}


def drained(server: Server, limit: float = 600) -> float:
    """Seconds until nothing is being worked on."""
    began = time.perf_counter()
    database = server.database()
    while database.execute("SELECT count(*) FROM cases WHERE state = 'working'").fetchone()[0]:
        if time.perf_counter() - began > limit:
            raise SystemExit("the backlog was not worked off")
        time.sleep(0.1)
    return time.perf_counter() - began


def idle(server: Server, seconds: float) -> dict[str, float]:
    before = server.cpu_seconds()
    time.sleep(seconds)
    return {"idle_cpu_percent": (server.cpu_seconds() - before) / seconds * 100, "memory_mb": server.memory_mb()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--idle", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with Server() as server:
        figures: dict[str, float] = {}
        webhook_to_inbox(server, 5)  # warm: the model is loaded on first use
        figures |= webhook_to_inbox(server, options.cases)
        figures |= idle(server, options.idle)
        spent = server.cpu_seconds()
        figures |= accepted_per_second(server, options.deliveries, options.clients)
        figures["drained_after_s"] = drained(server)
        figures["cpu_ms_per_case"] = (server.cpu_seconds() - spent) / options.deliveries * 1000
    if options.json:
        print(json.dumps({name: round(value, 2) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:22} {value:10.2f}")


if __name__ == "__main__":
    main()
