"""One interface to every language model: a typed question in, a validated object or calls of tools out, and its usage.

A model gets instructions (ours, trusted), material (facts, each marked trusted or not), an output type and perhaps tools that
it may ask for; it returns an instance of that type, or the calls that it wants made, or raises. It calls nothing itself, and
has no memory and no side effects. The caller makes the calls, journals each answer and puts them before the model again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

from integrations.errors import Permanent, Temporary

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


Task = Literal["triage", "extract", "plan", "draft", "judge", "summarise"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A look-up that a model may ask for. Arguments that do not fit `arguments` are told back to it."""

    name: str
    description: str
    arguments: type[BaseModel]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that a model wants made. `id` is the provider's; `flaw` says why its arguments cannot be used, if so."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    flaw: str | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave, as plain JSON. It is data, also where it reads like an order."""

    call_id: str
    name: str
    content: Any
    trusted: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """A finished exchange: what the model asked for and what came of it, every call with its result.

    `native` holds the provider's own blocks where they must be sent back unchanged (signed thinking), under the provider's
    name; a model of another provider reads the rest.
    """

    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult, ...]
    text: str = ""
    native: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class About:
    """What a request is about, for routing, budgets and privacy. Nothing of it is told to a model."""

    case_id: str = ""
    source: str = ""
    language: str = "und"
    #: the customer's tier as the CRM names it, "" where unknown
    tier: str = ""
    urgent: bool = False
    #: classes of data in the material, as the settings name them (``personal``, ``payment``, ``public``)
    data_classes: frozenset[str] = frozenset()

    def of(self, data_classes: frozenset[str]) -> About:
        """The same, with data of these classes."""
        return About(self.case_id, self.source, self.language, self.tier, self.urgent, data_classes)


@dataclass(frozen=True, slots=True)
class ModelRequest(Generic[T]):
    domain: str
    task: Task
    instructions: str
    material: tuple[Material, ...]
    output: type[T]
    macros: tuple[Macro, ...] = ()
    max_output_tokens: int = 4096
    #: seconds for this call; None leaves it to the model
    timeout: float | None = None
    tools: tuple[Tool, ...] = ()
    #: the conversation so far, oldest first
    turns: tuple[Turn, ...] = ()
    about: About = field(default_factory=About)

    def put(
        self,
        *,
        material: tuple[Material, ...] | None = None,
        instructions: str | None = None,
        output: type[T] | None = None,
        tools: tuple[Tool, ...] | None = None,
        turns: tuple[Turn, ...] | None = None,
        about: About | None = None,
    ) -> ModelRequest[T]:
        """The same question put otherwise. Named one by one: a general copy takes four times as long, several times a case."""
        return ModelRequest(
            self.domain,
            self.task,
            self.instructions if instructions is None else instructions,
            self.material if material is None else material,
            self.output if output is None else output,
            self.macros,
            self.max_output_tokens,
            self.timeout,
            self.tools if tools is None else tools,
            self.turns if turns is None else turns,
            self.about if about is None else about,
        )


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


class TooLong(Unanswered):
    """What was asked does not fit into the model's window. One with a larger window may answer."""


class Interrupted(Temporary):
    """The model failed for now, after it had been paid for something. `usage` is what that was."""

    def __init__(self, message: str, *, usage: Usage, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.usage = usage


@dataclass(frozen=True, slots=True)
class ModelAnswer(Generic[T]):
    """`earlier` lists what models used that were asked before this one and gave nothing; `remarks` say so to people."""

    output: T
    usage: Usage
    earlier: tuple[Usage, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model wants these calls made before it goes on. `text` and `native` go into the next request's `Turn`."""

    calls: tuple[ToolCall, ...]
    usage: Usage
    text: str = ""
    native: Mapping[str, Any] = field(default_factory=dict)
    earlier: tuple[Usage, ...] = ()
    remarks: tuple[str, ...] = ()


class Model(Protocol):
    @property
    def provider(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def uses_tools(self) -> bool:
        """Whether `turn` may answer with calls. Where not, a request's tools are passed over."""

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        """Ask once, without tools. Raise `Temporary` (overload, time-out, connection), `Refused`, `InvalidOutput` or
        `Permanent`."""

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T] | ToolUse:
        """Ask with tools: the final answer, or calls to be made first. Raises as `answer` does."""


class Embedder(Protocol):
    """Texts to vectors, for finding what is alike. The same `name` means comparable vectors."""

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int:
        """The length of its vectors. Where that is not known yet, the service is asked, and this raises as `embed` does."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text, in order. Raise `Temporary` or `Permanent`, and never give a part."""
