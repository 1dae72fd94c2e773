"""An agent of the house in memory that may look things up: charges, a help page that is long, and one thing at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field

from integrations.base import Record
from integrations.errors import Permanent
from tests.kit.engine import AGENT, Engine
from tests.kit.house import House
from workers.agents.inquiry import Inquiry
from workers.agents.tools import Arguments, Lookup

LONG = "".join(f"Paragraph {n}: boots are waxed twice a year. " for n in range(400))


class Charge(Arguments):
    charge_id: str = Field(max_length=40)


def house(inquiry: Inquiry) -> House:
    found = inquiry.readers.find("house", House)
    assert found is not None
    return found


def find_charge(inquiry: Inquiry, wanted: Charge) -> Sequence[Record]:
    if wanted.charge_id == "ch_none":
        raise Permanent("There is no charge 'ch_none'.")
    found = house(inquiry).charge(wanted.charge_id)
    return [found] if found is not None else []


def read_page(inquiry: Inquiry, wanted: Arguments) -> Sequence[Record]:
    house(inquiry)._read("page")
    return [Record("house:page:1", "page", "A page", {"text": LONG}, "", trusted=False)]


LOOKUPS = (
    Lookup("find_charge", "A charge by its id.", Charge, find_charge),
    Lookup("read_page", "A long page.", Arguments, read_page),
)


def looking(engine: Engine, *turns: Sequence[Any], lookups: Sequence[Lookup] = LOOKUPS) -> Engine:
    """The engine with an agent and a model that look up: `turns` are the calls that the model asks for."""
    engine.model.uses_tools = True
    engine.model.turns = [list(calls) for calls in turns]
    engine.system.agents["support"] = replace(AGENT, tools=tuple(lookups))
    return engine


def lookup(name: str, read: Callable[[Inquiry, Any], Sequence[Record]], *, alone: bool = False) -> Lookup:
    return Lookup(name, "Whatever the test says.", Arguments, read, alone=alone)
