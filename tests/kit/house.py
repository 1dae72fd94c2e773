"""A made-up house for engine tests: a helpdesk, payments and a mailer in memory, counting every effect.

Unlike the sample company it can be told, call by call, to fail before doing, to do and then fail, or to stop answering.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.base import Receipt, Record
from integrations.errors import Permanent, Stale, Temporary

Fault = Callable[[], None]


@dataclass
class House:
    """Reader and Writer in one, for system ``house``."""

    effects: list[tuple[str, str, Any]] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    by_key: dict[str, Receipt] = field(default_factory=dict)
    before: list[Exception] = field(default_factory=list)
    after: list[Exception] = field(default_factory=list)
    read_faults: list[Exception] = field(default_factory=list)
    refundable: int = 10_000
    during_write: Callable[[], Any] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    # reading

    def ticket(self, ticket_id: str) -> Record:
        self._read(f"ticket {ticket_id}")
        ref = f"house:ticket:{ticket_id}"
        data = {"ticket_id": ticket_id, "requester_email": "ana@example.com", "messages": []}
        return Record(ref, "ticket", "A ticket", data, self.version(ref), trusted=False)

    def tickets_of(self, email: str, *, limit: int = 5) -> Sequence[Record]:
        return []

    def articles(self, query: str, *, limit: int = 3) -> Sequence[Record]:
        return []

    def customer(self, key: str) -> Record | None:
        self._read(f"customer {key}")
        data = {
            "customer_id": "cus_1",
            "name": "Ana Diaz",
            "email": "ana@example.com",
            "tier": "standard",
            "vip": False,
            "verified": True,
            "created_at": "2024-01-01T00:00:00+00:00",
            "refunds_count_90d": 0,
            "refunds_minor_90d": 0,
        }
        return Record("house:customer:cus_1", "customer", "Ana Diaz", data, "", trusted=True)

    def charge(self, charge_id: str) -> Record | None:
        self._read(f"charge {charge_id}")
        ref = f"house:charge:{charge_id}"
        data = {
            "charge_id": charge_id,
            "customer_id": "cus_1" if charge_id.startswith("ch_1") else "cus_2",
            "amount_minor": 10_000,
            "refundable_minor": self.refundable,
            "shipping_minor": 1_200,
            "currency": "EUR",
            "status": "succeeded",
            "created_at": "2026-11-01T00:00:00+00:00",
        }
        return Record(ref, "charge", f"Charge {charge_id}", data, self.version(ref), trusted=True)

    def charges_of(self, customer_id: str, *, limit: int = 20) -> Sequence[Record]:
        return []

    def disputes_of(self, customer_id: str) -> Sequence[Record]:
        return []

    def version(self, ref: str) -> str:
        return f"v{self.versions.get(ref, 1)}"

    # writing

    def reply(self, ticket_id: str, body: str, *, public: bool, key: str, if_version: str) -> Receipt:
        return self._write("reply", f"house:ticket:{ticket_id}", key, if_version, body, dedupe=False)

    def find_reply(self, ticket_id: str, key: str) -> Receipt | None:
        return self.by_key.get(key)

    def add_tags(self, ticket_id: str, tags: Sequence[str], *, key: str, if_version: str) -> Receipt:
        return self._write("tag", f"house:ticket:{ticket_id}", key, if_version, list(tags))

    def assign(self, ticket_id: str, team: str, note: str, *, key: str, if_version: str) -> Receipt:
        return self._write("assign", f"house:ticket:{ticket_id}", key, if_version, team)

    def set_status(self, ticket_id: str, status: str, *, key: str, if_version: str) -> Receipt:
        return self._write("status", f"house:ticket:{ticket_id}", key, if_version, status)

    def refund(
        self, charge_id: str, amount_minor: int, currency: str, reason: str, *, key: str, if_version: str
    ) -> Receipt:
        if amount_minor > self.refundable:
            raise Permanent(f"Charge {charge_id} has only {self.refundable} left to refund.")
        return self._write("refund", f"house:charge:{charge_id}", key, if_version, amount_minor)

    def hold(self, charge_id: str, reason: str, *, key: str, if_version: str) -> Receipt:
        return self._write("hold", f"house:charge:{charge_id}", key, if_version, reason)

    def release(self, charge_id: str, reason: str, *, key: str, if_version: str) -> Receipt:
        return self._write("release", f"house:charge:{charge_id}", key, if_version, reason)

    def send(self, to: str, subject: str, body: str, *, key: str) -> Receipt:
        return self._write("mail", f"house:mail:{to}", key, "", body, dedupe=False)

    # telling

    def done(self, kind: str) -> list[Any]:
        """What was really done of a kind, in order."""
        return [what for name, _, what in self.effects if name == kind]

    def touched_by_somebody_else(self, ref: str) -> None:
        self.versions[ref] = self.versions.get(ref, 1) + 1

    def _read(self, what: str) -> None:
        self.reads.append(what)
        if self.read_faults:
            raise self.read_faults.pop(0)

    def _write(self, kind: str, ref: str, key: str, if_version: str, what: Any, *, dedupe: bool = True) -> Receipt:
        if self.before:
            raise self.before.pop(0)
        with self.lock:
            if dedupe and key in self.by_key:
                return self.by_key[key]
            before = self.version(ref)
            if if_version and if_version != before:
                raise Stale(f"{ref} is at {before}, not {if_version}.")
            self.versions[ref] = self.versions.get(ref, 1) + 1
            receipt = Receipt(f"{ref}#{len(self.effects)}", before, self.version(ref))
            self.effects.append((kind, key, what))
            self.by_key[key] = receipt
        if self.during_write is not None:
            meanwhile, self.during_write = self.during_write, None
            meanwhile()
        if self.after:
            raise self.after.pop(0)
        return receipt


def timed_out(*, maybe_done: bool) -> Temporary:
    return Temporary("No answer within 10 s.", maybe_done=maybe_done)
