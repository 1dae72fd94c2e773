"""How many model calls one worker process holds open at once, and in how much memory.

A local server speaks the Messages API and takes ten seconds for each answer; a real `caseworker worker` on Redis asks it with
the real SDK. Printed are the most calls that were open at once, the worker's memory at that moment, and the most that it held
until each case had made its second call.

    python benchmarks/in_flight.py [--calls 1000] [--seconds 10] [--database postgresql://…]

Needs redis-server. SQLite has one writer; with a PostgreSQL of your own the ramp is shorter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from integrations.base import EventType, InboundEvent
from workers import wiring
from workers.intake.receive import Provenance, receive
from workers.settings import Settings
from workers.store.schema import upgrade

ANSWER: dict[str, object] = {
    "summary": "A question",
    "language": "en",
    "risk_flags": [],
    "abstain": False,
    "intent": "other",
    "sentiment": "neutral",
    "urgency": "normal",
    "entities": {},
    "confidence": {"intent": 0.9, "sentiment": 0.9, "urgency": 0.9, "language": 0.9},
}
DRAFT: dict[str, object] = {"summary": "Nothing to be done", "unsure": None, "actions": []}


class SlowModel:
    """The Messages API in one thread, however many ask."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.open = self.most = self.asked = 0
        self.port = 0
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True).start()
        ready.wait()

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                )
                asked = json.loads(await reader.readexactly(length))
                answer = DRAFT if "actions" in str(asked["output_config"]) else ANSWER
                self.open += 1
                self.asked += 1
                self.most = max(self.most, self.open)
                await asyncio.sleep(self.seconds)
                self.open -= 1
                body = json.dumps(_message(self.asked, answer)).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
                )
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def _message(number: int, answer: dict[str, object]) -> dict[str, object]:
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "slow",
        "content": [{"type": "text", "text": json.dumps(answer)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 20},
    }


def memory(pid: int, what: str = "VmRSS") -> float:
    """Megabytes that the process holds; with "VmHWM" the most that it ever held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what)) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--database", default="")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="caseworker-in-flight-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        redis = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            found = measure(chosen, Path(folder), f"redis://127.0.0.1:{port}/0")
        finally:
            redis.terminate()
            redis.wait()
    print(json.dumps(found, indent=2))
    return 0 if found["open at once"] >= chosen.calls else 1


def measure(chosen: argparse.Namespace, folder: Path, broker: str) -> dict[str, float]:
    model = SlowModel(chosen.seconds)
    settings = Settings(data=folder, broker_url=broker, database_url=chosen.database, log_level="WARNING")
    system = wiring.build(settings, environment={})
    upgrade(system.db)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PYTHONWARNINGS": "ignore",
        "CASEWORKER_DATA": str(folder),
        "CASEWORKER_DATABASE_URL": chosen.database,
        "CASEWORKER_BROKER_URL": broker,
        "CASEWORKER_LOG_LEVEL": "WARNING",
        "CASEWORKER_LOOP_TURNS": "0",
        "CASEWORKER_CUSTOMER_CAP": "0",
        "CASEWORKER_SOURCE_CAP": "0",
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{model.port}",
        "ANTHROPIC_MODEL": "slow",
    }
    command = [sys.executable, "-m", "workers.cli", "worker", "--queues", "support", "--concurrency", str(chosen.calls)]
    worker = subprocess.Popen(command, env=environment, cwd=folder)
    sweeper = subprocess.Popen([*command[:3], "sweep"], env=environment, cwd=folder)
    try:
        for number in range(chosen.calls):
            data = {
                "title": f"Question {number}",
                "text": "When will it come?",
                "requester_email": f"a{number}@example.com",
            }
            event = InboundEvent(
                "bench",
                f"d{number}",
                EventType.TICKET_CREATED,
                "ticket",
                f"bench:ticket:{number}",
                system.clock(),
                data,
            )
            receive(system, [event], Provenance("bench", b"{}"))
        most, megabytes = 0, 0.0
        until = time.monotonic() + chosen.seconds * 3 + 60
        while time.monotonic() < until and model.most < chosen.calls and worker.poll() is None:
            time.sleep(0.2)
            if model.open >= most:
                most, megabytes = model.open, memory(worker.pid)
        # Through the answers and the second call of each case.
        time.sleep(chosen.seconds * 1.5)
        return {
            "open at once": model.most,
            "calls": model.asked,
            "worker MB": round(max(megabytes, memory(worker.pid)), 1),
            "worker MB, ever": round(memory(worker.pid, "VmHWM"), 1),
            "threads": len(list(Path(f"/proc/{worker.pid}/task").iterdir())),
        }
    finally:
        for process in (worker, sweeper):
            process.send_signal(signal.SIGKILL)
            process.wait()
        system.close()


if __name__ == "__main__":
    sys.exit(main())
