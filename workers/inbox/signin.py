"""Signing in and out, and telling who is asking. Used by the pages and the API; decides nothing about cases.

A session is 256 random bits in a cookie that scripts cannot read; the database keeps only its SHA-256. Whether an account
exists cannot be told from the answer or from how long it takes.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from workers.access import hash_token
from workers.inbox.passwords import hash_password, is_outdated, verify
from workers.inbox.throttle import Throttle
from workers.log import logger
from workers.store import audit, people
from workers.store.audit import SYSTEM, Note
from workers.store.records import Person, Session
from workers.wiring import System

#: wrong passwords for one account from one address
TRIES = 10
#: tries from one address, whatever the account
TRIES_OF_ADDRESS = 100
WINDOW = timedelta(minutes=15)


class WrongCredentials(Exception):
    """No active account has this e-mail address and password."""


class TooManyTries(Exception):
    """Come back later. `wait` says when."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("Too many tries.")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person with the session that shows it. `token` is the cookie's value; it is not kept."""

    token: str
    session: Session
    person: Person


class Door:
    """Where people sign in, with what it remembers of tries."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.by_account = Throttle(system.clock, tries=TRIES, window=WINDOW)
        self.by_address = Throttle(system.clock, tries=TRIES_OF_ADDRESS, window=WINDOW)

    def sign_in(self, email: str, password: str, *, address: str) -> SignedIn:
        """Open a session. Raise `WrongCredentials` or `TooManyTries`."""
        house = _house(address)
        key = f"{email.strip().casefold()[:320]} {house}"
        wait = self.by_address.try_(house) or self.by_account.try_(key)
        if wait is not None:
            logger.warning("sign_in_throttled", address=address)
            raise TooManyTries(wait)
        with self.system.db.read() as tx:
            person = people.by_email(tx, email.strip())
        kept = person.password_hash if person is not None and person.active else None
        if not verify(password, kept) or person is None:
            logger.warning("sign_in_refused", address=address)
            raise WrongCredentials
        self.by_account.forget(key)
        return self._open(person, password)

    def _open(self, person: Person, password: str) -> SignedIn:
        """Raise `WrongCredentials`."""
        now = self.system.clock()
        token = secrets.token_urlsafe(32)
        session = Session(
            token_hash=hash_token(token),
            person_id=person.id,
            csrf=secrets.token_urlsafe(32),
            created_at=now,
            expires_at=now + timedelta(hours=self.system.settings.session_hours),
        )
        renewed = hash_password(password) if is_outdated(person.password_hash) else None
        with self.system.db.write() as tx:
            people.hold(tx, [person.id])
            if people.get(tx, person.id) != person:
                # Shut out, or given another password, while this one was checked, which takes a while.
                raise WrongCredentials
            people.open_session(tx, session)
            if renewed is not None:
                people.change(tx, person.id, {"password_hash": renewed})
            audit.append(tx, SYSTEM, now, Note(person.actor, "signed_in", {"person": person.id}))
        return SignedIn(token, session, person)

    def sign_out(self, token: str) -> None:
        """End a session everywhere; an unknown one is no error."""
        now = self.system.clock()
        with self.system.db.write() as tx:
            found = people.session(tx, hash_token(token), now)
            people.close_session(tx, hash_token(token))
            if found is not None:
                person = found[1]
                audit.append(tx, SYSTEM, now, Note(person.actor, "signed_out", {"person": person.id}))


def _house(address: str) -> str:
    """Whom an address counts as. Of IPv6 everybody has at least 2^64 addresses, which begin alike."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(known.ipv4_mapped or ipaddress.ip_network((int(known) >> 64 << 64, 64)))


def whose(system: System, token: str, now: datetime) -> tuple[Session, Person] | None:
    """The live session that a cookie stands for, with its person."""
    if not 20 <= len(token) <= 200:
        return None
    with system.db.read() as tx:
        return people.session(tx, hash_token(token), now)
