"""How Anthropic's models are asked, as the settings say it: thinking and streaming. Made by `make`, read by `client`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from integrations.models.base import Task

#: What is worth thinking about. Sorting and summarising is not: it would cost more and come later.
_WORTH_IT: Final[frozenset[Task]] = frozenset({"plan", "draft", "judge"})

#: the service's smallest budget
_LEAST: Final = 1024

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Options:
    """`thinking` is ``off``, ``adaptive``, a budget in tokens, or None for what the model does by itself."""

    thinking: str | int | None = None
    stream: bool = False

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Raise `ValueError` for what cannot be read."""
        return cls(_thinking(env.get("ANTHROPIC_THINKING", "")), yes("ANTHROPIC_STREAM", env))

    def thinking_for(self, task: Task) -> dict[str, Any] | None:
        if self.thinking == "off":
            return {"type": "disabled"}
        if self.thinking is None or task not in _WORTH_IT:
            return None
        if self.thinking == "adaptive":
            return {"type": "adaptive"}
        return {"type": "enabled", "budget_tokens": self.thinking}


def yes(name: str, env: Mapping[str, str]) -> bool:
    said = env.get(name, "").strip().lower()
    if said in _YES:
        return True
    if said in _NO:
        return False
    raise ValueError(f"{name} is {said!r}; it can be true or false.")


def _thinking(said: str) -> str | int | None:
    said = said.strip().lower()
    if not said:
        return None
    if said in {"off", "adaptive"}:
        return said
    if said.isdecimal() and int(said) >= _LEAST:
        return int(said)
    raise ValueError(
        f"ANTHROPIC_THINKING is {said!r}; it can be off, adaptive, or a number of tokens from {_LEAST} on."
    )
