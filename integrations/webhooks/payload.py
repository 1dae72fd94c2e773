"""Reading JSON that strangers wrote: strict text to plain values, values to declared shapes, all trouble to `Malformed`.

Source modules and `cloudevents` read bodies through this, after verification. What comes out holds no duplicate key, no
NaN, no half surrogate pair and no NUL (PostgreSQL text can hold neither), and is not nested deeply. Long text is cut,
and says so; nothing is dropped silently.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from integrations.errors import Malformed

MAX_DEPTH = 64
MAX_TITLE = 300
MAX_TEXT = 20_000
_MARKER_ROOM = 40

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
#: the only ways in which a NUL or half a surrogate pair is written in text that is UTF-8 and JSON
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_json(body: bytes) -> Any:
    """Parse UTF-8 JSON strictly. Raise `Malformed`."""
    try:
        text = body.decode("utf-8")
        value = _READER.decode(text)
        return value if _is_plain(text) else _plain(value, 0)
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise Malformed(f"the body is nested more than {MAX_DEPTH} deep") from error
    except ValueError as error:
        raise Malformed(f"the body is not plain JSON: {error}") from error


def read_object(body: bytes) -> dict[str, Any]:
    """Parse a body that must be one JSON object. Raise `Malformed`."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise Malformed("the body is JSON, but not an object")
    return value


def shape(model: type[ModelT], value: object, what: str) -> ModelT:
    """`value` as a `model`. Raise `Malformed` naming each field that does not fit, and no value."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors()[:5])
        raise Malformed(f"{what} has another shape than we know: {faults}") from error


def words(title: str | None, text: str | None) -> dict[str, str]:
    """An event's two texts: one line to show in lists (never empty), and the whole, cut where it is too long."""
    text = text or ""
    headline = line(title or "") or line(text.strip().partition("\n")[0]) or "(no title)"
    return {"title": headline, "text": cut(text, MAX_TEXT)}


def line(text: str) -> str:
    return cut(_BLANK.sub(" ", text).strip(), MAX_TITLE)


def cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    kept = limit - _MARKER_ROOM
    return f"{text[:kept]} [… cut: {len(text) - kept} more characters]"


def instant(text: object) -> datetime:
    """An RFC 3339 time as UTC. Raise `ValueError`."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise ValueError("should be a time such as 2026-11-20T10:00:00Z")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is a time outside the calendar") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Two readers of one document with a doubled key can see two different documents.
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("the same key twice in one object")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


_READER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)


def _is_plain(text: str) -> bool:
    """Whether JSON shows by its text that none of its values is anything but plain. Most do, and need not be walked through."""
    return text.count("{") + text.count("[") <= MAX_DEPTH and not ("\\u" in text and _ESCAPED.search(text))


def _plain(value: Any, depth: int) -> Any:
    # type() and not match: this meets every value, and is twice as fast.
    kind = type(value)
    if kind is str:
        if not value.isascii() and _SURROGATE.search(value):
            raise ValueError("half a surrogate pair in a text")
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if kind is not dict and kind is not list:
        return value
    if depth >= MAX_DEPTH:
        raise RecursionError
    if kind is list:
        return [_plain(item, depth + 1) for item in value]
    if any("\0" in key for key in value):
        raise ValueError("a NUL character in a key")
    return {_plain(key, depth): _plain(item, depth + 1) for key, item in value.items()}


def _id_text(value: object) -> object:
    # Vendors write the same id as a number in one place and as a string in another.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Shape(BaseModel):
    """Base of every declared part of a vendor's body: what we read is checked, what we do not read is left alone."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


#: an id that goes into subjects and addresses: nothing that could end a field or leave a path
Id = Annotated[str, BeforeValidator(_id_text), StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Line = Annotated[str, AfterValidator(line)]
Instant = Annotated[datetime, BeforeValidator(instant)]
UnixTime = Annotated[int, Field(ge=0, lt=253_402_300_800)]
Amount = Annotated[int, Field(ge=0, lt=2**63)]
Quantity = Annotated[int, Field(gt=-(2**63), lt=2**63)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)]
