"""The people and vendors around the fleet: signed webhooks with redeliveries, and approvals by impatient hands.

Everything goes over HTTP to the web process, which may be dead or without a database at any moment: a vendor sends again until
it is told 2xx, a person clicks again until there is an answer. What was promised (2xx) and decided is kept for the verdict.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from integrations.webhooks import load_secrets, sign
from integrations.webhooks.schemes import STANDARD_V1
from tests.faults import script
from tests.faults.stack import PEOPLE, Stack

TIMEOUT = httpx.Timeout(8.0, connect=2.0)
#: of all tickets: those whose customer writes again, and deliveries that come more than once
SECOND_EVENTS = 0.25
REDELIVERED = 0.2
AT_ONCE = 0.1


@dataclass
class Journal:
    """What the outside was told, and what it told."""

    accepted: dict[str, str] = field(default_factory=dict)
    #: (action, digest) -> words that people said of it
    said: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, what: str) -> None:
        with self.lock:
            self.answers[what] += 1


class Driver:
    """Sends `tickets` over `seconds`, and decides what waits until it is stopped."""

    def __init__(self, stack: Stack, *, tickets: int, seconds: float) -> None:
        self.journal = Journal()
        self._stack = stack
        self._random = random.Random(stack.seed)
        self._secret = load_secrets(STANDARD_V1, stack.secret)[0]
        self._http = httpx.Client(base_url=stack.address, timeout=TIMEOUT, trust_env=False)
        self._house = httpx.Client(base_url=stack.house_url, timeout=TIMEOUT, trust_env=False)
        self._stop = threading.Event()
        self._plan: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._due = threading.Condition()
        self._sending = 0
        self._handled: set[tuple[str, str, str]] = set()
        for n in range(1, tickets + 1):
            self._plan_ticket(n, self._random.uniform(0, seconds))
        self._threads = [threading.Thread(target=self._send, name=f"vendor-{i}", daemon=True) for i in range(8)]
        self._threads.append(threading.Thread(target=self._decide, name="people", daemon=True))

    def start(self) -> None:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def all_sent(self) -> bool:
        with self._due:
            return not self._plan and not self._sending

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)
        self._http.close()
        self._house.close()

    # vendors

    def _plan_ticket(self, n: int, at: float) -> None:
        self._plan_event(f"dlv-{n}-1", n, "ticket.created", at)
        if self._random.random() < SECOND_EVENTS:
            self._plan_event(f"dlv-{n}-2", n, "ticket.commented", at + self._random.uniform(0.1, 6.0))

    def _plan_event(self, delivery: str, n: int, kind: str, at: float) -> None:
        def deliver() -> None:
            if kind == "ticket.commented":
                self._house.post("/touch", json={"ref": f"{script.SYSTEM}:ticket:{n}"})
            self._deliver(delivery, n, kind)

        heapq.heappush(self._plan, (at, next(self._order), deliver))
        if self._random.random() < REDELIVERED:
            later = at + self._random.uniform(0.5, 10.0)
            heapq.heappush(self._plan, (later, next(self._order), lambda: self._deliver(delivery, n, kind)))
        if self._random.random() < AT_ONCE:
            heapq.heappush(self._plan, (at, next(self._order), lambda: self._deliver(delivery, n, kind)))

    def _send(self) -> None:
        while not self._stop.is_set():
            with self._due:
                wait = self._plan[0][0] - (time.monotonic() - self._began) if self._plan else 0.2
                job = heapq.heappop(self._plan)[2] if self._plan and wait <= 0 else None
                self._sending += job is not None
            if job is None:
                self._stop.wait(min(max(wait, 0.01), 0.2))
                continue
            try:
                job()
            finally:
                with self._due:
                    self._sending -= 1

    def _deliver(self, delivery: str, n: int, kind: str) -> None:
        """Until it is told 2xx, as a vendor would, only faster."""
        data = {
            "title": f"About ticket T-{n}",
            "text": f"My order is broken. This is about ticket T-{n}, {kind}.",
            "ticket_id": str(n),
            "requester_email": f"c{n}@example.com",
            "requester_name": f"Customer {n}",
            "channel": "email",
        }
        now = datetime.now(UTC)
        body = json.dumps({"id": delivery, "type": kind, "occurred_at": now.isoformat(), "data": data}).encode()
        while not self._stop.is_set():
            headers = sign(STANDARD_V1, self._secret, body, at=datetime.now(UTC), delivery_id=delivery)
            try:
                answer = self._http.post("/hooks/sample", content=body, headers=headers)
            except httpx.TransportError as error:
                self.journal.answered(f"webhook {type(error).__name__}")
            else:
                self.journal.answered(f"webhook {answer.status_code}")
                if answer.is_success:
                    with self.journal.lock:
                        self.journal.accepted[delivery] = str(n)
                    return
            self._stop.wait(0.5)

    # people

    def _decide(self) -> None:
        with ThreadPoolExecutor(8, thread_name_prefix="clicks") as clicks:
            while not self._stop.wait(0.3):
                found = self._ask("GET", "/api/v1/actions?state=pending&limit=200", PEOPLE[0])
                if found is None or found.status_code != 200:
                    continue
                for action in found.json()["actions"]:
                    # What one yes was not enough for comes up once more.
                    seen = (action["id"], action["digest"], action["waiting_for"] or "")
                    if seen not in self._handled:
                        self._handled.add(seen)
                        self._handle(clicks, action)

    def _handle(self, clicks: ThreadPoolExecutor, action: dict[str, Any]) -> None:
        n = script.number(f"{action['arguments'].get('charge_id', '')}{action['target']}")
        mood = random.Random(f"{self._stack.seed} {n} {action['kind']}").random()
        one, other = PEOPLE
        if "in part" in (action["waiting_for"] or ""):
            # Either may have been the first, and whoever it was is told so (422).
            words = [(other, "approve"), (one, "approve")]
        elif mood < 0.65:
            words = [(one, "approve")]
        elif mood < 0.8:
            words = [(one, "approve"), (one, "approve")]
        elif mood < 0.92:
            words = [(one, "approve"), (other, "approve")]
        elif mood < 0.97:
            words = [(one, "approve"), (other, "reject")]
        else:
            words = [(other, "reject")]
        for person, word in words:
            clicks.submit(self._click, action, person, word)

    def _click(self, action: dict[str, Any], person: str, word: str) -> None:
        with self.journal.lock:
            self.journal.said.setdefault((action["id"], action["digest"]), []).append(word)
        body = {
            "decision": word,
            "revision": action["revision"],
            "digest": action["digest"],
            "state": action["state"],
            "reason": "seen",
        }
        while not self._stop.is_set():
            answer = self._ask("POST", f"/api/v1/actions/{action['id']}/decision", person, body)
            if answer is not None and answer.status_code < 500:
                return
            self._stop.wait(0.5)

    def _ask(self, method: str, path: str, person: str, body: Any = None) -> httpx.Response | None:
        headers = {"authorization": f"Bearer {self._stack.tokens[person]}"}
        try:
            answer = self._http.request(method, path, headers=headers, json=body)
        except httpx.TransportError as error:
            self.journal.answered(f"{method} {type(error).__name__}")
            return None
        why = f": {answer.json().get('detail')}" if answer.status_code in (400, 403, 404, 422) else ""
        self.journal.answered(f"{method} {answer.status_code}{why}")
        return answer
