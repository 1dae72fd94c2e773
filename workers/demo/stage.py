"""The stage of the demonstration: the embedded system on a free port, the sample company, and two colleagues.

Events come in as really signed webhooks over HTTP, decisions as calls of the JSON API. What happened is read from the
cases and from the sample company's own books.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from integrations import registry
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.shopfront import Shopfront
from integrations.webhooks import Secret, load_secrets, sign
from integrations.webhooks.schemes import STANDARD_V1
from workers import embedded, wiring
from workers.access import make_token
from workers.queue import IN_PROCESS
from workers.settings import Settings
from workers.store import actions, cases, people
from workers.store.records import Action, ActionState, Case, CaseState
from workers.web import make_app
from workers.wiring import System

PATIENCE_SECONDS = 60.0
#: no password has this hash: the colleagues decide through their tokens
NO_SIGN_IN = "!"
AT_WORK = (CaseState.WORKING, CaseState.ACTING, CaseState.WAITING)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that a scene can touch."""

    system: System
    company: SampleCompany
    front: Shopfront
    secret: Secret
    address: str
    tokens: Mapping[str, str]

    # what the world does

    def deliver(self, body: bytes, *, delivery: str, signature: str | None = None) -> Answer:
        """Post a webhook as the sample company would; `signature` replaces the true one."""
        headers = sign(STANDARD_V1, self.secret, body, at=self.system.clock(), delivery_id=delivery)
        if signature is not None:
            headers["webhook-signature"] = signature
        return self._post("/hooks/sample", body, {"content-type": "application/json", **headers})

    def ticket_event(self, delivery: str, ticket_id: str, email: str, title: str, text: str) -> bytes:
        """The body of a ``ticket.created`` webhook."""
        return json.dumps(
            {
                "id": delivery,
                "type": "ticket.created",
                "occurred_at": self.system.clock().isoformat(),
                "data": {
                    "ticket_id": ticket_id,
                    "title": title,
                    "text": text,
                    "requester_email": email,
                    "requester_name": "",
                    "channel": "web",
                },
            }
        ).encode()

    def decide(self, who: str, action: Action, decision: str, **more: Any) -> Answer:
        """One decision over the JSON API, in the name of a colleague."""
        asked = {"decision": decision, "revision": action.revision, "digest": action.digest, **more}
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.tokens[who]}"}
        return self._post(f"/api/v1/actions/{action.id}/decision", json.dumps(asked).encode(), headers)

    # what came of it

    def case(self, subject: str) -> Case | None:
        """The newest case on a subject."""
        with self.system.db.read() as tx:
            return cases.on_subject(tx, subject)

    def settled(self, subject: str, *, events: int = 1) -> Case:
        """Wait until the case has seen so many events and nobody but people is at work on it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            case = self.case(subject)
            if case is not None and case.events_worked >= events and self._at_rest(case):
                return case
            time.sleep(0.02)
        raise TimeoutError(f"{subject} did not settle: {self.case(subject)}")

    def _at_rest(self, case: Case) -> bool:
        """Nothing but people can move it on."""
        with self.system.db.read() as tx:
            live = actions.unsettled(tx, case.id)
        moving = any(
            a.state == ActionState.EXECUTING or (a.state == ActionState.APPROVED and a.wake_at is not None)
            for a in live
        )
        return case.state not in AT_WORK and not moving

    def actions(self, case: Case, *, kind: str | None = None) -> list[Action]:
        """The actions of a case's present round."""
        with self.system.db.read() as tx:
            every = actions.of_case(tx, case.id)
        return [a for a in every if a.round == case.round and kind in (None, a.kind)]

    def action(self, case: Case, kind: str) -> Action | None:
        return next(iter(self.actions(case, kind=kind)), None)

    def effects(self, kind: str, target: str) -> int:
        """How often the sample company's books show this effect on this target."""
        return sum(1 for effect in self.company.effects(kind) if effect.target == target)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        request = urllib.request.Request(self.address + path, data=body, headers=dict(headers), method="POST")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
                return Answer(answer.status, json.loads(answer.read() or b"{}"))
        except urllib.error.HTTPError as error:
            return Answer(error.code, json.loads(error.read() or b"{}"))


@contextmanager
def set_up(data: Path) -> Iterator[Stage]:
    """The embedded system, running, with two colleagues who can decide."""
    # Whatever this machine is set up for: its own database, its own queue, the local model.
    settings = Settings(data=data, sample_company=True, database_url="", broker_url=IN_PROCESS)
    listener = embedded.free_listener()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    env = wiring.environment(settings, {})
    with embedded.sole_owner(settings.data), embedded.running(settings, public_url=address, vendors={}) as system:
        app = make_app(system, webhooks=registry.webhooks(env))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="web", daemon=True)
        thread.start()
        company = registry.company(settings.data)
        try:
            yield Stage(
                system=system,
                company=company,
                front=Shopfront(company),
                secret=load_secrets(STANDARD_V1, env["SAMPLE_WEBHOOK_SECRET"])[0],
                address=address,
                tokens=_colleagues(system),
            )
        finally:
            server.should_exit = True
            thread.join(10)
            company.close()


def _colleagues(system: System) -> dict[str, str]:
    """Casey leads support and risk, Finn answers for the money. They decide through tokens of their own."""
    groups = {"casey": ["support", "lead", "editor", "risk", "risk_lead"], "finn": ["finance", "lead"]}
    tokens = {}
    now = system.clock()
    with system.db.write() as tx:
        for name, of in groups.items():
            person = people.add(
                tx, email=f"{name}@example.com", name=name.title(), password_hash=NO_SIGN_IN, groups=of, now=now
            )
            plain, kept = make_token()
            people.add_token(tx, name="demo", token_hash=kept, scopes=["read", "decide"], person_id=person.id, now=now)
            tokens[name] = plain
    return tokens
