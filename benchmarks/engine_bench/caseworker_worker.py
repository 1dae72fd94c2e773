"""A Caseworker worker for the comparison: the real engine, with an agent whose work is the same as everybody's.

The agent looks up one customer by SQL and one charge by HTTP and proposes one refund; the shipped policy judges it, and
the writer posts it with the idempotency key. Everything else is what `caseworker worker` runs. Web and sweeper are the
real commands. Started by `engine_bench.contenders`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from engine_bench.outside import Crm, Payments
from integrations.base import Receipt, Record
from integrations.errors import Permanent
from integrations.registry import Readers, Writers
from workers import celery_worker
from workers.agents.base import Agent, Inquiry, Source, Triage
from workers.cli import opening, wired


class TicketTriage(Triage):
    intent: Literal["refund_request", "order_status", "complaint", "other"]
    sentiment: Literal["negative", "neutral", "positive"]
    urgency: Literal["urgent", "high", "normal", "low"]


class BenchReaders:
    """Speaks for the system ``sample``: customers over SQL, charges over HTTP."""

    def __init__(self, dsn: str, world: str) -> None:
        self._crm, self._payments = Crm(dsn), Payments(world)

    def customer(self, key: str) -> Record | None:
        found = self._crm.customer(key)
        if found is None:
            return None
        return Record(f"sample:customer:{found['customer_id']}", "customer", found["name"], found, "", trusted=True)

    def charge(self, charge_id: str) -> Record | None:
        found = self._payments.charge(charge_id)
        return Record(f"sample:charge:{charge_id}", "charge", f"Charge {charge_id}", found, "", trusted=True)

    def charges_of(self, customer_id: str, *, limit: int = 20) -> Sequence[Record]:  # noqa: ARG002 - not asked here
        return []

    def disputes_of(self, customer_id: str) -> Sequence[Record]:  # noqa: ARG002 - not asked here
        return []


class BenchWriters:
    def __init__(self, world: str) -> None:
        self._payments = Payments(world)

    def refund(
        self,
        charge_id: str,
        amount_minor: int,
        currency: str,
        reason: str,
        *,
        key: str,
        if_version: str,  # noqa: ARG002 - the payment service of this world has no versions
    ) -> Receipt:
        asked = {"charge_id": charge_id, "amount_minor": amount_minor, "currency": currency, "reason": reason}
        return Receipt(str(self._payments.refund(asked, key)["refund_id"]))

    def hold(self, *_: object, **__: object) -> Receipt:
        raise Permanent("The payment service of this world gives refunds and nothing else.")

    def release(self, *_: object, **__: object) -> Receipt:
        raise Permanent("The payment service of this world gives refunds and nothing else.")


def customer(inquiry: Inquiry) -> Sequence[Record]:
    readers: Any = inquiry.readers.find("sample", BenchReaders)
    found = readers.customer(str(inquiry.latest("requester_email")))
    return [found] if found is not None else []


def charge(inquiry: Inquiry) -> Sequence[Record]:
    readers: Any = inquiry.readers.find("sample", BenchReaders)
    return [readers.charge(f"ch_{inquiry.subject_id}")]


AGENT = Agent(
    domain="support",
    triage=TicketTriage,
    primary="intent",
    sources=(Source("customer", customer, needed=True), Source("charge", charge, needed=True)),
    kinds=("refund_payment",),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--queues", default="support,actions")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    work(options.queues.split(","), options.threads, os.environ)


def work(queues: list[str], threads: int, env: Mapping[str, str]) -> None:
    found = opening.settings(worker_threads=threads)
    with wired.system(found) as built:
        opening.log_to(found.log_level, found.log_format)
        system = replace(
            built,
            readers=Readers({"sample": BenchReaders(env["BENCH_DSN"], env["BENCH_WORLD"])}, built.guards.wrap),
            agents={"support": AGENT},
        )
        code = celery_worker.work(
            system,
            Writers({"sample": BenchWriters(env["BENCH_WORLD"])}, built.guards.wrap),
            queues=queues,
            pool="threads",
            concurrency=threads,
        )
    sys.exit(code)


if __name__ == "__main__":
    main()
