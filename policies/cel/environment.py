"""The declared facts before one engine or the other: which is chosen, what types facts must have, what may be compiled.

The engines are lax about what they are given (True counts as 1, text is cut at NUL), each in its own way; so types are
checked here, alike for both, before either sees a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from math import isfinite
from time import thread_time
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel

from policies.cel.contract import Backend, Bound, Engine, Fault, Program, Refused, checked_text, reason

_PYTHON: Final[dict[Any, type]] = {AwareDatetime: datetime}
INT64: Final = 2**63
_PLAIN: Final = frozenset({str, bool, list})
#: a decision that has taken so much of its thread's CPU time is not made by the rules that are still to be asked
SECONDS: Final = 2.0
_BACKENDS: Final = {"google": "policies.cel.google", "rust": "policies.cel.rust"}
_PACKAGES: Final = {"google": "cel-expr-python", "rust": "common-expression-language"}


_chosen: Engine = "auto"


class NoEngine(RuntimeError):
    """The engine that was asked for cannot be imported."""


class Environment:
    """The declared facts: what conditions are checked against, and what must be bound, all of it, each time."""

    def __init__(self, declared: type[BaseModel], engine: Engine = "auto") -> None:
        """Raise `NoEngine` where there is none."""
        self.facts: Final = frozenset(declared.model_fields)
        self._python: Final[dict[str, type]] = {}
        for name, info in declared.model_fields.items():
            annotation: Any = info.annotation
            is_list = getattr(annotation, "__origin__", None) is list
            self._python[name] = list if is_list else _PYTHON.get(annotation, annotation)
        self._backend: Final[Backend] = _module(engine).Backend(self._python)

    @property
    def engine(self) -> str:
        """Name and version, for the decision record."""
        return self._backend.engine

    @property
    def checks(self) -> bool:
        """Whether `compile` finds all that can be known beforehand. If not, only what was checked elsewhere may be loaded."""
        return self._backend.checks

    def compile(self, text: str) -> Program:
        """Compile a condition and check what this engine can. Raise `Refused`."""
        return self._backend.compile(checked_text(text))

    def bind(self, facts: Mapping[str, Any], names: Iterable[str] | None = None) -> Bound | Fault:
        """Make facts ready for evaluation. Each declared fact must be there, and nothing else. With `names` only those are
        looked at and bound: for conditions that name no other, and facts that `Facts` has seen."""
        declared = self._python
        if names is None and facts.keys() != declared.keys():
            return Fault("the facts are not exactly those declared")
        bound: dict[str, Any] = {}
        value: Any
        for name in declared if names is None else names:
            value, python = facts[name], declared[name]
            if value.__class__ is not python or python not in _PLAIN:
                value = _checked(name, python, value)
                if value.__class__ is Fault:
                    return value
            bound[name] = value
        try:
            return Bound(self._backend.activation(bound), thread_time() + SECONDS)
        except Exception as error:  # noqa: BLE001 - facts that the engine cannot take are an error of every rule
            return Fault(reason(error))


def _checked(name: str, python: type, value: object) -> Any:
    # A bool is an int to Python, and 1 to an engine.
    if python is int and isinstance(value, int) and not isinstance(value, bool):
        fits = -INT64 <= value < INT64
        return value if fits else Fault(f"the fact {name} is larger than a condition can take")
    if python in _PLAIN and isinstance(value, python):
        return value
    if python is float and isinstance(value, float):
        return value if isfinite(value) else Fault(f"the fact {name} is no number")
    if python is datetime and isinstance(value, datetime):
        # A naive time would be taken for the process's own; and one engine asks a time for the hour where it was told.
        return _utc(value) if value.tzinfo is not None else Fault(f"the fact {name} has no time zone")
    return Fault(f"the fact {name} is no {python.__name__}")


def choose(engine: Engine) -> None:
    """What ``auto`` means in this process from now on. Raise `NoEngine` where that cannot be had."""
    global _chosen  # noqa: PLW0603 - one setting of the process, made when it starts
    if engine != "auto":
        _module(engine)
    _chosen = engine


def _utc(moment: datetime) -> datetime:
    """A time at the very edge of the calendar has no UTC; the engine says so itself."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment


def installed() -> str:
    """The engine that ``auto`` means here, by name and version; empty where there is none."""
    with suppress(NoEngine):
        return str(_module("auto").ENGINE)
    return ""


def _module(engine: Engine) -> Any:
    wanted = _chosen if engine == "auto" else engine
    missing: list[str] = []
    for name in ("google", "rust") if wanted == "auto" else (wanted,):
        try:
            return import_module(_BACKENDS[name])
        except ImportError as error:
            missing.append(f"{_PACKAGES[name]} ({error})")
    raise NoEngine(f"no engine for the policy's conditions: cannot import {' nor '.join(missing)}")


__all__ = ["SECONDS", "Environment", "NoEngine", "Refused", "choose", "installed"]
