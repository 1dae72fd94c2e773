"""``caseworker`` with the house connected: ``python -m tests.faults.process worker --queues actions`` and so on.

The very commands that a fleet runs, on the very same wiring; only what is outside is exchanged: readers, Writers, the
rules, one agent, and a model key that tells the model server which process asks. Environment: HOUSE_URL, PROCESS_NAME.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from integrations.models.anthropic.client import AnthropicModel
from integrations.registry import Readers, Writers
from policies import loader
from policies.rules import Policy
from tests.faults import script
from tests.faults.clients import House, HouseWriter
from workers import wiring
from workers.agents.base import Agent, Inquiry, Source, Triage
from workers.cli import main, wired
from workers.guards import Guards
from workers.rulebook.book import Fixed
from workers.settings import SHIPPED_POLICY, Settings
from workers.wiring import System

RULES = Path(__file__).with_name("support.yaml")


class HouseTriage(Triage):
    intent: Literal["refund_request", "other"]


def _house(inquiry: Inquiry) -> House:
    found = inquiry.readers.find(script.SYSTEM, House)
    assert found is not None
    return found


def _customer(inquiry: Inquiry) -> list[object]:
    found = _house(inquiry).customer(str(inquiry.latest("requester_email")))
    return [] if found is None else [found]


def _charge(inquiry: Inquiry) -> list[object]:
    found = _house(inquiry).charge(f"ch_{script.number(inquiry.subject)}")
    return [] if found is None else [found]


AGENT = Agent(
    domain="support",
    triage=HouseTriage,
    primary="intent",
    sources=(
        Source("ticket", lambda inquiry: [_house(inquiry).ticket(inquiry.subject_id)], needed=True),
        Source("customer", _customer, needed=True),  # type: ignore[arg-type]  # lists are invariant
        Source("charge", _charge, needed=True),  # type: ignore[arg-type]  # lists are invariant
    ),
    kinds=script.KINDS,
)


def rules() -> Policy:
    """The shipped rules, with the proof's own for support."""
    shipped = loader.read(SHIPPED_POLICY)
    others = {file: text for file, text in shipped.items() if not Path(file).name.startswith("support.")}
    return loader.loads({**others, str(RULES): RULES.read_bytes()}, run_tests=False)


@contextmanager
def connected(settings: Settings) -> Iterator[System]:
    """What `wired.system` gives, with the house in place of the sample company."""
    with _plain(settings) as system:
        caller = f"{os.environ['PROCESS_NAME']}.{os.getpid()}"
        yield replace(
            system,
            readers=Readers({script.SYSTEM: House(os.environ["HOUSE_URL"])}, system.guards.wrap),
            agents={"support": AGENT},
            rulebook=Fixed(rules()),
            model=AnthropicModel(caller, model="model-x", base_url=os.environ["ANTHROPIC_BASE_URL"]),
        )


def hands(_settings: Settings, *, guards: Guards, **_: object) -> Writers:
    """The Writers: asked for by the worker of ``actions`` and by nobody else."""
    return Writers({script.SYSTEM: HouseWriter(os.environ["HOUSE_URL"])}, guards.wrap)


_plain = wired.system

if __name__ == "__main__":
    # What each thread stands at, in the log, for the report of a run in which something got stuck.
    faulthandler.register(signal.SIGUSR1)
    vars(wired)["system"] = connected
    vars(wiring)["hands"] = hands
    main()
