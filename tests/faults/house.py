"""The counterparties: a helpdesk, payments and a mail server over true HTTP, and a model server, in one process.

Run by the harness as ``python -m tests.faults.house FILE SEED``; it prints its two addresses and is never killed. Every
effect and every model call goes into a SQLite file that is counted at the end. It answers late, twice, with 429 or 503, or
not at all after the thing was done. It is the witness, so nothing of Caseworker's own store or engine may be imported here.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.faults import script
from tests.servers.messages_api import Fault, MessagesApi

#: kinds of effects that take our key; for the others each request is one more effect
TAKES_KEYS = ("refund",)
SCHEMA = """
CREATE TABLE effects (at REAL, kind TEXT, ref TEXT, key TEXT, what TEXT, receipt TEXT, answer TEXT);
CREATE TABLE versions (ref TEXT PRIMARY KEY, version INTEGER);
CREATE TABLE model_calls (id TEXT, ticket TEXT, task TEXT, digest TEXT, caller TEXT, began REAL, ended REAL, status INTEGER);
CREATE TABLE luck (what TEXT PRIMARY KEY, times INTEGER);
CREATE INDEX by_key ON effects (kind, key);
"""
#: longer than the clients wait
LATE_SECONDS = 3.0
#: how a write ends, with its weight: most go well
WRITING = {"well": 76, "slow": 5, "twice": 3, "busy": 4, "down": 4, "cut": 4, "late": 4}
READING = {"well": 92, "slow": 4, "busy": 2, "down": 2}
THINKING = {"well": 93, "busy": 3, "down": 2, "cut": 2}


class Ledger:
    """What was really done, in one file. One writer at a time."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + SCHEMA)

    def version(self, ref: str) -> str:
        with self._lock:
            row = self._db.execute("SELECT version FROM versions WHERE ref = ?", (ref,)).fetchone()
        return f"v{row[0] if row else 1}"

    def touch(self, ref: str) -> str:
        with self._lock:
            self._db.execute(
                "INSERT INTO versions VALUES (?, 2) ON CONFLICT (ref) DO UPDATE SET version = version + 1", (ref,)
            )
            return self.version(ref)

    def find(self, kind: str, key: str) -> dict[str, Any] | None:
        with self._lock:
            query = "SELECT receipt FROM effects WHERE kind = ? AND key = ?"
            row = self._db.execute(query, (kind, key)).fetchone()
        return None if row is None else json.loads(row[0])

    def do(self, kind: str, order: dict[str, Any], answer: str) -> dict[str, Any] | None:
        """The receipt of the effect, or None where the guard refused it."""
        ref, key, expected = order["ref"], order["key"], order.get("if_version", "")
        with self._lock:
            known = self.find(kind, key) if kind in TAKES_KEYS else None
            if known is not None:
                return known
            before = self.version(ref)
            if expected and expected != before:
                return None
            guarded = kind != "mail"
            after = self.touch(ref) if guarded else ""
            receipt = {"ref": f"{ref}#{kind}", "before": before if guarded else "", "after": after}
            row = (time.time(), kind, ref, key, json.dumps(order["what"], sort_keys=True), json.dumps(receipt), answer)
            self._db.execute("INSERT INTO effects VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return receipt

    def called(self, row: tuple[Any, ...]) -> None:
        with self._lock:
            self._db.execute("INSERT INTO model_calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def lucky(self, what: str) -> None:
        with self._lock:
            upsert = "INSERT INTO luck VALUES (?, 1) ON CONFLICT (what) DO UPDATE SET times = times + 1"
            self._db.execute(upsert, (what,))


class Luck:
    """Draws how a request fares, from the seed."""

    def __init__(self, seed: int, ledger: Ledger) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._ledger = ledger

    def draw(self, area: str, weights: dict[str, int]) -> str:
        with self._lock:
            drawn = self._random.choices(list(weights), list(weights.values()))[0]
        if drawn != "well":
            self._ledger.lucky(f"{area}: {drawn}")
        return drawn


def house(ledger: Ledger, luck: Luck) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a class closed over its books
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            where = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(where.query).items()}
            drawn = luck.draw("read", READING)
            if self._unwell(drawn):
                return
            if where.path == "/record":
                ref = asked["ref"]
                self._answer(200, {"version": ledger.version(ref), "data": script.record(ref)})
            elif where.path == "/find":
                found = ledger.find(asked["kind"], asked["key"])
                self._answer(200 if found else 404, found or {})
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            order = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/touch":
                self._answer(200, {"version": ledger.touch(order["ref"])})
                return
            kind = self.path.removeprefix("/do/")
            drawn = luck.draw(kind, WRITING)
            if self._unwell(drawn):
                return
            receipt = ledger.do(kind, order, drawn)
            if receipt is None:
                self._answer(409, {})
                return
            if drawn == "cut":
                self.close_connection = True
                return
            if drawn == "late":
                time.sleep(LATE_SECONDS)
            self._answer(200, receipt, times=2 if drawn == "twice" else 1)

        def _unwell(self, drawn: str) -> bool:
            """Answers what is refused before anything is done."""
            if drawn == "slow":
                time.sleep(0.5)
            elif drawn == "busy":
                self._answer(429, {}, {"retry-after": "1"})
            elif drawn == "down":
                self._answer(503, {})
            return drawn in ("busy", "down")

        def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None, times: int = 1) -> None:
            said = json.dumps(body).encode()
            more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
            head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(said)}\r\n{more}\r\n"
            try:
                self.wfile.write((head.encode() + said) * times)
            except OSError:
                self.close_connection = True  # whoever asked was killed, which is what this is about

        def log_message(self, *args: object) -> None:
            pass

    return Handler


