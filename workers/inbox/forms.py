"""A typed form for any action kind, made from its argument schema, and back: what was typed as typed arguments.

Values keep their types and nothing is rounded. A field that comes back as it was shown keeps its stored value, byte for
byte, whatever browsers do to line ends, so that looking at a draft is never an edit of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from workers.actions.base import ActionKind
from workers.inbox import amounts

PREFIX = "arg."
_MINOR = "_minor"
#: longer text does not fit into a one-line field
ONE_LINE = 60


class Control(StrEnum):
    LINE = "line"
    TEXT = "text"
    MONEY = "money"
    INTEGER = "integer"
    CHECKBOX = "checkbox"
    LINES = "lines"  # a list of text, one a line
    JSON = "json"  # anything nested


@dataclass(frozen=True, slots=True)
class Field:
    """One argument as a form shows it. `text` is what stands in the control."""

    name: str
    label: str
    hint: str
    control: Control
    text: str
    required: bool
    max_length: int | None = None
    currency: str = ""
    error: str = ""

    @property
    def key(self) -> str:
        return PREFIX + self.name

    @property
    def rows(self) -> int:
        """Lines of a text area: as many as the text needs, within bounds."""
        lines = sum(1 + len(line) // 66 for line in self.text.split("\n"))
        return max(2, min(lines, 16))


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that came back: arguments where it is sound, and the fields as they were typed, with what is wrong."""

    arguments: Mapping[str, Any] | None
    fields: tuple[Field, ...]
    edited: bool
    problems: tuple[str, ...] = ()


class _Unread(ValueError):
    """A control's text does not make a value; the message is for the person."""


def fields(kind: ActionKind, arguments: Mapping[str, Any]) -> tuple[Field, ...]:
    """The form for an action's arguments, in the schema's order."""
    schema = kind.arguments.model_json_schema()
    required = set(schema.get("required", ()))
    return tuple(
        _field(kind, name, part, arguments, required=name in required)
        for name, part in schema.get("properties", {}).items()
    )


def read(kind: ActionKind, stored: Mapping[str, Any], submitted: Mapping[str, str]) -> Filled:
    """What a submitted form says. Fields that it does not hold stay as they are."""
    shown = fields(kind, stored)
    # A browser sends nothing for a box without its tick; the form's mark tells that there was a form.
    here = {f.name for f in shown if f.key in submitted or (f.control is Control.CHECKBOX and "form" in submitted)}
    typed = {f.name: submitted.get(f.key, "") if f.name in here else f.text for f in shown}
    currency = typed.get("currency", "").strip()
    touched = [f for f in shown if _is_touched(f, typed[f.name], currency)]
    if not touched:
        return Filled(dict(stored), shown, edited=False)
    arguments: dict[str, Any] = dict(stored)
    errors: dict[str, str] = {}
    for f in touched:
        try:
            value = _value(f, typed[f.name], currency)
        except (_Unread, amounts.UnclearAmount) as error:
            errors[f.name] = str(error)
            continue
        if value is None:
            arguments.pop(f.name, None)
        else:
            arguments[f.name] = value
    if not errors:
        try:
            arguments = kind.arguments.model_validate(arguments).model_dump(mode="json")
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                name, *deeper = map(str, problem["loc"] or ("",))
                where = f"{'.'.join(deeper)}: " if deeper else ""
                errors.setdefault(name, f"{where}{problem['msg']}.")
    back = tuple(replace(f, text=typed[f.name], error=errors.get(f.name, "")) for f in shown)
    problems = tuple(f"{label(name) or 'Draft'}: {said}" for name, said in errors.items())
    return Filled(None if errors else arguments, back, edited=bool(errors) or arguments != stored, problems=problems)


def _is_touched(f: Field, text: str, currency: str) -> bool:
    # The same digits mean another amount in another currency.
    other_currency = f.control is Control.MONEY and currency != f.currency
    return other_currency or _same_text(text) != _same_text(f.text)


def label(name: str) -> str:
    """``charge_id`` as ``Charge``, ``amount_minor`` as ``Amount``."""
    return name.removesuffix(_MINOR).removesuffix("_id").replace("_", " ").capitalize()


def _field(
    kind: ActionKind, name: str, part: Mapping[str, Any], arguments: Mapping[str, Any], *, required: bool
) -> Field:
    value = arguments.get(name)
    currency = str(arguments.get("currency", "")) if name.endswith(_MINOR) else ""
    control = _control(kind, name, part, value)
    hint = str(part.get("description", ""))
    if control is Control.MONEY:
        hint = hint.replace(" in minor units (cents)", "")
    if hint.casefold() == label(name).casefold():
        hint = ""
    return Field(
        name=name,
        label=label(name),
        hint=hint,
        control=control,
        text=_text(control, value, currency),
        required=required,
        max_length=part.get("maxLength"),
        currency=currency,
    )


def _control(kind: ActionKind, name: str, part: Mapping[str, Any], value: Any) -> Control:
    match part.get("type"):
        case "string":
            # A browser takes line ends out of a one-line field, and shows only its beginning.
            needs_room = isinstance(value, str) and ("\n" in value or "\r" in value or len(value) > ONE_LINE)
            return Control.TEXT if name in kind.long_fields or needs_room else Control.LINE
        case "integer" if name.endswith(_MINOR):
            return Control.MONEY
        case "integer":
            return Control.INTEGER
        case "boolean":
            return Control.CHECKBOX
        case "array" if _is_lines(part, value):
            return Control.LINES
    return Control.JSON


def _is_lines(part: Mapping[str, Any], value: Any) -> bool:
    if part.get("items", {}).get("type") != "string":
        return False
    return not any(not isinstance(item, str) or "\n" in item or "\r" in item for item in value or ())


def _text(control: Control, value: Any, currency: str) -> str:
    if value is None:
        return ""
    match control:
        case Control.MONEY:
            return amounts.written(value, currency)
        case Control.LINES:
            return "\n".join(value)
        case Control.JSON:
            return json.dumps(value, indent=2, ensure_ascii=False)
        case Control.CHECKBOX:
            return "on" if value else ""
    return str(value)


def _value(f: Field, text: str, currency: str) -> Any:
    """The typed text as a value; None for a field left empty that may be."""
    text = _same_text(text)
    if f.control is Control.CHECKBOX:
        return bool(text)
    if not text.strip():
        if f.control is Control.LINES:
            return []
        if f.required:
            raise _Unread("This cannot be empty.")
        return None
    match f.control:
        case Control.MONEY:
            return amounts.read(text, currency)
        case Control.INTEGER:
            return _integer(text)
        case Control.LINES:
            return [line.strip() for line in text.split("\n") if line.strip()]
        case Control.JSON:
            return _json(text)
        case Control.LINE:
            return text.strip()
    return text


def _integer(text: str) -> int:
    plain = text.strip()
    if not (plain.removeprefix("-").isascii() and plain.removeprefix("-").isdigit() and len(plain) < 20):
        raise _Unread("Write a whole number.")
    return int(plain)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _Unread(f"This is not sound JSON{where}.") from error


def _same_text(text: str) -> str:
    """Line ends as one, and without what a page cannot hold: browsers send CRLF, and drop control characters."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in plain if c in "\n\t" or (c >= " " and c != "\x7f" and not "\ud800" <= c <= "\udfff"))
