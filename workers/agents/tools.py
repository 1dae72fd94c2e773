"""What an agent may look up by itself while it thinks: declared beside its sources, offered to a model as tools.

A look-up reads through Readers and gives Records: data with where it came from and whether that origin is trusted, never
an instruction and never a change. The loop makes the calls; what they give becomes facts of the case, so the policy sees
where every value came from. A look-up chooses among the records of the case's own customer or account: what a stranger
names, and what a model makes of it, must never open somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from integrations.base import Record
from integrations.models.base import Tool, ToolCall
from workers.agents.inquiry import Inquiry

MORE = "more"
ASK = "ask_agent"
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")


class Arguments(BaseModel):
    """Base of the arguments of look-ups: nothing that was not asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Lookup:
    """One thing that a model may ask for.

    `read` gives records; an empty answer is an answer too. It is offered where the case's system has all Readers in `needs`.
    Look-ups of one turn are made at the same time, since none changes anything; one with `alone` waits for the others,
    for a system that is asked one thing at a time.
    """

    name: str
    description: str
    arguments: type[BaseModel]
    read: Callable[[Inquiry, Any], Sequence[Record]]
    needs: tuple[type[Any], ...] = ()
    alone: bool = False

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(f"a look-up cannot be called {self.name!r}: up to 40 lower-case letters, digits and _")

    @property
    def tool(self) -> Tool:
        return Tool(self.name, self.description, self.arguments)


class More(Arguments):
    """Which part of a long result to read."""

    result: str = Field(description="The long result's own name, as it was given with its first page", max_length=20)
    page: int = Field(1, ge=1, description="The page to read, or to begin the summary with")
    summary: bool = Field(False, description="True: a summary of what is there from that page on, instead of the page")


MORE_TOOL = Tool(
    MORE,
    "Reads on in a result that was too long to be given whole: one page of it, or a summary from a page on.",
    More,
)


def offered(lookups: Sequence[Lookup], inquiry: Inquiry) -> dict[str, Lookup]:
    """The look-ups that the case's system can serve, by name."""
    return {
        lookup.name: lookup
        for lookup in lookups
        if all(inquiry.reader(protocol) is not None for protocol in lookup.needs)
    }


def checked(call: ToolCall, arguments: type[BaseModel]) -> BaseModel | str:
    """A call's arguments, or what is wrong with them in words that the model can act on."""
    if call.flaw is not None:
        return call.flaw
    try:
        return arguments.model_validate(dict(call.arguments))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[:3]
        return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {item['msg']}" for item in wrong)


def content_of(records: Sequence[Record]) -> list[Mapping[str, Any]]:
    """Records as a model reads them: their data, each with the ref by which it is cited."""
    return [{**record.data, "ref": record.ref} for record in records]
