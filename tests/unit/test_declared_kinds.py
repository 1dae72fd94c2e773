"""A kind that could never be carried out is refused where it is declared, so that the start stops and not an approved action."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Protocol

import pytest
from pydantic import Field

from workers.actions.base import Arguments
from workers.actions.support import REPLY


class Why(StrEnum):
    LATE = "late"


class Part(Arguments):
    day: date


class Plain(Arguments):
    body: Annotated[str, Field(min_length=1)]
    count: int | None = None
    why: Literal["late", "early"] = "late"
    tags: list[str] = Field(default_factory=list)


class Unmarked(Protocol):
    def reply(self) -> None: ...


def changed(**changes):
    fields = {name: getattr(REPLY, name) for name in REPLY.__dataclass_fields__}
    return type(REPLY)(**fields | changes)


@pytest.mark.parametrize("kind", [date, Why, Decimal, float, tuple[str, ...], set[str], Part, list[Part]], ids=str)
def test_an_argument_that_does_not_come_back_from_json_is_refused(kind):
    arguments = type("Odd", (Arguments,), {"__annotations__": {"body": str, "odd": kind | None}})

    with pytest.raises(ValueError, match=r"'odd'|'day'"):
        changed(arguments=arguments)


@pytest.mark.parametrize(
    "wrong",
    [{"sentence": "Send {boddy}"}, {"long_fields": ("boddy",)}, {"letter": "boddy"}],
    ids=lambda one: next(iter(one)),
)
def test_a_name_that_is_no_argument_is_refused(wrong):
    with pytest.raises(ValueError, match="has no argument 'boddy'"):
        changed(arguments=Plain, **wrong)


def test_a_writer_that_cannot_be_found_by_its_methods_is_refused():
    with pytest.raises(ValueError, match="@runtime_checkable"):
        changed(writer=Unmarked)


def test_what_is_plain_is_taken():
    assert changed(arguments=Plain, sentence="{customer}: {body}, {amount}").arguments is Plain


UNASSIGNED = """
from enum import StrEnum
from integrations import base
base.EventType = StrEnum("EventType", {one.name: one.value for one in base.EventType} | {"LOST": "parcel.lost"})
import workers.intake.receive
"""


def test_an_event_type_on_which_nobody_works_stops_the_start_and_not_each_event():
    done = subprocess.run([sys.executable, "-c", UNASSIGNED], capture_output=True, text=True, timeout=120, check=False)

    assert "nobody works on events of type parcel.lost" in done.stderr
