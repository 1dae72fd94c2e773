"""Batching: requests that arrive while a commit is under way are stored together by the next one.

The web's routes hand requests over (`RequestBatcher.store`, on the event loop) and are answered after the commit. A writer
thread takes what waits, as much of it as there is; what the loop reads in one turn comes to it as one, since each commit costs
both sides a quarter of a millisecond, however little it holds. Whoever cannot be taken in time is told so and comes again: what waits
is bounded in number, in bytes and in time, so that a slow database is a 503 at the door and never a growing queue.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from workers.intake.receive import Received, Request, hint, observe, store, summary_of
from workers.log import logger
from workers.wiring import System

#: events of one commit: beyond this a larger one saves little, and its last waits longer
MOST_TOGETHER = 64
#: bytes of bodies in one commit, and in all that waits
MOST_BYTES_TOGETHER = 4 * 1024 * 1024
MOST_BYTES_WAITING = 64 * 1024 * 1024


class Busy(Exception):
    """Too much waits, or it waited too long. Whether it was stored is not known: the sender is to come again."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """One request and whoever waits for its answer."""

    request: Request
    size: int
    answer: asyncio.Future[Received]
    loop: asyncio.AbstractEventLoop
    patience: asyncio.TimerHandle | None = None


class RequestBatcher:
    """One per web process. Its one thread starts with the first request: a second one made the lots smaller and each webhook a
    fifth dearer, and accepted no more."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._most = system.settings.door_waiting
        self._longest = system.settings.door_wait_seconds
        self._waiting: deque[_Waiting] = deque()
        #: what each loop has read in the turn that it is in
        self._read: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        self._bytes = 0
        #: handed over and not yet answered: waiting, or in a writer's hands
        self._open = 0
        self._changed = threading.Condition(threading.Lock())
        self._writer: threading.Thread | None = None
        self._closed = False

    async def store(self, request: Request) -> Received:
        """Store the events of a request and say what became of them, once it is committed.

        Raise `Busy` and `StoreUnavailable` (503 both), and `NotStored`.
        """
        return await self.begin(request)

    def begin(self, request: Request) -> asyncio.Future[Received]:
        """As `store`, for whoever goes on with something else meanwhile. Raise `Busy` when too much waits."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Received] = loop.create_future()
        one = _Waiting(request, sum(len(arrival.raw) for arrival in request), answer, loop)
        self._hand_over(one)
        one.patience = loop.call_later(self._longest, _give_up, one)
        return answer

    def backlog(self) -> int:
        """Requests that were handed over and are not stored yet."""
        return self._open

    def close(self, timeout: float = 5.0) -> None:
        """Store what waits, then stop. Bounded: a database that hangs does not hold up the end of the process."""
        with self._changed:
            self._closed = True
            for turn in self._read.values():
                self._waiting.extend(turn)
            self._read.clear()
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join(timeout)

    def _hand_over(self, one: _Waiting) -> None:
        with self._changed:
            if self._closed:
                raise Busy("this process is ending")
            if self._open >= self._most or self._bytes + one.size > MOST_BYTES_WAITING:
                raise Busy(f"{self._open} requests wait to be stored")
            if self._writer is None or not self._writer.is_alive():
                writer = threading.Thread(target=self._write, name="batcher", daemon=True)
                writer.start()
                self._writer = writer
            self._open += 1
            self._bytes += one.size
            turn = self._read.get(one.loop)
            if turn is None:
                turn = self._read[one.loop] = []
                one.loop.call_soon(self._end_turn, one.loop)
            turn.append(one)

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._changed:
            self._waiting.extend(self._read.pop(loop, ()))
            self._changed.notify()

    def _write(self) -> None:
        while batch := self._take():
            try:
                stored = store(self._system, [one.request for one in batch])
                for one, results in zip(batch, stored, strict=True):
                    if not isinstance(results, Exception):
                        observe(one.request, results)
                        hint(self._system, results)
            finally:
                # Whatever breaks ends this thread, and the next request begins another: the room is for that one.
                self._let_go(batch)
            answers: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Received | Exception]]] = {}
            for one, results in zip(batch, stored, strict=True):
                answer = results if isinstance(results, Exception) else summary_of(results)
                answers.setdefault(one.loop, []).append((one, answer))
            for loop, given in answers.items():
                _wake(loop, given)

    def _take(self) -> list[_Waiting]:
        """What waits, as much as goes into one commit; empty when it is over."""
        batch: list[_Waiting] = []
        events = size = 0
        with self._changed:
            while not batch:
                while self._waiting and events < MOST_TOGETHER and size < MOST_BYTES_TOGETHER:
                    one = self._waiting.popleft()
                    if one.answer.done():
                        # Its sender was told to come again; then it need not be stored now.
                        self._open -= 1
                        self._bytes -= one.size
                        continue
                    batch.append(one)
                    events += len(one.request)
                    size += one.size
                if batch or self._closed:
                    break
                self._changed.wait()
        return batch

    def _let_go(self, batch: Sequence[_Waiting]) -> None:
        with self._changed:
            self._open -= len(batch)
            self._bytes -= sum(one.size for one in batch)


def _wake(loop: asyncio.AbstractEventLoop, given: list[tuple[_Waiting, Received | Exception]]) -> None:
    """One wake-up for the whole batch."""
    try:
        loop.call_soon_threadsafe(_answer, given)
    except RuntimeError:
        # The loop is closed: nobody waits any more. What was stored is stored, and comes again as a duplicate.
        logger.info("answers_not_awaited", requests=len(given))


def _answer(given: list[tuple[_Waiting, Received | Exception]]) -> None:
    for one, result in given:
        if one.patience is not None:
            one.patience.cancel()
        if one.answer.done():
            continue
        if isinstance(result, Exception):
            one.answer.set_exception(result)
        else:
            one.answer.set_result(result)


def _give_up(one: _Waiting) -> None:
    if not one.answer.done():
        one.answer.set_exception(Busy("storing takes too long"))
