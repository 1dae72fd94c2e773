"""The pass of earned autonomy: decisions are kept, what ran by itself is watched. The sweeper begins it."""

from __future__ import annotations

from policies.errors import PolicyError
from workers.autonomy.keeping import keep
from workers.autonomy.watching import follow
from workers.background import BackgroundPass
from workers.log import logger
from workers.store.database import StoreUnavailable
from workers.wiring import System

CRASH_POINTS = ("autonomy.keeping", "autonomy.counting", "autonomy.taking_back", "autonomy.taken_back")


class AutonomyPass(BackgroundPass):
    def __init__(self, system: System) -> None:
        super().__init__("autonomy")
        self._system = system

    def _work(self) -> None:
        try:
            keep(self._system)
            follow(self._system)
        except (StoreUnavailable, PolicyError, ValueError) as error:
            logger.warning("autonomy_broke_off", error=str(error))
