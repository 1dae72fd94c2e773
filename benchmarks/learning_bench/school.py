"""A seeded run in which an operator keeps correcting one systematic mistake: real store, real pipeline, real decisions.

Two kinds of tickets come mixed. In the answer to praise the agent's last line is wrong every time, and the operator, who now and
then overlooks it, words it otherwise; the other answer is right, and must stay as it is. Counted is what the operator saw.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integrations.models import anthropic
from tests.kit.pupil import Pupil
from tests.servers.messages_api import MessagesApi

WRONG = "Enjoy the time outside."
RIGHT = "See you out there soon."
PRAISE = (
    "Thank you so much, the {} are wonderful and your service was great!",
    "Just to say thank you: the {} are great and your service is wonderful!",
    "Your service was great and the {} are wonderful, thank you so much!",
)
LOCKED_OUT = (
    "I forgot my password and cannot log in. The {} are in my basket.",
    "I cannot log in to my account any more, I wanted to order {}.",
)
THINGS = ("boots", "tents", "gloves", "jackets", "socks", "poles", "lamps", "ropes")
#: of a hundred drafts so many are approved with the mistake in them
OVERLOOKED = 0.03
WINDOW = 10


@dataclass
class Curve:
    """For each answer to praise, in order: whether the draft still had the mistake."""

    name: str
    mistakes: list[bool] = field(default_factory=list)
    #: right drafts that were spoilt by what was learned
    spoilt: int = 0
    corrections: int = 0

    def rates(self) -> list[float]:
        """The share of drafts with the mistake, for each ten of them."""
        return [
            sum(self.mistakes[start : start + WINDOW]) / len(self.mistakes[start : start + WINDOW])
            for start in range(0, len(self.mistakes), WINDOW)
        ]


def attend(pupil: Pupil, name: str, *, drafts: int, seed: int) -> Curve:
    """So many answers to praise, with as many others between them as chance has it."""
    chance, curve = random.Random(seed), Curve(name)
    while len(curve.mistakes) < drafts:
        praise = chance.random() < 0.7
        text = chance.choice(PRAISE if praise else LOCKED_OUT).format(chance.choice(THINGS))
        pupil.case(text)
        found = pupil.engine.actions("reply_to_customer")
        if not found or found[-1].state != "pending":
            raise AssertionError(f"no answer was drafted to {text!r}: {pupil.engine.case().attention}")
        body = found[-1].arguments["body"]
        if not praise:
            curve.spoilt += RIGHT in body
            pupil.engine.decide(found[-1])
        else:
            mistake = WRONG in body
            curve.mistakes.append(mistake)
            corrects = mistake and chance.random() >= OVERLOOKED
            curve.corrections += corrects
            pupil.engine.decide(found[-1], arguments={"body": body.replace(WRONG, RIGHT)} if corrects else None)
        pupil.learn()
    return curve


def local(folder: Path, *, drafts: int, seed: int, taught: bool = True) -> Curve:
    """The local model, with what it learns or without."""
    pupil = Pupil(folder, taught=taught)
    try:
        return attend(pupil, "local model" if taught else "without learning", drafts=drafts, seed=seed)
    finally:
        pupil.system.close()


def remote(folder: Path, *, drafts: int, seed: int) -> Curve:
    """A large model through its SDK, over HTTP, served here by what *imitates* one that follows examples."""
    with imitation() as url:
        env = {"ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": url, "ANTHROPIC_MODEL": "imitation"}
        pupil = Pupil(folder, model=anthropic.make(env))
        try:
            return attend(pupil, "examples in the prompt (imitated model)", drafts=drafts, seed=seed)
        finally:
            pupil.system.close()


@contextmanager
def imitation() -> Iterator[str]:
    """A server that drafts the standard letter, and follows what at least two examples in its prompt say.

    It shows that the right examples reach a prompt, and no more: how well a real model follows them it cannot show.
    """
    with MessagesApi() as api:
        api.answer(lambda request: _answer(_prompt(request)))
        yield api.url


def _prompt(request: dict[str, Any]) -> str:
    parts = []
    for message in request["messages"]:
        content = message["content"]
        parts += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return "\n".join(parts)


def _answer(prompt: str) -> dict[str, Any]:
    praise = "wonderful" in _event(prompt).casefold() or "thank you" in _event(prompt).casefold()
    if "## triage" not in prompt:
        return {
            "summary": "Praise." if praise else "Cannot log in.",
            "language": "en",
            "risk_flags": [],
            "confidence": {"intent": 0.95, "sentiment": 0.9, "urgency": 0.9},
            "abstain": False,
            "intent": "praise" if praise else "account_access",
            "sentiment": "positive" if praise else "neutral",
            "urgency": "normal",
            "entities": {},
        }
    last = WRONG if praise else "Please use the link on the sign-in page."
    taught = [
        change["to"]
        for example in _examples(prompt)
        if example["situation"].get("intent") == ("praise" if praise else "account_access")
        for change in example.get("changed_by_hand", ())
        if change["argument"] == "body"
    ]
    if taught and taught.count(taught[0]) >= 2:
        last = taught[0]
    body = f"Hello Ana,\n\nthank you for your message, we have all read it here.\n\n{last}\n\nKind regards"
    proposal = {
        "kind": "reply_to_customer",
        "arguments": {"body": body},
        "rationale": "A friendly answer.",
        "citations": [],
        "confidence": 0.9,
    }
    return {"summary": "An answer.", "actions": [proposal], "unsure": None}


def _event(prompt: str) -> str:
    found = re.search(r"^## event \(.*?\)\n(.*?)(?=^## |\Z)", prompt, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _examples(prompt: str) -> list[dict[str, Any]]:
    found = re.search(r"^## examples \(record[^\n]*\n(\[.*?^\])", prompt, re.MULTILINE | re.DOTALL)
    return json.loads(found[1]) if found else []
