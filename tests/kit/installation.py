"""A real installation for tests: `caseworker up` as a process of its own, killed and started again at will.

What a test sees from outside, it sees over HTTP; the books of the sample company and the database are read directly.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from integrations.sample_company.cast import ANA
from integrations.sample_company.company import SampleCompany
from integrations.sample_company.shopfront import Shopfront
from tests.kit.forked import Forked
from tests.kit.migrated import migrate
from tests.servers.ports import free_port
from workers.access import make_token
from workers.store import actions, cases, people, proof, steps
from workers.store.database import Database
from workers.store.records import Action, ActionState, Case, CaseState
from workers.wiring import utc_now

PATIENCE = 120.0


class Installation:
    """One data folder, and at most one process on it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = environment
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: Forked | None = None
        self.db = Database(f"sqlite:///{folder / 'caseworker.db'}", connections=4)
        migrate(self.db)
        self.company = SampleCompany(folder / "sample_company.db")
        self.front = Shopfront(self.company)
        self.tokens = {name: self._person(name) for name in ("casey", "finn")}

    def start(self, *, crash_at: str = "") -> None:
        """Start it; with `crash_at` it will kill itself the first time that it passes that point."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "CASEWORKER_LOG_LEVEL": "WARNING",
            "CASEWORKER_LOG_FORMAT": "json",
            "CASEWORKER_SWEEP_SECONDS": "0.2",
            **({"CASEWORKER_CRASH_AT": crash_at} if crash_at else {}),
            **self.environment,
        }
        words = ("up", "--port", str(self.port), "--data", str(self.folder))
        self.process = Forked("workers.cli", words, env=environment, cwd=self.folder, log=self.folder / "log")

    def ready(self) -> None:
        self.until(lambda: self._status("/readyz") == 200, "it does not come up")

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.wait_dead()

    def wait_dead(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.company.close()
        self.db.dispose()

    # acting

    def ticket(self, text: str = "My rain cover arrived torn, please refund 40.00 EUR.", title: str = "Torn") -> str:
        """Ana writes; the case's subject."""
        ticket = self.front.write_ticket(ANA.email, f"{title} {ANA.order_number}", text)
        return f"sample:ticket:{ticket}"

    def approve(self, action: Action, *, by: str = "casey") -> int:
        body = {"decision": "approve", "revision": action.revision, "digest": action.digest}
        return self.post(f"/api/v1/actions/{action.id}/decision", body, by=by)[0]

    def post(self, path: str, body: Any, *, by: str) -> tuple[int, Any]:
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.tokens[by]}"}
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def drive(self, subject: str) -> Case:
        """Approve what waits until the case is closed; survives the process dying under it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            case = self.case(subject)
            if case is not None and case.state == CaseState.CLOSED:
                return case
            if self.process is not None and self.process.poll() is not None:
                raise ProcessLookupError(self.process.returncode)
            for action in self.actions(subject):
                if action.state == ActionState.PENDING:
                    try:
                        self.approve(action)
                    except (OSError, urllib.error.URLError):
                        break
            time.sleep(0.05)
        raise TimeoutError(f"{subject} is not closed: {self.case(subject)}\n{self.log()}")

    # seeing

    def case(self, subject: str) -> Case | None:
        with self.db.read() as tx:
            return cases.on_subject(tx, subject)

    def actions(self, subject: str) -> list[Action]:
        with self.db.read() as tx:
            case = cases.on_subject(tx, subject)
            return actions.of_case(tx, case.id) if case is not None else []

    def recorded_calls(self, subject: str) -> int:
        with self.db.read() as tx:
            case = cases.on_subject(tx, subject)
            return len(steps.usage_of(tx, case.id)) if case is not None else 0

    def broken_audit(self) -> list[str]:
        with self.db.read() as tx:
            return proof.verify(tx)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    def until(self, true: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}\n{self.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{otherwise}\n{self.log()}")
            time.sleep(0.03)

    def _status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.address + path, timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def _person(self, name: str) -> str:
        now = utc_now()
        plain, kept = make_token()
        groups = ["support", "lead", "finance", "risk", "risk_lead", "editor"]
        with self.db.write() as tx:
            person = people.by_email(tx, f"{name}@example.com") or people.add(
                tx, email=f"{name}@example.com", name=name.title(), password_hash="!", groups=groups, now=now
            )
            people.add_token(tx, name="test", token_hash=kept, scopes=["read", "decide"], person_id=person.id, now=now)
        return plain
