"""What ends a command with a sentence instead of a traceback. Raised by commands, shown by `workers.cli.main` alone."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from integrations.errors import IntegrationError
from policies.errors import PolicyError
from workers.agents.library import UnusableFiles
from workers.inbox.words import DecisionError
from workers.store.database import StoreUnavailable


class Failure(Exception):
    """A command cannot do what was asked. The message says why, and what to do about it."""


#: errors whose message is meant for people
NAMED = (Failure, StoreUnavailable, PolicyError, DecisionError, IntegrationError, UnusableFiles)
#: what the system says no to with a file or folder: a matter of its owner, its place or its disk, and of no code
_REFUSED = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENOSPC,
    errno.EDQUOT,
)


def is_named(error: Exception) -> bool:
    """Whether it is told in a sentence. Anything else is a mistake of ours, and its traceback is wanted."""
    return isinstance(error, NAMED) or (isinstance(error, OSError) and bool(error.filename) and error.errno in _REFUSED)


def no_text(error: Exception, arguments: Sequence[str]) -> Failure | None:
    """What to say instead where an argument holds bytes that are no text, as from a terminal of another encoding; a file may be
    called so, and the database takes none of it."""
    if not isinstance(error, UnicodeEncodeError):
        return None
    given = next((one for one in arguments if error.object[error.start : error.end] in one), None)
    if given is None:
        return None
    return Failure(
        f"{given!a} is not written in UTF-8, and was not taken: set the terminal to that encoding, or leave out what stands "
        "there as an escape."
    )


def sentence(error: Exception) -> str:
    """The line to show. A database driver's errors run over several lines; the first says what is wrong."""
    if isinstance(error, StoreUnavailable):
        return f"{unavailable(error)} (`caseworker doctor` says more.)"
    if isinstance(error, OSError):
        return (
            f"{error.filename}: {error.strerror}. Let this account write there, or choose another place: what this installation "
            "keeps is in the folder CASEWORKER_DATA."
        )
    return str(error)


def unavailable(error: StoreUnavailable) -> str:
    """The same for ``caseworker doctor``, which is not to be sent to itself."""
    first, _, _ = str(error).strip().partition("\n")
    return f"The database is not available: {first}"
