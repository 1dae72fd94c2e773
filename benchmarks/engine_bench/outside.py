"""What every contender reads and writes outside, by the same code: one SQL read, one HTTP GET, one HTTP POST with a key.

The cheapest client that there is (`http.client`, kept alive) and plain psycopg, so that what is measured is the engine.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
from typing import Any
from urllib.parse import urlsplit

import psycopg


class Crm:
    """Customers by e-mail, over a few connections that are shared by all threads."""

    QUERY = (
        "SELECT customer_id, name, email, tier, vip, verified, created_at, refunds FROM crm_customers WHERE email = %s"
    )

    def __init__(self, dsn: str, connections: int = 4) -> None:
        self._dsn = dsn
        self._free: queue.LifoQueue[psycopg.Connection[Any] | None] = queue.LifoQueue()
        for _ in range(connections):
            self._free.put(None)

    def customer(self, email: str) -> dict[str, Any] | None:
        connection = self._free.get()
        try:
            if connection is None:
                connection = psycopg.connect(self._dsn, autocommit=True)
            row = connection.execute(self.QUERY, (email,)).fetchone()
        except psycopg.OperationalError:
            self._free.put(None)
            raise
        self._free.put(connection)
        if row is None:
            return None
        return {
            "customer_id": row[0],
            "name": row[1],
            "email": row[2],
            "tier": row[3],
            "vip": row[4],
            "verified": row[5],
            "created_at": row[6],
            "refunds_count_90d": row[7],
            "refunds_minor_90d": 0,
        }


class Payments:
    """Charges and refunds over HTTP."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._free: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()

    def charge(self, charge_id: str) -> dict[str, Any]:
        return self._ask("GET", f"/charges/{charge_id}", None, {})

    def refund(self, arguments: dict[str, Any], key: str) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._ask("POST", "/refunds", json.dumps(arguments), headers)

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> dict[str, Any]:
        try:
            connection = self._free.get_nowait()
        except queue.Empty:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=30)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        read = answer.read()
        self._free.put(connection)
        if answer.status >= 300:
            raise ConnectionError(f"{method} {path}: {answer.status}")
        found: dict[str, Any] = json.loads(read)
        return found
