"""The straight way of a program's plain yes: from the parsed bytes to the commit and back, with nothing between.

``POST /api/v1/actions/{id}/decision`` with a token, for an approval as `service.approve` takes it: who asks and what it is about is
one journey to the database, the yes another, and the thread that made it tells the worker. The web server asks here first
(`workers.intake.shortcut`). Whatever needs more words than “here it is” (a no, an edit, a session, a token or a person who may not,
a draft that changed, a database that is away) goes the long way, through the application, from its beginning: what is refused, and
how, is said there and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from pydantic import ValidationError

from workers.access import Scope, shown_token
from workers.inbox import service
from workers.inbox.schemas import ActionOut, DecisionIn
from workers.inbox.words import Choice, Word
from workers.store import asking
from workers.store.database import StoreUnavailable
from workers.wiring import System

Header = tuple[bytes, bytes]

_ADDRESS = re.compile(rb"/api/v1/actions/([A-Za-z0-9_]{1,40})/decision")
_JSON = (b"content-type", b"application/json")
#: as many decisions at once as the long way has threads; each is a few milliseconds
THREADS = 40
#: of so few no connection is kept from others by a thread that is still to come
FEW = 4


class Straight:
    """Takes plain approvals. `headers` stand on each answer."""

    door = "api"
    largest_body = 4096

    def __init__(self, system: System, *, headers: Mapping[str, str]) -> None:
        self._system = system
        self._headers: list[Header] = [
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
            _JSON,
        ]
        #: counted where requests are read, and nowhere else
        self._under_way = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="decision")

    def concerns(self, url: bytes) -> bool:
        # On SQLite nothing is a journey, and the long way is as short.
        return _ADDRESS.fullmatch(url) is not None and not self._system.db.is_sqlite

    def begin(
        self, url: bytes, headers: Sequence[Header], body: bytes
    ) -> asyncio.Future[tuple[int, list[Header], bytes] | None] | None:
        """What will be answered; None, at once or then, for what goes the long way, as does what breaks."""
        found = _ADDRESS.fullmatch(url)
        if found is None or _JSON not in headers:
            return None
        shown = shown_token(headers)
        choice = _plain_yes(body)
        if shown is None or choice is None:
            return None
        action_id = found[1].decode()
        loop = asyncio.get_running_loop()
        # While few are under way each has its thread at once, which hears the answer out.
        asked = asking.ahead(self._system.db, shown, action_id) if self._under_way < FEW else None
        try:
            future = loop.run_in_executor(self._threads, self._take, shown, action_id, choice, asked)
        except RuntimeError:
            # It is closed: this process is about to end. What was asked is heard out all the same.
            with suppress(StoreUnavailable):
                if asked is not None:
                    asked()
            return None
        self._under_way += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: object) -> None:
        self._under_way -= 1

    def close(self) -> None:
        """Wait for what is under way; nothing is begun any more."""
        self._threads.shutdown(wait=True)

    def _take(
        self, shown: str, action_id: str, choice: Choice, asked: asking.Hearing | None
    ) -> tuple[int, list[Header], bytes] | None:
        who, snapshot = asking.at_once(self._system.db, shown, action_id, asked)
        if who is None or Scope.DECIDE not in who[0].scopes:
            return None
        person = who[1]
        if person is None or not person.active:
            return None
        done = service.approve(self._system, person, snapshot, choice)
        if done is None:
            return None
        body = ActionOut.model_validate(done).model_dump_json().encode()
        return 200, [*self._headers, (b"content-length", str(len(body)).encode())], body


def _plain_yes(body: bytes) -> Choice | None:
    """An approval of a draft as it is; None of anything else, and of what cannot be read."""
    try:
        wanted = DecisionIn.model_validate(json.loads(body))
    except (ValidationError, ValueError, RecursionError):
        return None
    if wanted.decision is not Word.APPROVE or wanted.arguments is not None:
        return None
    return Choice(
        wanted.decision, wanted.revision, wanted.digest, reason=wanted.reason, channel="api", state=wanted.state
    )
