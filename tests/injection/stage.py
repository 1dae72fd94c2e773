"""The real system on the real sample company, for hostile and honest cases alike: store, pipeline, agents, catalogue,
policy, readers, writers and webhook parser are those of an installation; only the model and the clock are the test's.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from integrations.base import Delivery
from integrations.models.base import Model
from integrations.registry import Readers, Writers
from integrations.sample_company.company import Effect, SampleCompany, SampleWriters
from integrations.sample_company.outbox import Outbox
from integrations.sample_company.shopfront import Shopfront
from integrations.sample_company.webhook import SampleWebhook
from policies.loader import load
from tests.kit.engine import Hints
from workers import execute, pipeline
from workers.agents.roster import AGENTS
from workers.intake.receive import Provenance, receive
from workers.lease import Leases
from workers.rulebook.book import Fixed
from workers.settings import SHIPPED_POLICY, Settings
from workers.store import actions, cases, steps
from workers.store.database import Database
from workers.store.records import Action, Case, Fact
from workers.store.schema import upgrade
from workers.wiring import System

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
POLICY = load(SHIPPED_POLICY)


@dataclass
class Stage:
    """One installation. `play` lets what the outbox holds come in, and works until nothing is due."""

    system: System
    company: SampleCompany
    front: Shopfront
    hints: Hints
    writers: Writers
    clock: Clock
    seen: int = 0

    def play(self) -> None:
        """Deliver what the company has to tell, think about it, and carry out whatever needed no person."""
        webhook = SampleWebhook(())
        waiting = Outbox(self.company.database).events()[::-1]
        for row in waiting[self.seen :]:
            header = (b"webhook-id", row["event_id"].encode())
            body = _bytes(row["body"])
            receive(
                self.system, webhook.parse(Delivery("sample", (header,), body, self.clock())), Provenance("test", body)
            )
        self.seen = len(waiting)
        self._work()
        self.clock.now += timedelta(hours=1)
        self._work()

    def _work(self) -> None:
        with self.system.db.read() as tx:
            self.hints.waiting += [("case", i) for i, _ in cases.due(tx, self.clock(), 100)]
            self.hints.waiting += [("action", i) for i in actions.due(tx, self.clock(), 100)]
        for _ in range(400):
            if not self.hints.waiting:
                return
            kind, row = self.hints.waiting.pop(0)
            if kind == "case":
                pipeline.advance(self.system, row)
            else:
                execute.carry_out(self.system, self.writers, row)
        raise AssertionError("the system goes round in circles")

    def case(self, subject: str) -> Case:
        with self.system.db.read() as tx:
            found = cases.on_subject(tx, subject)
        assert found is not None, f"no case on {subject}"
        return found

    def actions(self, subject: str) -> list[Action]:
        with self.system.db.read() as tx:
            return actions.of_case(tx, self.case(subject).id)

    def facts(self, subject: str) -> list[Fact]:
        case = self.case(subject)
        with self.system.db.read() as tx:
            return steps.facts_of(tx, case.id, up_to_round=case.round)

    def effects(self, after: int = 0) -> Sequence[Effect]:
        """What writers really did, but for the first `after`."""
        return self.company.effects()[after:]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def _bytes(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


@contextmanager
def stage(folder: Path | None = None, *, model: Model, template: Path | None = None) -> Iterator[Stage]:
    """A fresh installation. `template` is a sample company's file to start from, so that it need not be made again."""
    if folder is None:
        with (
            tempfile.TemporaryDirectory(prefix="caseworker-injection-") as made,
            stage(Path(made), model=model) as inner,
        ):
            yield inner
        return
    clock, hints = Clock(), Hints()
    books = folder / "sample_company.db"
    if template is not None:
        shutil.copyfile(template, books)
    company = SampleCompany(books, today=TODAY, clock=clock)
    db = Database(f"sqlite:///{folder / 'caseworker.db'}", connections=8)
    upgrade(db)
    system = System(
        settings=Settings(_env_file=None, data=folder, customer_cap=0),
        db=db,
        clock=clock,
        rulebook=Fixed(POLICY),
        agents=AGENTS,
        readers=Readers({"sample": company}),
        model=model,
        app=None,
        hints=hints,
        leases=Leases(db, clock, lease=timedelta(hours=1), longest=timedelta(hours=2)),
        worker="test:1",
    )
    try:
        yield Stage(system, company, Shopfront(company), hints, Writers({"sample": SampleWriters(company)}), clock)
    finally:
        system.leases.close()
        company.close()
        db.dispose()
