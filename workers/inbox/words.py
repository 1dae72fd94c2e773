"""The words of deciding: what can be chosen, and why a choice may not be taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from workers.store.records import ActionState, Decision


class Word(StrEnum):
    """The decisions that there are."""

    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"
    TAKE_OVER = "take_over"
    SNOOZE = "snooze"
    ESCALATE = "escalate"
    #: for an uncertain action: a person looked, and it did happen
    CONFIRM = "confirm"
    #: for an approved action that has not gone out yet: it shall not
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision as it was asked for."""

    word: Word
    revision: int
    digest: str
    arguments: Mapping[str, Any] | None = None
    reason: str | None = None
    until: datetime | None = None
    group: str | None = None
    channel: str = "api"
    #: the state that was seen: what nobody can know the outcome of is decided only by who knows that it is so
    state: ActionState | None = None


class DecisionError(Exception):
    """A decision that was not taken. Nothing was changed."""


class NotFound(DecisionError):
    pass


class Invalid(DecisionError):
    """What was asked makes no sense for this action, with what would."""


class NotAllowed(DecisionError):
    """This person may not decide this."""


class AlreadyDecided(DecisionError):
    """Somebody was first, or the draft changed under the reader's eyes. Says who and what."""

    def __init__(self, message: str, *, state: str, decided_by: str | None, decision: Decision | None) -> None:
        super().__init__(message)
        self.state = state
        self.decided_by = decided_by
        self.decision = decision
