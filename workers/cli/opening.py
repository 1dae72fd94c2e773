"""What commands open before they work: settings and the database; and who is asking.

Everything here ends in a `Failure` that says what to do, never in a traceback. Logs stay quiet: the command speaks.
Imports little, so that commands that only look are quick; `wired` opens the rest.
"""

from __future__ import annotations

import getpass
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from policies import cel
from workers import log
from workers.cli import addresses
from workers.cli.failures import Failure
from workers.settings import Settings
from workers.store import people, schema, server
from workers.store.database import Database, sqlite_file
from workers.store.records import Person
from workers.store.schema import Standing

#: Files and connections that a process may have open, where the system lets it: a thousand calls, and as many streams, are none too many.
MOST_FILES = 16_384
#: of a database that shares sessions, and what to do about it
SHARED = "is behind a proxy that lends connections out by the transaction, where one process runs another's statements."
SHARED_REMEDY = "Give CASEWORKER_DATABASE_URL a direct connection or one of PgBouncer's with pool_mode = session."


def settings(**given: Any) -> Settings:
    """The settings in force; `given` are options of the command, which come first. None means not given."""
    try:
        found = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(f"CASEWORKER_{_variable(e['loc'])}: {e['msg']}" for e in error.errors(include_url=False))
        raise Failure(f"Settings are wrong. {wrong}. See docs/settings.md.") from error
    except UnicodeDecodeError as error:
        raise Failure("The file .env in this folder is not in UTF-8: write it anew in that encoding.") from error
    except OSError as error:
        raise Failure(
            f"The file .env in this folder cannot be read: {error.strerror or error}. Let this account read it, or start elsewhere."
        ) from error
    addresses.check_database(found.database)
    addresses.check_broker(found.broker_url)
    try:
        cel.choose(found.policy_engine)
    except cel.NoEngine as error:
        raise Failure(f"CASEWORKER_POLICY_ENGINE: {error}. See docs/settings.md.") from error
    return found


def log_to(level: str, output: str, **about: str) -> None:
    """Log as asked, without what libraries say when all is well. `about` stands on each line: which process says it."""
    log.configure(level, output, **about)
    for library in ("alembic", "uvicorn.error"):
        logging.getLogger(library).setLevel(logging.WARNING)


def as_many_files_as_allowed() -> None:
    """What most systems begin with, 1,024, is kept low for programs that wait with `select`; ours do not."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def needs_a_broker(found: Settings, command: str) -> None:
    """Processes that work together need a broker between them."""
    if found.broker_url.startswith("memory:"):
        raise Failure(
            f"`caseworker {command}` works together with other processes, and the broker {found.broker_url} reaches none. "
            "Set CASEWORKER_BROKER_URL to redis://… or amqp://…, or run all in one process: `caseworker up`."
        )


@contextmanager
def database(found: Settings | None = None) -> Iterator[Database]:
    """The migrated database, for commands that only look or write rows."""
    found = found or settings()
    log_to("WARNING", "console")
    must_exist(found)
    db = Database(found.database, connections=2)
    try:
        must_be_migrated(db)
        yield db
    finally:
        db.dispose()


def person(db: Database, email: str | None) -> Person:
    """Who is asking: the person with this address, or the only one there is."""
    with db.read() as tx:
        everyone = [someone for someone in people.everyone(tx) if someone.active]
    if email is None and len(everyone) == 1:
        return everyone[0]
    for someone in everyone:
        if email is not None and someone.email == email.casefold():
            return someone
    known = ", ".join(someone.email for someone in everyone) or "nobody yet; `caseworker user add` adds somebody"
    asked = "Say who you are with --as." if email is None else f"There is no active person {email!r}."
    raise Failure(f"{asked} There are: {known}.")


def now() -> datetime:
    return datetime.now(UTC)


def operator() -> str:
    """Who sits at this machine, as its system names them: the actor of what is done without signing in."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"operator:{os.getuid()}"


def exists(found: Settings) -> bool:
    """Whether there is a database to open. A file is made by ``up`` and ``migrate`` only, not by looking for it."""
    file = sqlite_file(found.database)
    return file is None or file.exists()


def must_exist(found: Settings) -> None:
    if not exists(found):
        raise Failure(
            f"There is no database at {sqlite_file(found.database)} yet. Start `caseworker up`, or make it "
            "with `caseworker migrate`; CASEWORKER_DATA says in which folder it is."
        )


def must_be_migrated(db: Database) -> None:
    standing = schema.standing(db)
    where = addresses.without_password(db.url)
    if standing is Standing.TOO_NEW:
        raise Failure(
            f"The database {where} belongs to a newer version, which took away what this one needs: start that version."
        )
    if standing is Standing.BEHIND:
        raise Failure(f"The database {where} lacks tables of this version: run `caseworker migrate`.")


def must_have_sessions(db: Database) -> None:
    if server.shares_sessions(db):
        raise Failure(f"The database {addresses.without_password(db.url)} {SHARED} {SHARED_REMEDY}")


def _variable(place: tuple[int | str, ...]) -> str:
    return "_".join(map(str, place)).upper()