class CountingModel(MessagesApi):
    """The Messages API with a book: which process asked what of which ticket, from when to when."""

    def __init__(self, ledger: Ledger, luck: Luck) -> None:
        self._ledger, self._luck = ledger, luck
        super().__init__(delay=0.5)
        self.answer(script.model_answer)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        base, api = super()._handler(), self

        class Handler(base):  # type: ignore[valid-type,misc]  # the base class is made at run time
            def do_POST(self) -> None:  # noqa: N802 - as the standard library names it
                self.began, self.answered = time.time(), ("", 0)
                drawn = api._luck.draw("model", THINKING)
                if drawn != "well":
                    with api._lock:
                        api.faults.append({"busy": Fault(429, 1), "down": Fault(529), "cut": Fault(0)}[drawn])
                super().do_POST()
                body = api.seen.pop(threading.get_ident(), {})
                text = json.dumps(body.get("messages", ""))
                ticket = re.search(r"ticket T-(\d+)", text)
                task = "draft" if "actions" in json.dumps(body.get("output_config", "")) else "triage"
                digest = hashlib.sha256(re.sub(r"data [0-9a-f]{16}", "", text).encode()).hexdigest()[:16]
                caller = self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
                request_id, status = self.answered
                number = ticket[1] if ticket else ""
                api._ledger.called((request_id, number, task, digest, caller, self.began, time.time(), status))

            def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
                self.answered = ((headers or {}).get("request-id", ""), status)
                super()._send(status, body, headers)

        return Handler

    def answer(self, said: Any) -> None:
        def noted(body: dict[str, Any]) -> Any:
            self.seen[threading.get_ident()] = body
            return said(body)

        self.seen: dict[int, dict[str, Any]] = {}
        super().answer(noted)


def main() -> None:
    file, seed = Path(sys.argv[1]), int(sys.argv[2])
    ledger = Ledger(file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), house(ledger, Luck(seed, ledger)))
    server.daemon_threads = True
    server.socket.listen(512)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with CountingModel(ledger, Luck(seed + 1, ledger)) as model:
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]} {model.url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
