"""`caseworker worker` as processes of its own on one data folder, for tests of what a fleet does; and the door beside them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from integrations.base import EventType, InboundEvent
from integrations.sample_company.cast import ANA
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.shopfront import Shopfront
from tests.kit.forked import Forked
from tests.kit.migrated import migrate
from workers import wiring
from workers.intake.receive import Provenance, receive
from workers.settings import Settings
from workers.store import cases
from workers.store.records import Case, CaseState

TRIAGE = {
    "summary": "A torn rain cover",
    "language": "en",
    "risk_flags": [],
    "abstain": False,
    "intent": "damaged_item",
    "sentiment": "neutral",
    "urgency": "normal",
    "entities": {},
    "confidence": {"intent": 0.95, "sentiment": 0.9, "urgency": 0.9, "language": 0.99},
}
TAGGED = {
    "summary": "Tag it",
    "unsure": None,
    "actions": [
        {
            "kind": "add_tags",
            "arguments": {"tags": ["damaged-item"]},
            "rationale": "It arrived torn.",
            "citations": [],
            "confidence": 0.95,
        }
    ],
}


def tag_everything(request):
    """What a model of these tests answers."""
    return TAGGED if "actions" in str(request["output_config"]) else TRIAGE


class Workers:
    """One installation with a broker, and processes that can be started and stopped."""

    def __init__(self, folder: Path, broker_url: str, *, database_url: str = "", **environment: str) -> None:
        self.folder = folder
        database_url = database_url or f"sqlite:///{folder / 'caseworker.db'}"
        self.environment = {
            "CASEWORKER_BROKER_URL": broker_url,
            "CASEWORKER_DATABASE_URL": database_url,
            "CASEWORKER_LOG_FORMAT": "json",
            "CASEWORKER_LOOP_TURNS": "0",
            **environment,
        }
        settings = Settings(_env_file=None, data=folder, broker_url=broker_url, database_url=database_url)
        self.system = wiring.build(settings, environment={})
        migrate(self.system.db)
        self.company = SampleCompany(folder / "sample_company.db")
        self.front = Shopfront(self.company)
        self.processes: list[Forked] = []

    def start(self, *command: str, program: str = "workers.cli", **environment: str) -> Forked:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONWARNINGS": "ignore",
            "CASEWORKER_DATA": str(self.folder),
            **self.environment,
            **environment,
        }
        process = Forked(program, command, env=env, cwd=self.folder, log=self.folder / "log")
        self.processes.append(process)
        return process

    def ticket(self, *, received: bool = True) -> str:
        """Ana writes; the case's subject."""
        ticket = self.front.write_ticket(ANA.email, f"Torn {ANA.order_number}", "My rain cover arrived torn.")
        subject = f"sample:ticket:{ticket}"
        if received:
            now = self.system.clock()
            data = {"title": "Torn", "text": "My rain cover arrived torn.", "requester_email": ANA.email}
            event = InboundEvent("sample", subject, EventType.TICKET_CREATED, "ticket", subject, now, data)
            receive(self.system, [event], Provenance("test", b"{}"))
        return subject

    def cases(self) -> list[Case]:
        with self.system.db.read() as tx:
            return cases.listing(tx, limit=500)

    def closed(self) -> int:
        return sum(case.state == CaseState.CLOSED for case in self.cases())

    def decided(self) -> int:
        """How many are thought through and wait to be carried out."""
        return sum(case.state == CaseState.ACTING for case in self.cases())

    def tagged(self) -> int:
        return len(self.company.effects("add_tags"))

    def until(self, true: Callable[[], bool], otherwise: str, seconds: float = 200.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"{otherwise}: {self.cases()}\n{self.log()}"
            time.sleep(0.05)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait(60)
        self.company.close()
        self.system.close()
