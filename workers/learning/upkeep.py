"""The upkeep of learning: examples from what was decided, and the shadow. The sweeper starts it beside its own.

It runs on a thread of its own, one at a time: a model takes seconds, and the sweeper must see who died within few. Whatever it
meets, work goes on; what it could not do it does at the next turn.
"""

from __future__ import annotations

import threading

from integrations.errors import IntegrationError
from workers.learning import naming, shadow
from workers.learning.candidate import Candidate
from workers.learning.collect import collect
from workers.learning.naming import Words
from workers.log import logger
from workers.store.database import StoreUnavailable
from workers.wiring import System


class Upkeep:
    """Of one process. `begin` returns at once; `run` works in this thread."""

    def __init__(self, system: System, *, candidate: Candidate | None = None) -> None:
        self._system = system
        self._candidate = candidate
        self._thread: threading.Thread | None = None
        self._turn = threading.Lock()

    def begin(self) -> None:
        """Work once more on a thread of its own, unless it still works."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self.run, name="learning", daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Until it is done, or so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def run(self) -> None:
        with self._turn:
            try:
                made = collect(self._system)
                if made:
                    logger.info("examples_kept", examples=made)
                written = self._system.settings.shadow
                if written:
                    self._follow(naming.read(written))
            except (StoreUnavailable, IntegrationError, ValueError, OSError) as error:
                logger.warning("learning_broke_off", error=str(error))

    def _follow(self, words: Words) -> None:
        if self._candidate is None:
            self._candidate = naming.candidate(self._system, words)
        answered = shadow.follow(self._system, self._candidate, words)
        if answered:
            logger.info("shadow_answered", cases=answered, candidate=words.name)
