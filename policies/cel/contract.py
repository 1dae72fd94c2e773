"""What a condition engine must be: two protocols, one three-way result, and nothing of any engine's own.

`google` and `rust` are written to this. Whatever an engine hands back, the rest of the policy sees True, False or a `Fault`,
by identity; nothing else ever passes for a match.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from policies.cel.tree import Node

MAX_LENGTH: Final = 2_000

#: ``auto`` is the main engine where it can be imported, else the fallback
Engine = Literal["auto", "google", "rust"]


class Refused(ValueError):
    """A condition that cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An evaluation that gave neither True nor False."""

    reason: str


@dataclass(frozen=True, slots=True)
class Bound:
    """One decision's facts, converted once and shared by all its conditions. `until` is when it has taken too long, in
    seconds of this thread's own CPU time, for an engine that has no budget."""

    activation: Any
    until: float


class Program(Protocol):
    """One compiled condition. Safe to share between threads and over a fork."""

    @property
    def facts(self) -> tuple[str, ...]:
        """The declared facts that it names, sorted."""

    @property
    def tree(self) -> Node | None:
        """What it consists of; None where the engine cannot say."""

    def evaluate(self, bound: Bound | Fault) -> bool | Fault:
        """True, False or a `Fault`; raises nothing short of the process being told to stop."""


class Backend(Protocol):
    """One engine, for one set of declared facts."""

    @property
    def engine(self) -> str:
        """Name and version, for the decision record."""

    @property
    def checks(self) -> bool:
        """Whether `compile` finds all that can be known beforehand. If not, only what was checked elsewhere may be loaded."""

    def compile(self, text: str) -> Program:
        """Compile a condition and check what this engine can. Raise `Refused`."""

    def activation(self, facts: dict[str, Any]) -> Any:
        """Convert facts, all of their declared types. May raise anything."""


def readable(text: str) -> bool:
    """The main engine cuts text at NUL, conditions and facts alike."""
    if text.isascii() and text.isprintable():
        return True
    return all(unicodedata.category(character) not in {"Cc", "Cs"} for character in text)


def checked_text(text: str) -> str:
    """A condition's text if any engine may have it. Raise `Refused`."""
    if len(text) > MAX_LENGTH:
        raise Refused(f"{len(text)} characters long: {MAX_LENGTH} at most")
    if not readable(text.replace("\n", " ").replace("\t", " ")):
        raise Refused("control characters and lone surrogates are refused")
    return text


def reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {short(str(error))}"


def short(text: str) -> str:
    plain = " ".join(ascii(text)[1:-1].split())
    return plain if len(plain) <= 200 else plain[:199] + "…"
