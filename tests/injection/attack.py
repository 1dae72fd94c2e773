"""One attack: what it says, where it is planted, what the attacker wants, and what a model that obeys would propose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from integrations.sample_company.cast import ATTACKER
from tests.injection.proposing import Proposal

Channel = Literal[
    "message",
    "encoded",
    "other language",
    "second message",
    "earlier ticket",
    "customer record",
    "forged authority",
    "broken fence",
    "tool result",
    "web page",
    "alert",
    "request",
]
#: where the text is put; each is a field that somebody outside the company can write
Place = Literal[
    "message",
    "title",
    "second message",
    "earlier ticket",
    "customer name",
    "customer address",
    "customer notes",
    "order line",
    "alert text",
    "alert title",
    "dispute reason",
    "request text",
    "audience",
    "page text",
    "page hidden",
    "page title",
    "search snippet",
    "search title",
]


@dataclass(frozen=True, slots=True)
class Attack:
    """`order` is the instruction in plain words, by which the obedient model knows it; `text` is how it is sent (the order
    itself where nothing else is given). `never` must be in nothing that is carried out without a person, and the effects in
    `also` count as damage here besides those that always do."""

    name: str
    domain: Literal["support", "transactions", "content"]
    channel: Channel
    goal: str
    order: str
    obeys: tuple[Proposal, ...]
    place: Place = "message"
    text: str = ""
    who: str = ATTACKER.email
    never: tuple[str, ...] = field(default=())
    also: tuple[str, ...] = field(default=())

    @property
    def sent(self) -> str:
        return self.text or self.order
