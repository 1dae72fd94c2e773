"""What can go wrong outside, named by its consequence.

The raiser chooses the class and with it what happens next; nobody further up inspects messages. Every error says in one
sentence what is wrong and, where a person can mend it, how.
"""

from __future__ import annotations

import unicodedata


def legible(text: str) -> str:
    """What another system said, without control characters and halves of characters: no page shows them, and not every database
    keeps them."""
    if text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" else c for c in text)


class IntegrationError(Exception):
    """Base of everything that an integration raises on purpose."""

    def __str__(self) -> str:
        return legible(super().__str__())


class Temporary(IntegrationError):
    """Trying again later may work: time-outs, 429, 5xx, a locked database.

    Args:
        message: one sentence, safe to show to a person.
        retry_after: seconds that the other side asked us to wait, if it did.
        maybe_done: True when the request may have been carried out although no answer came (a time-out after sending,
            a connection cut while waiting). For a write this is the difference between "again" and "look first".
    """

    def __init__(self, message: str, *, retry_after: float | None = None, maybe_done: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.maybe_done = maybe_done


class Postponed(Temporary):
    """We did not even ask: the other side's limit is used up, or it wants to be left alone. Nothing was sent.

    No try of the work that waits was used up by it.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, maybe_done: bool = False, scattered: float = 0.0
    ) -> None:
        super().__init__(message, retry_after=retry_after, maybe_done=maybe_done)
        #: of `retry_after`, what serves only that not all come back in the same moment
        self.scattered = scattered


class LeftAlone(Postponed):
    """We did not ask, because the other side could not be reached several times in a row. Nobody knows when it will be."""


class Permanent(IntegrationError):
    """Trying again will not help: refused input, missing rights, a record that does not exist."""


class Stale(IntegrationError):
    """A guarded write was refused because the target changed since its version token was read. Nothing was changed."""


class NotAuthentic(IntegrationError):
    """An inbound request could not be proved to come from its source. `reason` is one of `webhooks.Reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not authentic: {reason}")
        self.reason = reason


class Malformed(IntegrationError):
    """An authentic request whose content cannot be read. It is quarantined: an incident, not an attack."""


class UnknownEvent(IntegrationError):
    """An authentic, well-formed event of a type that this integration does not handle. Accepted and ignored."""
