"""Drafts from macros: the first standard way of working that applies, filled with what was gathered.

Used by the local model alone. A macro applies when its condition holds, what it needs is there, and every value that its
texts name is there too: nothing is ever half filled. Templates run in Jinja's sandbox and see the material and no more.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, pass_context
from jinja2.environment import TemplateExpression
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from integrations.models.amendments import Habits
from integrations.models.base import Macro, Material
from integrations.models.money import decimals

_MONTHS: Final = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
#: languages that write 1.234,50
_COMMA: Final = frozenset({"de", "es", "fr", "it", "nl", "pt"})


#: What an expression over material of another shape than expected may raise.
_UNFIT: Final = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


class NotApplicable(Exception):
    """This macro lacks something. The next one is tried."""


def draft(macros: Sequence[Macro], material: Sequence[Material]) -> dict[str, Any] | None:
    """The first macro that applies as ``{summary, actions, unsure}``, or None where none does.

    A macro without proposals says that it is unsure, in the words of its summary. What people keep changing is applied.
    """
    habits = Habits(material)
    for macro, summary, proposals in _applying(macros, material):
        actions = habits.apply(macro, proposals)
        if actions is None:
            continue
        told = " ".join([summary, *habits.passed_over])
        return {"summary": told, "actions": actions, "unsure": None if actions else told}
    if habits.passed_over:
        summary = " ".join(habits.passed_over)
        return {"summary": summary, "actions": [], "unsure": summary}
    return None


def standard(macros: Sequence[Macro], material: Sequence[Material]) -> tuple[str, list[dict[str, Any]]] | None:
    """The first macro that applies, by name, and what it proposes by itself; for learning what people make of that."""
    found = next(_applying(macros, material), None)
    return None if found is None else (found[0], found[2])


def _applying(macros: Sequence[Macro], material: Sequence[Material]) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Name, summary and proposals of each macro that applies, in order."""
    seen = {piece.name: piece.data for piece in material}
    refs = {piece.name: piece.ref for piece in material}
    for macro in macros:
        try:
            if not _holds(macro, seen):
                continue
            made = _fill(macro.summary, seen), [_proposal(proposal, seen, refs) for proposal in macro.proposals]
        except NotApplicable:
            continue
        yield macro.name, *made


def at(data: Any, path: str) -> Any:
    """The value at a dotted path through mappings and lists. Raise `NotApplicable` where there is none."""
    for part in path.split("."):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, Sequence) and not isinstance(data, str) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            raise NotApplicable(path)
    return data


def _holds(macro: Macro, seen: Mapping[str, Any]) -> bool:
    for path in macro.needs:
        if at(seen, path) in (None, "", [], {}):
            return False
    try:
        return bool(_condition(macro.when)(seen))
    except _UNFIT as error:
        raise NotApplicable(str(error)) from error


def _proposal(proposal: Mapping[str, Any], seen: Mapping[str, Any], refs: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": proposal["kind"],
        "arguments": _fill(proposal["arguments"], seen),
        "rationale": _fill(proposal.get("rationale", ""), seen),
        "citations": [refs[name] for name in proposal.get("cites", ()) if name in refs],
    }


def _fill(value: Any, seen: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: _fill(item, seen) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_fill(item, seen) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith("$"):
        return copy.deepcopy(at(seen, value[1:]))
    try:
        return _template(value).render(seen).strip()
    except _UNFIT as error:
        raise NotApplicable(str(error)) from error


@pass_context
def _money(context: Context, minor: object, currency: object) -> str:
    """``40.00 EUR``, with the decimal sign of the customer's language."""
    if not isinstance(minor, int) or isinstance(minor, bool) or not isinstance(currency, str):
        raise NotApplicable("no amount of money")
    written = f"{Decimal(abs(minor)).scaleb(-decimals(currency)):,f}"
    if _language(context) in _COMMA:
        written = written.translate(str.maketrans(",.", ".,"))
    return f"{'-' if minor < 0 else ''}{written} {currency}"


@pass_context
def _date(context: Context, written: object) -> str:
    """An RFC 3339 time as a day, as the customer's language writes it."""
    if isinstance(written, Undefined):
        raise NotApplicable("no date")
    try:
        day = datetime.fromisoformat(str(written))
    except ValueError as error:
        raise NotApplicable(f"{written!r} is no date") from error
    language = _language(context)
    if language == "de":
        return f"{day.day}.{day.month}.{day.year}"
    if language in _COMMA:
        return f"{day.day}/{day.month}/{day.year}"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _first_name(name: object) -> str:
    if isinstance(name, Undefined) or not str(name or "").strip():
        raise NotApplicable("no name")
    return str(name).split()[0]


def _language(context: Context) -> str:
    triage = context.get("triage")
    return str(triage.get("language", "")) if isinstance(triage, Mapping) else ""


class _Environment(ImmutableSandboxedEnvironment):
    """Material is mappings, and ``order.items`` means the items of the order, not a method of Python's."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def _shown(value: Any) -> Any:
    """What a template puts out. A value that is not there must not read "None" in a letter."""
    if value is None:
        raise NotApplicable("a value that the text shows is missing")
    return value


def _environment() -> _Environment:
    made = _Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False, finalize=_shown)
    made.filters |= {"money": _money, "date": _date, "first_name": _first_name}
    return made


_ENVIRONMENT: Final = _environment()


@cache
def _condition(source: str) -> TemplateExpression:
    return _ENVIRONMENT.compile_expression(source, undefined_to_none=False)


@cache
def _template(source: str) -> Template:
    return _ENVIRONMENT.from_string(source)
