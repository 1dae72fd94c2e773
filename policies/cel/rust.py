"""The fallback engine: CEL as the Rust implementation ``common-expression-language`` runs it, where the main one cannot be.

It has no type check, so nothing is loaded with it that the main engine has not checked (`policies.checked`); and it has no
budget, so a decision that takes too long is broken off between two rules. Errors are raised, a panic past `Exception`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from time import thread_time
from typing import Any, Final

import cel

from policies.cel.contract import Bound, Fault, Refused, reason, short
from policies.cel.tree import Node

ENGINE: Final = f"common-expression-language {version('common-expression-language')}"

_MACRO = re.compile(r"\.\s*(?:exists|exists_one|all|filter|map)\s*\(\s*\(*\s*(\w+)")
_STOPS = (KeyboardInterrupt, SystemExit, GeneratorExit)


class Program:
    """One compiled condition."""

    __slots__ = ("_execute", "facts", "tree")

    def __init__(self, program: Any, facts: tuple[str, ...]) -> None:
        self.facts = facts
        self.tree: Node | None = None
        self._execute = program.execute

    def evaluate(self, bound: Bound | Fault) -> bool | Fault:
        """True, False or a `Fault`; raises nothing short of the process being told to stop."""
        if isinstance(bound, Fault):
            return bound
        if thread_time() > bound.until:
            return Fault("the decision takes too long")
        try:
            value = self._execute(bound.activation)
        except _STOPS:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of the engine is no Exception; none of them is a match
            return Fault(reason(error))
        if value is True:
            return True
        if value is False:
            return False
        return Fault(f"no answer but a {type(value).__name__}")


class Backend:
    """Compiles; what it cannot check was checked elsewhere. See `contract.Backend`."""

    engine: Final = ENGINE
    checks: Final = False

    def __init__(self, declared: Mapping[str, type]) -> None:
        self._facts = frozenset(declared)

    def compile(self, text: str) -> Program:
        try:
            program = cel.compile(text)
        except _STOPS:
            raise
        except BaseException as error:  # a panic of the engine is no Exception
            raise Refused(short(str(error)) or type(error).__name__) from error
        names = set(program.variables())
        if unknown := sorted(names - self._facts - set(_MACRO.findall(text))):
            raise Refused(f"undeclared reference to {unknown[0]!r}")
        return Program(program, tuple(sorted(names & self._facts)))

    def activation(self, facts: dict[str, Any]) -> Any:
        return cel.Context(variables=facts)
