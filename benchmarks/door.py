"""What the door costs on PostgreSQL: webhooks durably accepted per second, and what each takes of processor and disk.

Starts a scratch PostgreSQL with its default durability, a Redis, and the real `caseworker web`; a process of its own sends
signed webhooks of about 1.5 kB with unique ids over kept-alive connections. Every one is a new event that opens a case,
committed before it is answered. Processor time is read from /proc. Prints a table, and JSON with ``--json``.

    python benchmarks/door.py --deliveries 20000 --clients 32
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import psycopg

BODY_BYTES = 1500
SECRET = "bench" * 8
TICKS = os.sysconf("SC_CLK_TCK")
HEALTHY = 200


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ── the sender, a process of its own ─────────────────────────────────────────────────────────────────────────────────


def request(port: int) -> bytes:
    """A Zendesk delivery of a new ticket, as it goes over the wire."""
    ticket = f"{uuid.uuid4().int % 10**12}"
    text = "My stove kettle arrived with a cracked lid, order 20817. Can you send a new one or take it back? "
    event = {
        "type": "zen:event-type:ticket.created",
        "account_id": 20417755,
        "id": str(uuid.uuid4()),
        "time": "2026-11-20T09:58:12.482913377Z",
        "zendesk_event_version": "2022-11-06",
        "subject": f"zen:ticket:{ticket}",
        "detail": {
            "actor_id": "412880031",
            "brand_id": "360001",
            "created_at": "2026-11-20T09:58:11Z",
            "description": "",
            "form_id": "360002",
            "group_id": "360003",
            "id": ticket,
            "is_public": True,
            "priority": None,
            "requester_id": "412880031",
            "status": "NEW",
            "subject": "Cracked lid on order 20817",
            "tags": [],
            "updated_at": "2026-11-20T09:58:11Z",
            "via": {"channel": "email"},
        },
        "event": {"meta": {"sequence": {"id": uuid.uuid4().hex[:8], "position": 1, "total": 1}}},
    }
    room = BODY_BYTES - len(json.dumps(event))
    event["detail"]["description"] = (text * 20)[:room]  # type: ignore[index] - a dictionary of its own
    body = json.dumps(event).encode()
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    mac = base64.b64encode(hmac.digest(SECRET.encode(), stamp.encode() + body, hashlib.sha256)).decode()
    head = (
        "POST /hooks/zendesk HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\n"
        "User-Agent: Zendesk Webhook\r\n"
        "Accept: */*\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Zendesk-Webhook-Id: {uuid.uuid4().hex}\r\n"
        f"X-Zendesk-Webhook-Invocation-Id: {uuid.uuid4().hex}\r\n"
        "X-Zendesk-Account-Id: 20417755\r\n"
        f"X-Zendesk-Webhook-Signature: {mac}\r\n"
        f"X-Zendesk-Webhook-Signature-Timestamp: {stamp}\r\n"
        "\r\n"
    )
    return head.encode() + body


class Client(asyncio.Protocol):
    """One kept-alive connection: sends, waits for the whole answer, sends the next."""

    def __init__(
        self, waiting: list[bytes], took: list[float], refused: list[int], ended: asyncio.Future[None]
    ) -> None:
        self._waiting = waiting
        self._took = took
        self._refused = refused
        self._ended = ended
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < size:
            return
        self._took.append(time.perf_counter() - self._began)
        status = int(head[9:12])
        if status != HEALTHY:
            self._refused.append(status)
        self._answer = b""
        self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _send(self) -> None:
        if not self._waiting:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(self._waiting.pop())


async def send(port: int, requests: list[bytes], clients: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    took: list[float] = []
    refused: list[int] = []
    ends = [loop.create_future() for _ in range(clients)]
    count = len(requests)
    began = time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: Client(requests, took, refused, end), "127.0.0.1", port)  # type: ignore[misc] - the loop's variable, bound
    await asyncio.gather(*ends)
    elapsed = time.perf_counter() - began
    took.sort()
    return {
        "sent": count,
        "answered": len(took),
        "refused": len(refused),
        "accepted_per_second": (len(took) - len(refused)) / elapsed,
        "ack_p50_ms": took[len(took) // 2] * 1000,
        "ack_p99_ms": took[int(len(took) * 0.99)] * 1000,
    }


def sender(port: int, deliveries: int, clients: int) -> None:
    """Makes its requests first, says so, and sends them when told to: signing is not what is measured."""
    requests = [request(port) for _ in range(deliveries)]
    print("ready", flush=True)
    sys.stdin.readline()
    import uvloop  # noqa: PLC0415 - the sender's alone

    print(json.dumps(uvloop.run(send(port, requests, clients))), flush=True)


# ── the servers ──────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def postgres() -> Iterator[tuple[str, int]]:
    """A scratch server with default settings (so fsync and synchronous_commit are on): its URL and process id."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    programs = found[-1].parent if found else Path(shutil.which("postgres") or sys.exit("PostgreSQL is needed")).parent
    folder = Path(tempfile.mkdtemp(prefix="caseworker-door-"))
    port = free_port()
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    subprocess.run([*user, programs / "initdb", "-D", data, "-U", "cw", "-A", "trust"], check=True, capture_output=True)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", f"unix_socket_directories={folder}"]
    log = (folder / "log").open("wb")
    process = subprocess.Popen([*user, programs / "postgres", "-D", data, *options], stdout=log, stderr=log)
    log.close()
    url = f"postgresql://cw@127.0.0.1:{port}/postgres"
    try:
        until(lambda: psycopg.connect(url, connect_timeout=1).close() is None, "PostgreSQL")
        yield url, int((data / "postmaster.pid").read_text().split()[0])
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def broker() -> Iterator[str]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir())
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def web(database: str, queue: str) -> Iterator[tuple[int, int]]:
    """`caseworker web` on a migrated database: its port and process id."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="caseworker-door-") as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "CASEWORKER_DATA": folder,
            "CASEWORKER_DATABASE_URL": database,
            "CASEWORKER_BROKER_URL": queue,
            "CASEWORKER_SAMPLE_COMPANY": "false",
            "CASEWORKER_LOG_LEVEL": "ERROR",
            "ZENDESK_WEBHOOK_SECRET": SECRET,
        }
        program = [sys.executable, "-m", "workers.cli"]
        subprocess.run([*program, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
        process = subprocess.Popen([*program, "web", "--port", str(port)], env=environment)
        try:
            address = f"http://127.0.0.1:{port}/readyz"
            until(lambda: urllib.request.urlopen(address, timeout=2).status == HEALTHY, "caseworker web")
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def until(true: object, what: str) -> None:
    assert callable(true)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except (OSError, psycopg.OperationalError):
            pass
        time.sleep(0.1)
    raise SystemExit(f"{what} did not come up")


# ── the figures ──────────────────────────────────────────────────────────────────────────────────────────────────────


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family_seconds(pid: int) -> float:
    """A process and its children, living or gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(int(fields[place]) for place in (11, 12, 13, 14)) / TICKS
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        total += cpu_seconds(int(child))
    return total


