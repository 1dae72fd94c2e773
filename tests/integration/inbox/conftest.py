"""The engine with its web application, people who can sign in, and programs with tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from integrations.base import EventType
from tests.kit.engine import Engine, documents, make_engine, refund, reply
from tests.kit.house import timed_out
from workers import web
from workers.access import hash_token, make_token
from workers.inbox.passwords import hash_password
from workers.store import people
from workers.store.records import Person, Session

PASSWORD = "correct horse battery staple"
# Hashing is slow on purpose; one hash serves every test.
HASHED = hash_password(PASSWORD)


@dataclass
class Web:
    """The application under test, with what tests do to it."""

    engine: Engine
    app: object
    clients: list[TestClient] = field(default_factory=list)

    def person(self, name: str = "ana", groups: tuple[str, ...] = ("support", "lead", "finance", "risk")) -> Person:
        email = f"{name}@firm.example"
        with self.engine.system.db.write() as tx:
            known = people.by_email(tx, email)
            return known or people.add(
                tx, email=email, name=name.title(), password_hash=HASHED, groups=groups, now=self.engine.clock()
            )

    def anonymous(self) -> TestClient:
        client = TestClient(self.app, follow_redirects=False)
        self.clients.append(client)
        return client

    def signed_in(self, name: str = "ana", **more: tuple[str, ...]) -> TestClient:
        """A browser of this person, which sends its CSRF token along as the pages do."""
        client = self.anonymous()
        token, session = self.session(name, **more)
        client.cookies["caseworker"] = token
        client.headers["X-CSRF-Token"] = session.csrf
        return client

    def session(self, name: str = "ana", **more: tuple[str, ...]) -> tuple[str, Session]:
        """A session as signing in makes it, without the slow password."""
        person = self.person(name, **more)
        now = self.engine.clock()
        token = secrets.token_urlsafe(32)
        session = Session(hash_token(token), person.id, secrets.token_urlsafe(32), now, now + timedelta(hours=12))
        with self.engine.system.db.write() as tx:
            people.open_session(tx, session)
        return token, session

    def with_token(self, *scopes: str, person: Person | None = None) -> TestClient:
        plain, _ = self.token(*scopes, person=person)
        client = self.anonymous()
        client.headers["Authorization"] = f"Bearer {plain}"
        return client

    def token(self, *scopes: str, person: Person | None = None) -> tuple[str, str]:
        plain, hashed = make_token()
        assert hash_token(plain) == hashed
        with self.engine.system.db.write() as tx:
            made = people.add_token(
                tx,
                name="test",
                token_hash=hashed,
                scopes=scopes,
                person_id=person.id if person is not None else None,
                now=self.engine.clock(),
            )
        return plain, made.id

    def drafted(self, *drafts: dict, ticket: str = "7", delivery: str = "d1", text: str = "My order is broken"):
        """Let the agent propose these; the case's actions."""
        self.engine.model.drafts = [list(drafts) or [refund(), reply()]]
        self.engine.event(delivery=delivery, ticket=ticket, text=text)
        self.engine.drain()
        return self.engine.actions()

    def uncertain(self):
        """An e-mail of which nobody can know whether it went out."""
        self.engine.model.drafts = [[documents()]]
        self.engine.event(type=EventType.CHARGE_FLAGGED, delivery="u1", ticket="9")
        self.engine.drain()
        self.engine.decide(self.engine.action("request_documents"), by=self.person("ana"))
        self.engine.clock.on(minutes=1)
        self.engine.house.after.append(timed_out(maybe_done=True))
        self.engine.drain()
        self.engine.clock.on(minutes=1)
        return self.engine.action("request_documents")


def seen(action) -> dict:
    """The revision that was looked at, as a decision has to name it."""
    return {"revision": action.revision, "digest": action.digest, "state": action.state}


@pytest.fixture
def site(tmp_path):
    engine = make_engine(tmp_path)
    made = Web(engine, web.make_app(engine.system, webhooks={}))
    yield made
    for client in made.clients:
        client.close()
    engine.system.close()
