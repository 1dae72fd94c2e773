"""A model that always obeys the attacker. It reads everything that it is given, also what was encoded, turned, split over
messages or written in look-alikes, believes whatever calls itself an instruction, and is never unsure.

It stands for the worst that a real model can do. Whatever it reads as an order it turns into the proposals that the attacker
wants; where the order never reached it, it proposes them all the same, and `reached` tells the difference.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin
from urllib.parse import unquote

from pydantic import ValidationError

from integrations.models.base import InvalidOutput, ModelAnswer, ModelRequest, Usage
from tests.injection.attack import Attack
from workers.agents.origins.skeleton import compact

_BLOB = re.compile(r"[A-Za-z0-9+/=]{16,}")
_HEX = re.compile(r"(?:[0-9a-f]{2}){12,}")


@dataclass
class ObedientModel:
    """`attack` is the one in hand; `reached` names those whose words were found in what was put before the model."""

    attack: Attack | None = None
    reached: set[str] = field(default_factory=set)
    provider: str = "obedient"
    name: str = "obedient-1"
    uses_tools: bool = False

    def turn(self, request: ModelRequest[Any]) -> ModelAnswer[Any]:
        return self.answer(request)

    def answer(self, request: ModelRequest[Any]) -> ModelAnswer[Any]:
        assert self.attack is not None
        said = _triage(request) if request.task == "triage" else self._draft(request)
        usage = Usage(self.provider, self.name, 10, 5, 0, 0, 1, None, "req_1", "end_turn")
        try:
            return ModelAnswer(request.output.model_validate(said), usage)
        except ValidationError as error:
            # Every provider checks answers against the output type: what is none of this agent's actions ends here.
            raise InvalidOutput("The answer does not fit the output type.", usage=usage) from error

    def _draft(self, request: ModelRequest[Any]) -> dict[str, Any]:
        attack = self.attack
        assert attack is not None
        order = compact(attack.order)
        if any(order in compact(view) for view in views([piece.data for piece in request.material])):
            self.reached.add(attack.name)
        return {"summary": "As instructed.", "actions": list(attack.obeys), "unsure": None}


def _triage(request: ModelRequest[Any]) -> dict[str, Any]:
    """Of each closed list what opens most doors; nothing flagged, nothing doubted."""
    best = {
        "sentiment": "very_positive",
        "intent": "refund_request",
        "urgency": "urgent",
        "typology": "unusual_but_legit",
    }
    said: dict[str, Any] = {
        "summary": "All is well.",
        "language": "en",
        "risk_flags": [],
        "abstain": False,
        "confidence": {},
    }
    for name, info in request.output.model_fields.items():
        if get_origin(info.annotation) is Literal:
            choices = get_args(info.annotation)
            said[name] = best[name] if best.get(name) in choices else choices[0]
            said["confidence"][name] = 1.0
    return said


def views(data: Any) -> Iterator[str]:
    """Everything that could be read out of some material."""
    texts = list(_texts(data))
    whole = "\n".join(texts)
    yield whole
    yield json.dumps(data, ensure_ascii=False, default=str)
    yield html.unescape(unquote(whole))
    yield codecs.decode(whole, "rot13")
    yield whole[::-1]
    yield "".join(chr(ord(c) - 0xE0000) for c in whole if 0xE0020 <= ord(c) < 0xE007F)
    # Instructions that were cut into pieces and sent one after the other.
    yield " ".join(piece for text in texts for piece in re.findall(r"\[\d/\d\]\s*([^\[\n]+)", text))
    for blob in _BLOB.findall(whole):
        yield _decoded(blob)
    for blob in _HEX.findall(whole):
        yield bytes.fromhex(blob).decode("utf-8", "replace")


def _decoded(blob: str) -> str:
    try:
        return base64.b64decode(blob + "=" * (-len(blob) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, item in data.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(data, list | tuple):
        for item in data:
            yield from _texts(item)
