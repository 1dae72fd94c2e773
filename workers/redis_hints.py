"""Hints in Redis: how one is kept in a list there, and a bare connection to write and read them by.

Celery's protocol 2 in kombu's envelope, written and read as text: whoever goes Celery's own way understands it, and it is told
apart from all else by its first characters. `hint_line` writes hints, `workers.redis_consumer` reads them; what is not written so,
is read by kombu and nobody else.
"""

from __future__ import annotations

import json
import os
import re
import time
from functools import cache
from typing import Any, Final

#: a connection is lent from kombu's pool for so long: credentials that are renewed reach it when it is given back
LENT_SECONDS: Final = 60.0
#: commands that were told and not answered yet; so few bytes a kernel takes at once, whether anybody reads them or not
MOST_UNANSWERED: Final = 8


class Wire:
    """A connection as kombu opens it (address, sentinels, TLS, credentials) without what its client does around a command,
    which costs several times the command. For one thread."""

    def __init__(self, channel: Any, *, lent: float = LENT_SECONDS) -> None:
        self._term = lent
        self._pool = channel.client.connection_pool
        self._prefix: str = channel.global_keyprefix
        self._lent: Any = None
        self._until = 0.0
        self._unanswered = 0

    def key(self, target: str) -> str:
        """What the list of a queue is called."""
        return f"{self._prefix}{target}"

    def ask(self, *commands: tuple[str | int | float, ...]) -> list[Any]:
        """The answers to commands that are sent together, after those to all that was told before."""
        if self._unanswered:
            self._hear_out()
        connection = self._lent
        if connection is None or time.monotonic() >= self._until:
            connection = self._borrow()
        try:
            for command in commands:
                connection.send_command(*command)
            return [connection.read_response() for _ in commands]
        except BaseException:
            self._give_up(connection)
            raise

    def tell(self, *command: str | float) -> bool:
        """Send a command and do not wait: the next `ask` hears whether it was done. False, and nothing sent, where that might take
        a while: no connection is at hand, or much is unanswered on it."""
        connection = self._lent
        if connection is None or not connection.is_connected or time.monotonic() >= self._until:
            return False
        if self._unanswered >= MOST_UNANSWERED:
            return False
        try:
            connection.send_packed_command(connection.pack_command(*command), check_health=False)
        except BaseException:
            self._give_up(connection)
            raise
        self._unanswered += 1
        return True

    def _hear_out(self) -> None:
        connection = self._lent
        try:
            while self._unanswered:
                connection.read_response()
                self._unanswered -= 1
        except BaseException:
            self._give_up(connection)
            raise

    def _give_up(self, connection: Any) -> None:
        """Answers may still come: nobody must read them as his own."""
        self._unanswered = 0
        connection.disconnect()

    def hang_up(self) -> None:
        connection, self._lent = self._lent, None
        self._unanswered = 0
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)

    def _borrow(self) -> Any:
        connection, self._lent = self._lent, None
        if connection is not None:
            self._pool.release(connection)
        self._lent = self._pool.get_connection()
        self._until = time.monotonic() + self._term
        return self._lent


def body(row_id: str) -> str:
    """A hint's body in Celery's protocol 2."""
    return f'[[{json.dumps(row_id)}],{{}},{{"callbacks":null,"errbacks":null,"chain":null,"chord":null}}]'


def headers(task: str, task_id: str) -> dict[str, Any]:
    """A hint's headers, without those that it has no use for."""
    return {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "retries": 0}


def written(task: str, target: str, row_id: str) -> str:
    """A hint as kombu keeps it in a list. Written by hand: kombu's own way there costs five times as much."""
    before, between, after = _envelope(task, target)
    task_id = os.urandom(16).hex()
    return f"{before}{json.dumps(json.dumps(row_id))[1:-1]}{between}{after.replace(_ID, task_id)}"


def read(item: bytes) -> tuple[str, str] | None:
    """The task and the row of a hint that was `written`; None of anything else."""
    found = _WRITTEN.match(item)
    return (found[2].decode(), found[1].decode()) if found is not None else None


_ID, _ROW, _TASK = "<task id>", "<row id>", "<task>"


@cache
def _envelope(task: str, target: str) -> tuple[str, str, str]:
    """What stands before a row's id, what behind it up to the task's, and the rest."""
    whole = json.dumps(
        {
            "body": body(_ROW),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": headers(task, _ID),
            "properties": {
                "correlation_id": _ID,
                "delivery_mode": 2,
                "delivery_tag": _ID,
                "delivery_info": {"exchange": "", "routing_key": target},
                "priority": 0,
            },
        }
    )
    before, _, behind = whole.partition(json.dumps(json.dumps(_ROW))[1:-1])
    between, found, after = behind.partition(task)
    return before, between + found, after


def _pattern() -> re.Pattern[bytes]:
    before, between, _ = (re.escape(part.replace(_TASK, "")) for part in _envelope(_TASK, ""))
    quote = re.escape('\\"')
    return re.compile(f'{before}{quote}([A-Za-z0-9_-]+){quote}{between}([a-z._]+)"'.encode())


_WRITTEN: Final = _pattern()
