"""An engine whose model is the real local one, taught by what people decide: for what learning promises.

The support agent with a house in memory; the local model is trained once for a test run and shared, since nothing here
changes its labels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from integrations.models.local import LocalModel
from tests.kit.engine import AGENT, Engine, make_engine
from workers.agents.support import SupportTriage
from workers.learning.collect import collect
from workers.lessons.notebook import Notebook
from workers.lessons.taught import TaughtModel

PRAISE = "Thank you so much, the boots are wonderful and your service was great!"


@cache
def _local() -> LocalModel:
    model = LocalModel()
    model.prepare(["support"])
    return model


class Pupil:
    """The engine, and what a test does with it."""

    def __init__(self, folder: Path, *, url: str | None = None, taught: bool = True, model=None) -> None:
        engine = make_engine(folder, url=url)
        local = model or _local()
        self.notebook = Notebook(engine.system.db, fresh_seconds=0)
        self.engine: Engine = replace(
            engine,
            system=replace(
                engine.system,
                agents={"support": replace(AGENT, triage=SupportTriage)},
                model=TaughtModel(local, self.notebook) if taught else local,
            ),
        )
        self.system = self.engine.system
        self._tickets = 0

    def case(self, text: str = PRAISE) -> str:
        """One ticket, worked until it waits. Returns its case."""
        self._tickets += 1
        self.engine.clock.on(minutes=1)
        self.engine.event(delivery=f"d{self._tickets}", ticket=str(self._tickets), text=text)
        self.engine.drain()
        return self.engine.case().id

    def learn(self) -> int:
        return collect(self.system)
