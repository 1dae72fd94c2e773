"""The condition engine behind a strict adapter: CEL, as Google's ``cel-expr-python`` runs it. Nothing else imports it.

`loader` compiles and checks here, `engine` binds facts once a decision and evaluates. The engine hands errors back as
truthy text and is lax about what it is given; so this gives True, False or a `Fault`, by identity, and never lets
anything else pass for a match. No function of ours and no untyped value is reachable from a condition.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from cel_expr_python import cel
from pydantic import AwareDatetime, BaseModel

from policies.syntax import Call, read

ENGINE: Final = f"cel-expr-python {version('cel-expr-python')}"
MAX_LENGTH: Final = 2_000

_TYPES: Final = {
    str: cel.Type.STRING,
    int: cel.Type.INT,
    float: cel.Type.DOUBLE,
    bool: cel.Type.BOOL,
    AwareDatetime: cel.Type.TIMESTAMP,
}
_PYTHON: Final[dict[Any, type]] = {AwareDatetime: datetime}

_ERROR_LINE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")

# Compiled without a look at their text: a bad one fails only when it is used, so each literal is tried at load.
_ZONED = ("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "Hours", "Minutes", "Seconds")
_PROBES: Final = {
    "matches": ("regular expression", '"".matches(text)'),
    "timestamp": ("time", "timestamp(text)"),
    "duration": ("duration", "duration(text)"),
    **{f"get{part}": ("time zone", "moment.getHours(text)") for part in (*_ZONED, "Milliseconds")},
}


class Refused(ValueError):
    """A condition that cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An evaluation that gave neither True nor False."""

    reason: str


@dataclass(frozen=True, slots=True)
class Bound:
    """One decision's facts, converted once and shared by all its conditions."""

    activation: Any


class Program:
    """One compiled condition. Safe to share between threads and over a fork."""

    __slots__ = ("_evaluate", "facts")

    def __init__(self, expression: Any, facts: tuple[str, ...]) -> None:
        #: the declared facts that it names, sorted
        self.facts = facts
        self._evaluate = expression.eval

    def evaluate(self, bound: Bound | Fault) -> bool | Fault:
        """True, False or a `Fault`; raises nothing short of the process being told to stop."""
        if isinstance(bound, Fault):
            return bound
        try:
            value = self._evaluate(bound.activation).value()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in the engine is a rule error, never a match
            return Fault(_reason(error))
        if value is True:
            return True
        if value is False:
            return False
        return Fault(
            f"no answer: {_short(value)}" if isinstance(value, str) else f"no answer but a {type(value).__name__}"
        )


class Environment:
    """The declared facts: what conditions are checked against, and what must be bound, all of it, each time."""

    def __init__(self, declared: type[BaseModel]) -> None:
        self.facts: Final = frozenset(declared.model_fields)
        types: dict[str, Any] = {}
        self._python: dict[str, type] = {}
        for name, info in declared.model_fields.items():
            annotation: Any = info.annotation
            is_list = getattr(annotation, "__origin__", None) is list
            types[name] = cel.Type.List(cel.Type.STRING) if is_list else _TYPES[annotation]
            self._python[name] = list if is_list else _PYTHON.get(annotation, annotation)
        self._environment = cel.NewEnv(variables=types)
        probe = cel.NewEnv(variables={"text": cel.Type.STRING, "moment": cel.Type.TIMESTAMP})
        self._probes = {name: (what, probe, probe.compile(text)) for name, (what, text) in _PROBES.items()}

    def compile(self, text: str) -> Program:
        """Compile a condition and check everything that can be known before it meets facts. Raise `Refused`."""
        if len(text) > MAX_LENGTH:
            raise Refused(f"{len(text)} characters long: {MAX_LENGTH} at most")
        if not _readable(text.replace("\n", " ").replace("\t", " ")):
            raise Refused("control characters and lone surrogates are refused")
        try:
            expression = self._environment.compile(text)
        except Exception as error:  # the engine raises plain RuntimeError
            raise Refused(_compile_errors(error)) from error
        if expression.return_type() != cel.Type.BOOL:
            raise Refused(f"must be true or false, is {expression.return_type().name()}")
        syntax = read(expression.serialize())
        if hidden := sorted(syntax.variables & self.facts):
            raise Refused(f"the macro variable {hidden[0]!r} hides the fact of that name: call it otherwise")
        if syntax.loops > 1:
            raise Refused("a list macro inside a list macro can exceed the engine's budget: split the rule")
        if syntax.untyped:
            raise Refused("mixed or dynamic types cannot be checked: give every part one type, without dyn()")
        if not all(map(_readable, syntax.texts)):
            raise Refused("text with control characters never equals a fact: facts have none")
        for call in syntax.calls:
            self._try_literal(call)
        return Program(expression, tuple(sorted(syntax.names & self.facts)))

    def bind(self, facts: Mapping[str, Any]) -> Bound | Fault:
        """Make facts ready for evaluation. Each declared fact must be there, with its type, and nothing else."""
        if facts.keys() != self._python.keys():
            return Fault("the facts are not exactly those declared")
        for name, python in self._python.items():
            value = facts[name]
            # A bool is an int to Python, and 1 to the engine.
            if value.__class__ is not python and (not isinstance(value, python) or isinstance(value, bool)):
                return Fault(f"the fact {name} is no {python.__name__}")
        try:
            return Bound(self._environment.Activation(facts))
        except Exception as error:  # noqa: BLE001 - facts that the engine cannot take are an error of every rule
            return Fault(_reason(error))

    def _try_literal(self, call: Call) -> None:
        if call.function not in self._probes or not call.arguments:
            return
        what, probe, program = self._probes[call.function]
        literal = call.arguments[-1]
        if literal is None:
            raise Refused(f"the {what} of {call.function}() must be a literal, so that it is checked before use")
        if isinstance(literal, str):
            moment = datetime(2000, 1, 1, tzinfo=UTC)
            try:
                value = program.eval(probe.Activation({"text": literal, "moment": moment}))
            except Exception as error:  # the engine raises plain RuntimeError
                raise Refused(f"{literal!r} is no {what}: {_reason(error)}") from error
            if value.type() == cel.Type.ERROR:
                raise Refused(f"{literal!r} is no {what}: {_short(value.value())}")


def _readable(text: str) -> bool:
    """The engine cuts text at NUL, conditions and facts alike."""
    return all(unicodedata.category(character) not in {"Cc", "Cs"} for character in text)


def _compile_errors(error: Exception) -> str:
    found = [
        f"{message} (column {column})" if line == "1" else f"{message} (line {line}, column {column})"
        for line, column, message in _ERROR_LINE.findall(str(error))
    ]
    return "; ".join(found).replace(" (in container '')", "") or _short(str(error)) or type(error).__name__


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {_short(str(error))}"


def _short(text: str) -> str:
    plain = " ".join(ascii(text)[1:-1].split())
    return plain if len(plain) <= 200 else plain[:199] + "…"
