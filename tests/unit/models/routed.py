"""Models and routes for tests of the router: scripted answers, a clock that sleeping moves, and what was asked of whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from integrations.models.base import About, Material, ModelAnswer, ModelRequest, ToolCall, ToolUse, Usage
from integrations.models.router import Router, Seat
from integrations.models.routing import Route


class Said(BaseModel):
    by: str


def usage(provider: str, model: str = "m", cost: str = "0.01") -> Usage:
    return Usage(provider, model, 100, 10, 40, 0, 5, Decimal(cost), "req_1", "end_turn")


def request(task: str = "draft", *, turns: tuple[Any, ...] = (), domain: str = "support", **about: Any) -> Any:
    material = (Material("evt_1", "event", trusted=False, data={"text": "hello"}),)
    return ModelRequest(domain, task, "Do it.", material, Said, turns=turns, about=About(**about))  # type: ignore[arg-type]


@dataclass
class Scripted:
    """Raises or calls what stands in `script`, one a call; then answers."""

    provider: str
    name: str = "m"
    script: list[Any] = field(default_factory=list)
    asked: list[ModelRequest[Any]] = field(default_factory=list)
    uses_tools: bool = True
    learned: list[str] = field(default_factory=list)

    def answer(self, request: ModelRequest[Any]) -> ModelAnswer[Any]:
        self.asked.append(request)
        self._next()
        return ModelAnswer(request.output.model_validate({"by": self.provider}), usage(self.provider, self.name))

    def turn(self, request: ModelRequest[Any]) -> ModelAnswer[Any] | ToolUse:
        self.asked.append(request)
        self._next()
        calls = (ToolCall(f"c{len(request.turns)}", "look", {}),)
        return ToolUse(calls, usage(self.provider, self.name), native={self.provider: ["signed"]})

    def _next(self) -> None:
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step()


class Learner(Scripted):
    def prepare(self) -> None:
        self.learned.append("prepared")

    def retrain(self) -> None:
        self.learned.append("anew")


@dataclass
class Clock:
    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def passes(self, seconds: float, then: Exception) -> Callable[[], None]:
        """A call that takes so long and then fails."""

        def run() -> None:
            self.now += seconds
            raise then

        return run


def seat(model: Any, **route: Any) -> Seat:
    made = Route.model_validate({"provider": model.provider, **route})
    key = model.provider if made.model is None else f"{model.provider}/{made.model}"
    return Seat(key, made, lambda: model, free=made.free or model.provider == "local")


def router(*seats: Seat, clock: Clock | None = None, task: str = "draft", **more: Any) -> Router:
    clock = clock or Clock()
    more = {"sleep": clock.sleep, **more}
    return Router({task: seats}, monotonic=clock, jitter=lambda _low, high: high, **more)
