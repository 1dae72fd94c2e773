"""What ends a command with a sentence instead of a traceback. Raised by commands, shown by `workers.cli.main` alone."""

from __future__ import annotations

from integrations.errors import IntegrationError
from policies.errors import PolicyError
from workers.inbox.words import DecisionError
from workers.store.database import StoreUnavailable


class Failure(Exception):
    """A command cannot do what was asked. The message says why, and what to do about it."""


#: errors whose message is meant for people
NAMED = (Failure, StoreUnavailable, PolicyError, DecisionError, IntegrationError)


def sentence(error: Exception) -> str:
    """The line to show. A database driver's errors run over several lines; the first says what is wrong."""
    if isinstance(error, StoreUnavailable):
        return f"The database is not available: {str(error).strip().splitlines()[0]} (`caseworker doctor` says more.)"
    return str(error)
