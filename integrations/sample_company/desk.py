"""What every desk of the sample company shares: faults around each operation, idempotency keys, version guards, effects.

The readers and writers of this folder are built on it; nobody else uses it. A write checks key, guard and rule, changes
the state, counts the effect and keeps the receipt in one transaction, or does none of it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from integrations.base import Receipt
from integrations.errors import Permanent, Stale
from integrations.sample_company.database import Database
from integrations.sample_company.faults import Weather
from integrations.sample_company.times import Clock, stamp

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound="Desk")
Operation = Callable[Concatenate[D, P], R]

SYSTEM = "sample"
#: Limits of the made-up systems, as real ones have: what is longer is refused.
LONGEST_TEXT = 65_536
LONGEST_LINE = 998


class Desk:
    """One counter of the company: its database, its weather and its clock."""

    def __init__(self, database: Database, weather: Weather, clock: Clock) -> None:
        self.database = database
        self.weather = weather
        self.clock = clock

    def moment(self) -> str:
        return stamp(self.clock())


def reads(method: Operation[D, P, R]) -> Operation[D, P, R]:
    """A read that the weather may spoil."""
    return _in_weather(method, writes=False)


def writes(method: Operation[D, P, R]) -> Operation[D, P, R]:
    """A write that the weather may spoil, before or after it is done."""
    return _in_weather(method, writes=True)


def _in_weather(method: Operation[D, P, R], *, writes: bool) -> Operation[D, P, R]:
    name = method.__name__

    @wraps(method)
    def operation(self: D, /, *args: P.args, **kwargs: P.kwargs) -> R:
        fault = self.weather.draw(name, writes=writes)
        self.weather.before(fault, name, writes=writes)
        answer = method(self, *args, **kwargs)
        self.weather.after(fault, name, writes=writes)
        return answer

    return operation


def ref(kind: str, name: object) -> str:
    return f"{SYSTEM}:{kind}:{name}"


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(8)}"


def dump(value: Any) -> str:
    """JSON as the columns hold it. NaN and what is no JSON is refused, as a real API would."""
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Permanent(f"this is no JSON: {error}") from error


def text(value: str, what: str, *, longest: int = LONGEST_TEXT) -> str:
    """A text that must say something and fit."""
    if not value.strip():
        raise Permanent(f"{what} is empty")
    if len(value) > longest:
        raise Permanent(f"{what} is longer than {longest} characters")
    return value


def line(value: str, what: str) -> str:
    """A text of one line: a line break in a header or a title is how one message becomes two."""
    if any(sign in value for sign in "\r\n\0"):
        raise Permanent(f"{what} holds a line break")
    return text(value, what, longest=LONGEST_LINE)


def guard(present: str, if_version: str, what: str) -> None:
    """Refuse a write whose draft was made from another state. An empty token writes unguarded."""
    if if_version and if_version != present:
        raise Stale(f"{what} has changed: it is at {present!r} now, the draft was made from {if_version!r}")


def token(version: int) -> str:
    return f"v{version}"


def recall(connection: sqlite3.Connection, operation: str, key: str, arguments: Mapping[str, Any]) -> Receipt | None:
    """The receipt of the first call with this key. The version token is no argument: a retry may have read a newer one."""
    if not key:
        raise Permanent(f"{operation} needs an idempotency key")
    row = connection.execute("SELECT * FROM idempotency_keys WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    if (row["operation"], row["fingerprint"]) != (operation, _fingerprint(arguments)):
        raise Permanent(f"the idempotency key {key!r} was used before with other arguments")
    return Receipt(**json.loads(row["receipt"]))


def remember(
    connection: sqlite3.Connection, operation: str, key: str, arguments: Mapping[str, Any], receipt: Receipt
) -> Receipt:
    kept = {
        "ref": receipt.ref,
        "version_before": receipt.version_before,
        "version_after": receipt.version_after,
        "data": dict(receipt.data),
    }
    connection.execute(
        "INSERT INTO idempotency_keys (key, operation, fingerprint, receipt) VALUES (?, ?, ?, ?)",
        (key, operation, _fingerprint(arguments), dump(kept)),
    )
    return receipt


def count_effect(
    connection: sqlite3.Connection,
    kind: str,
    key: str,
    target: str,
    at: str,
    *,
    amount_minor: int | None = None,
    currency: str | None = None,
) -> None:
    """Write down that something was really done. The table refuses to be changed or emptied."""
    connection.execute(
        "INSERT INTO effects (kind, key, target, amount_minor, currency, at) VALUES (?, ?, ?, ?, ?, ?)",
        (kind, key, target, amount_minor, currency, at),
    )


def _fingerprint(arguments: Mapping[str, Any]) -> str:
    return hashlib.sha256(dump(dict(arguments)).encode("utf-8", "surrogatepass")).hexdigest()
