"""The flow on DBOS: one durable workflow a case, each call outside a step of it, PostgreSQL beneath.

The door enqueues by the delivery's id, which is the workflow's, so a repeated delivery starts nothing. A case for a person
waits in `recv`. A worker keeps its executor id over a restart and takes up its own workflows then, as the documentation
has it for installations without the vendor's control plane.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from starlette.concurrency import run_in_threadpool

from engine_bench.peers import door, steps

QUEUE = "cases"
#: one second unless told otherwise; shorter costs idle CPU, longer holds up the slots
POLL_SECONDS = 0.05
APPROVED = "approved"
WEEK = 7 * 86400


@DBOS.step()
def classify(event: dict[str, Any]) -> dict[str, Any]:
    return steps.classify(event)


@DBOS.step()
def gather(event: dict[str, Any]) -> dict[str, Any]:
    return steps.gather(event)


@DBOS.step()
def draft(event: dict[str, Any], triage: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    return steps.draft(event, triage, facts)


@DBOS.step()
def act(drafted: dict[str, Any], key: str) -> dict[str, Any]:
    return steps.act(drafted, key)


@DBOS.workflow(name="case")
def case(key: str, event: dict[str, Any]) -> dict[str, Any] | None:
    triage = classify(event)
    facts = gather(event)
    drafted = draft(event, triage, facts)
    # The rules are pure code: a workflow may run them again, so they need no step of their own.
    if not steps.may_run(triage, facts, drafted) and not DBOS.recv(APPROVED, timeout_seconds=WEEK):
        return None
    return act(drafted, key)


def config(slots: int, number: str) -> DBOSConfig:
    return {
        "name": "bench",
        "system_database_url": os.environ["BENCH_DSN"],
        "executor_id": f"worker-{number}",
        "application_version": "1",
        "max_executor_threads": slots + 16,
        "sys_db_pool_size": 20,
        "log_level": "ERROR",
    }


def prepare() -> None:
    """Make the tables and the queue."""
    DBOS(config=config(1, "prepare"))
    DBOS.listen_queues([])
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=None, polling_interval_sec=POLL_SECONDS)
    DBOS.destroy()


def work(slots: int) -> None:
    DBOS(config=config(slots, os.environ["BENCH_NUMBER"]))
    DBOS.listen_queues([QUEUE])
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=slots, polling_interval_sec=POLL_SECONDS, on_conflict="always_update")
    threading.Event().wait()


def web(port: int) -> None:
    client = DBOSClient(
        system_database_url=os.environ["BENCH_DSN"], system_database_pool_size=20, application_name="bench"
    )
    options: EnqueueOptions = {"workflow_name": "case", "queue_name": QUEUE, "app_version": "1"}

    async def accept(message_id: str, event: dict[str, Any]) -> None:
        chosen: EnqueueOptions = {**options, "workflow_id": message_id}
        await run_in_threadpool(client.enqueue, chosen, message_id, event)

    async def approve(marker: str) -> None:
        await run_in_threadpool(client.send, f"msg_{marker}", True, APPROVED)

    door.serve(port, accept, approve)


def main() -> None:
    match sys.argv[1:]:
        case ["prepare"]:
            prepare()
        case ["worker", slots]:
            work(int(slots))
        case ["web", port]:
            web(int(port))


if __name__ == "__main__":
    main()
