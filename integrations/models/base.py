"""One interface to every language model: a typed question in, a validated object and its usage out.

A model gets instructions (ours, trusted), material (facts, each marked trusted or not) and an output type; it returns an
instance of that type or raises. It has no tools, no memory and no side effects. The caller journals the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

from integrations.errors import Permanent

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Material:
    """One piece put before the model.

    `name` is what prompts and macros call it (``ticket``, ``customer``, ``orders``, ``triage``); `ref` is how the answer
    cites it; `data` is plain JSON. Untrusted material is fenced as data in a prompt.
    """

    ref: str
    name: str
    trusted: bool
    data: Any


@dataclass(frozen=True, slots=True)
class Macro:
    """A standard way of working: what to propose when its condition holds. House style for a large model, and all that
    the local model drafts from.

    `when` is a Jinja2 expression over the material by name (``triage.intent == 'refund' and charge.refundable_minor``);
    each name in `needs` is a dotted path that must be present, else the macro does not apply. `proposals` are mappings
    ``{kind, arguments, rationale, cites}``; strings are Jinja2 templates, and a string that starts with ``$`` copies the
    value at that path with its type (``"$charge.amount_minor"``).
    """

    name: str
    when: str
    needs: tuple[str, ...]
    summary: str
    proposals: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ModelRequest(Generic[T]):
    domain: str
    task: Literal["triage", "draft"]
    instructions: str
    material: tuple[Material, ...]
    output: type[T]
    macros: tuple[Macro, ...] = ()
    max_output_tokens: int = 4096
    #: seconds for this call; None leaves it to the model
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used. Tokens are 0 for the local model; `cost_usd` is None where no price is known."""

    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    latency_ms: int
    cost_usd: Decimal | None
    request_id: str | None
    stop_reason: str


class Unanswered(Permanent):
    """The model gave nothing that can be used. `usage` is what it cost all the same, where that is known."""

    def __init__(self, message: str, *, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.usage = usage


class Refused(Unanswered):
    """The model declined to answer. A person must look."""


class InvalidOutput(Unanswered):
    """The answer did not fit the output type, also after one repair."""


@dataclass(frozen=True, slots=True)
class ModelAnswer(Generic[T]):
    output: T
    usage: Usage


class Model(Protocol):
    @property
    def provider(self) -> str: ...

    @property
    def name(self) -> str: ...

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        """Ask once. Raise `Temporary` (overload, time-out, connection), `Refused`, `InvalidOutput` or `Permanent`."""