def counters(database: str) -> dict[str, int]:
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(
            "SELECT pg_current_wal_lsn() - '0/0', (SELECT xact_commit FROM pg_stat_database"
            " WHERE datname = current_database()), (SELECT count(*) FROM events), (SELECT count(*) FROM cases),"
            " (SELECT wal_fpi FROM pg_stat_wal)"
        ).fetchone()
    assert row is not None
    return dict(zip(("wal", "commits", "events", "cases", "full_pages"), map(int, row), strict=True))


def run(deliveries: int, clients: int, warm: int) -> dict[str, float]:
    with postgres() as (database, postmaster), broker() as queue, web(database, queue) as (port, server):
        with psycopg.connect(database, autocommit=True) as connection:
            load(port, warm, clients, lambda: None)
            connection.execute("CHECKPOINT")
        time.sleep(1.2)  # PostgreSQL's counters are a second late
        before: dict[str, float] = {}

        def begin() -> None:
            before.update(counters(database), web=cpu_seconds(server), postgres=family_seconds(postmaster))

        figures = load(port, deliveries, clients, begin)
        spent = {"web": cpu_seconds(server), "postgres": family_seconds(postmaster)}
        time.sleep(1.2)
        after = counters(database)
    stored = after["events"] - before["events"]
    return {
        **figures,
        "stored": stored,
        "web_cpu_ms": (spent["web"] - before["web"]) / stored * 1000,
        "postgres_cpu_ms": (spent["postgres"] - before["postgres"]) / stored * 1000,
        "commits_per_webhook": (after["commits"] - before["commits"]) / stored,
        "wal_bytes_per_webhook": (after["wal"] - before["wal"]) / stored,
        "full_pages_per_webhook": (after["full_pages"] - before["full_pages"]) / stored,
    }


def load(port: int, deliveries: int, clients: int, begin: object) -> dict[str, float]:
    assert callable(begin)
    command = [sys.executable, __file__, "--send-to", str(port), "--deliveries", str(deliveries)]
    process = subprocess.Popen(
        [*command, "--clients", str(clients)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    begin()
    process.stdin.write("go\n")
    process.stdin.flush()
    figures: dict[str, float] = json.loads(process.stdout.readline())
    process.wait(10)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--warm", type=int, default=2000, help="deliveries before the measurement begins")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--send-to", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send_to:
        sender(options.send_to, options.deliveries, options.clients)
        return
    figures = run(options.deliveries, options.clients, options.warm)
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:24} {value:12.3f}")


if __name__ == "__main__":
    main()
