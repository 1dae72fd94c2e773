"""What agents see of a case and of the systems around it: events, facts, Readers, and an inquiry that binds them.

Context sources and look-ups are functions over an `Inquiry`. Nothing here can write, and nothing here knows a vendor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from integrations.base import Record

R = TypeVar("R")


class EventView(Protocol):
    """An event as agents see it."""

    @property
    def type(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


class FactView(Protocol):
    """A gathered fact as agents see it."""

    @property
    def name(self) -> str: ...
    @property
    def ref(self) -> str: ...
    @property
    def trusted(self) -> bool: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


class Readers(Protocol):
    """Read access to the systems in use; made by `integrations.registry`."""

    def find(self, system: str, protocol: type[R]) -> R | None:
        """The reader of `system` that speaks `protocol`, or None where there is none."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a context source may use: the events, what triage said, the readers, and what was found before it."""

    subject: str
    events: Sequence[EventView]
    triage: Mapping[str, Any]
    readers: Readers
    found: Mapping[str, Sequence[Record]]
    now: datetime

    @property
    def system(self) -> str:
        return self.subject.split(":", 1)[0]

    @property
    def subject_id(self) -> str:
        return self.subject.split(":", 2)[-1]

    def reader(self, protocol: type[R]) -> R | None:
        return self.readers.find(self.system, protocol)

    def first(self, name: str) -> Record | None:
        return next(iter(self.found.get(name, ())), None)

    def latest(self, key: str) -> Any:
        """The newest event's value for `key`, or None."""
        return next((event.data[key] for event in reversed(self.events) if event.data.get(key) is not None), None)
