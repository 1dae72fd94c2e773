"""Threads for what a delivery needs besides its commit: whose token it shows, a large body's proof, a place in quarantine.

They are the doors' own, so that a page that waits for the database keeps no delivery out, and nobody waits in or for one longer
than a delivery may: a sender gets a 503 from a database that hangs, as it does from `RequestBatcher`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from workers.intake.batching import Busy

P = ParamSpec("P")
T = TypeVar("T")

#: each is a statement or two, or some milliseconds of computing
THREADS = 8


class DoorThreads:
    """One per web process."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="door")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns, or raises. Raise `Busy` where that takes too long; what was begun then goes on for nobody."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._longest):
                return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))
        except TimeoutError as error:
            raise Busy("the database takes too long") from error

    def close(self) -> None:
        """Begin nothing more. What is under way is not waited for: nobody would hear of it."""
        self._threads.shutdown(wait=False, cancel_futures=True)
