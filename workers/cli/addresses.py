"""The addresses of database and broker, as a setting gives them: whether they can be read, and how they are shown.

They hold passwords, so nothing that is said here quotes one.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from workers.cli.failures import Failure
from workers.store.database import WrongUrl, read_url

DATABASES = ("sqlite", "postgresql")
BROKERS = ("memory", "redis", "rediss", "amqp", "amqps")
#: SQLAlchemy takes a password with `/`, `?` or `#` in it as it stands, so it ends at the last @ and at nothing before
_PASSWORD = re.compile(r"(://[^:/?#@]*:).*@", re.DOTALL)
_IN_QUERY = re.compile(r"([?&](?:password|sslpassword|passwd)=)[^&#]*")


def check_database(url: str) -> None:
    """Raise `Failure` where no database could be opened with it."""
    _check_scheme("CASEWORKER_DATABASE_URL", url, DATABASES)
    try:
        read_url(url)
    except WrongUrl as error:
        raise Failure(
            f"CASEWORKER_DATABASE_URL cannot be read: {error}. Write postgresql://user:password@host:5432/name or "
            "sqlite:///file.db, and in a password %40 for @, %3A for : and %25 for %."
        ) from error


def check_broker(url: str) -> None:
    """Raise `Failure` where no broker could be reached with it. Others than these would be noticed by none of its clients."""
    # Several are one broker's doors, of which the first that answers is taken.
    for one in url.split(";"):
        _check_scheme("CASEWORKER_BROKER_URL", one, BROKERS)
        wrong = _wrong_with_broker(one)
        if wrong:
            raise Failure(
                f"CASEWORKER_BROKER_URL cannot be read: {wrong}. Write redis://:password@host:6379/7 or "
                "amqp://user:password@host:5672/vhost, and in a password %23 for #, %2F for /, %3F for ?, %40 for @ and %25 for %."
            )


def without_password(text: str) -> str:
    """`text` as it is, but for the password of a URL."""
    return _IN_QUERY.sub(r"\1…", _PASSWORD.sub(r"\1…@", text))


def _wrong_with_broker(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "what stands where host and port are expected is neither"
    number = parts.path.strip("/")
    if parts.scheme in ("redis", "rediss") and number and not number.isdecimal():
        return "after the host of a Redis stands the number of a database"
    return ""


def _check_scheme(variable: str, url: str, known: tuple[str, ...]) -> None:
    scheme, stands, _ = url.partition("://")
    if not stands:
        raise Failure(f"{variable} is no URL; known are those with {', '.join(f'{name}://' for name in known)}.")
    if scheme.partition("+")[0] not in known:
        raise Failure(f"{variable} starts with {scheme}:; known are {', '.join(known)}.")
