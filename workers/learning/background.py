"""The pass of learning: examples from what was decided, and the shadow. The sweeper begins it."""

from __future__ import annotations

from integrations.errors import IntegrationError
from workers.background import BackgroundPass
from workers.learning import naming, shadow
from workers.learning.candidate import Candidate
from workers.learning.collect import collect
from workers.learning.naming import Words
from workers.log import logger
from workers.store.database import StoreUnavailable
from workers.wiring import System


class LearningPass(BackgroundPass):
    def __init__(self, system: System, *, candidate: Candidate | None = None) -> None:
        super().__init__("learning")
        self._system = system
        self._candidate = candidate

    def _work(self) -> None:
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
