"""What a refused call means, by its status and what the service says: the same for every provider over HTTP.

The clients call it. A status becomes an error named by its consequence; only our own words and a line of the service's
explanation are in it, which speaks of the request's form and never repeats the material.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from integrations.errors import Permanent, Temporary
from integrations.models.base import TooLong

#: Of the service's own explanation as much as fits a line.
_LONGEST_REASON: Final = 200

_WINDOW: Final = (
    "prompt is too long",
    "context length",
    "context window",
    "maximum context",
    "context_length_exceeded",
)
#: what OpenAI says, with 429, of a request that is larger than all tokens of a minute: no patience makes it smaller
_OF_A_MINUTE: Final = "request too large"
#: where it is told how long to wait, and how many of those make a second
_WAITS: Final = (("retry-after-ms", 1000), ("retry-after", 1))


@dataclass(frozen=True, slots=True)
class Names:
    """The settings that a person would look at, for the messages."""

    key: str
    model: str
    address: str


def consequence(status: int, said: str, headers: Mapping[str, str], names: Names) -> Temporary | Permanent:
    """The error of a call that was answered with `status`."""
    if 300 <= status < 400:
        return Permanent(
            f"The model's service says that it is elsewhere ({status}): check {names.address}.{_pointed(headers)}"
        )
    if status == 401:
        return Permanent(f"The model's service refused our key: check {names.key}.")
    if status == 402:
        return Permanent("The model's service asks for payment: check the account's balance.")
    if status == 403:
        return Permanent(f"Our key may not use this model: check {names.model} and the account's rights.")
    if status == 404:
        return Permanent(f"The model is not known to the service: check {names.model} and {names.address}.")
    plain = said.lower()
    if (
        status == 413
        or (status == 400 and any(words in plain for words in _WINDOW))
        or (status == 429 and _OF_A_MINUTE in plain)
    ):
        return TooLong(f"The material of this case is too long for the model.{_quoted(said)}")
    if status == 429:
        return Temporary("The model's service asks us to slow down.", retry_after=wait(headers))
    if status in (408, 409, 425) or status >= 500:
        return Temporary(f"The model's service is not available ({status}).", retry_after=wait(headers))
    return Permanent(f"The model's service refused the request ({status}).{_quoted(said)}")


def wait(headers: Mapping[str, str]) -> float | None:
    """The seconds that a service asks for: exactly where it tells milliseconds too, as OpenAI's and Azure's do, else by a
    retry-after header, which holds seconds or, of some gateways, a date."""
    for name, in_a_second in _WAITS:
        try:
            asked = float(headers.get(name, "")) / in_a_second
        except ValueError:
            continue
        return asked if 0 <= asked < float("inf") else None
    until = _moment(headers.get("retry-after", "").strip())
    if until is None:
        return None
    # By the clock that the date is of, where it is told.
    return max(0.0, (until - (_moment(headers.get("date", "")) or datetime.now(UTC))).total_seconds())


def _moment(written: str) -> datetime | None:
    """A date as HTTP writes it."""
    try:
        found = parsedate_to_datetime(written)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _pointed(headers: Mapping[str, str]) -> str:
    try:
        host = urlsplit(headers.get("location", "")).hostname
    except ValueError:
        host = None
    return f" It points to {host[:_LONGEST_REASON]}." if host else ""


def _quoted(said: str) -> str:
    line = " ".join(said.split())[:_LONGEST_REASON]
    return f" It says: {line}" if line else ""
