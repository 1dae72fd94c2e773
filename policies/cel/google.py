"""The main engine: CEL as Google's ``cel-expr-python`` runs it. Opened by `environment`; nothing else imports the package.

It checks types against the declared facts, has a budget, and hands errors back as truthy text: so only True and False by
identity count. No function of ours and no untyped value is reachable from a condition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from cel_expr_python import cel

from policies.cel import portable
from policies.cel.contract import Bound, Fault, Refused, reason, short
from policies.cel.tree import Name, Node, TooDeep, read, walk

ENGINE: Final = f"cel-expr-python {version('cel-expr-python')}"

_TYPES: Final = {
    str: cel.Type.STRING,
    int: cel.Type.INT,
    float: cel.Type.DOUBLE,
    bool: cel.Type.BOOL,
    datetime: cel.Type.TIMESTAMP,
    list: cel.Type.List(cel.Type.STRING),
}
_ERROR_LINE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")

# Compiled without a look at their text: a bad one fails only when it is used, so each literal is tried at load.
_PROBES: Final = {"matches": '"".matches(text)', "timestamp": "timestamp(text)", "duration": "duration(text)"}


class Program:
    """One compiled condition."""

    __slots__ = ("_evaluate", "facts", "tree")

    def __init__(self, expression: Any, facts: tuple[str, ...], tree: Node) -> None:
        self.facts = facts
        self.tree = tree
        self._evaluate = expression.eval

    def evaluate(self, bound: Bound | Fault) -> bool | Fault:
        """True, False or a `Fault`; raises nothing short of the process being told to stop."""
        if isinstance(bound, Fault):
            return bound
        try:
            value = self._evaluate(bound.activation).value()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in the engine is a rule error, never a match
            return Fault(reason(error))
        if value is True:
            return True
        if value is False:
            return False
        return Fault(
            f"no answer: {short(value)}" if isinstance(value, str) else f"no answer but a {type(value).__name__}"
        )


class Backend:
    """Compiles and checks; see `contract.Backend`."""

    engine: Final = ENGINE
    checks: Final = True

    def __init__(self, declared: Mapping[str, type]) -> None:
        self._facts = frozenset(declared)
        self._environment = cel.NewEnv(variables={name: _TYPES[python] for name, python in declared.items()})
        self._probe = cel.NewEnv(variables={"text": cel.Type.STRING})
        self._probes = {name: self._probe.compile(text) for name, text in _PROBES.items()}

    def compile(self, text: str) -> Program:
        try:
            expression = self._environment.compile(text)
        except Exception as error:  # the engine raises plain RuntimeError
            raise Refused(_compile_errors(error)) from error
        if expression.return_type() != cel.Type.BOOL:
            raise Refused(f"must be true or false, is {expression.return_type().name()}")
        try:
            checked = read(expression.serialize())
        except TooDeep as error:
            raise Refused(str(error)) from error
        portable.check(text, checked.tree, untyped=checked.untyped, facts=self._facts)
        for function, what, literal in portable.literals(checked.tree):
            self._try(function, what, literal)
        names = {node.name for node in walk(checked.tree) if isinstance(node, Name)}
        return Program(expression, tuple(sorted(names & self._facts)), checked.tree)

    def activation(self, facts: dict[str, Any]) -> Any:
        return self._environment.Activation(facts)

    def _try(self, function: str, what: str, literal: str) -> None:
        try:
            value = self._probes[function].eval(self._probe.Activation({"text": literal}))
        except Exception as error:  # the engine raises plain RuntimeError
            raise Refused(f"{literal!r} is no {what}: {reason(error)}") from error
        if value.type() == cel.Type.ERROR:
            raise Refused(f"{literal!r} is no {what}: {short(value.value())}")


def _compile_errors(error: Exception) -> str:
    found = [
        f"{message} (column {column})" if line == "1" else f"{message} (line {line}, column {column})"
        for line, column, message in _ERROR_LINE.findall(str(error))
    ]
    return "; ".join(found).replace(" (in container '')", "") or short(str(error)) or type(error).__name__
