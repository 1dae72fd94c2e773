"""A plain Celery chain on Redis: one task a step, the case travelling in the messages.

Late acknowledgement and prefetch 1, no result backend: what its documentation recommends for tasks that are idempotent
and may be long. The door drops repeated deliveries by SET NX and answers once the chain is published.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import redis
from celery import Celery, chain
from starlette.concurrency import run_in_threadpool

from engine_bench.peers import door, steps

app = Celery("chain", broker=os.environ["BENCH_REDIS"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"max_connections": 4000},
    worker_cancel_long_running_tasks_on_connection_loss=False,
)
books = redis.Redis.from_url(os.environ["BENCH_REDIS"], max_connections=4000)


@app.task
def classify(case: dict[str, Any]) -> dict[str, Any]:
    return {**case, "triage": steps.classify(case["event"])}


@app.task
def gather(case: dict[str, Any]) -> dict[str, Any]:
    return {**case, "facts": steps.gather(case["event"])}


@app.task
def draft(case: dict[str, Any]) -> dict[str, Any]:
    return {**case, "drafted": steps.draft(case["event"], case["triage"], case["facts"])}


@app.task
def decide(case: dict[str, Any]) -> None:
    if steps.may_run(case["triage"], case["facts"], case["drafted"]):
        act.delay(case)
    else:
        books.hset("parked", case["event"]["ticket_id"], json.dumps(case))


@app.task
def act(case: dict[str, Any]) -> None:
    receipt = steps.act(case["drafted"], case["key"])
    books.hset("outcomes", case["event"]["ticket_id"], json.dumps(receipt))


def begin(message_id: str, event: dict[str, Any]) -> None:
    if books.set(f"seen:{message_id}", 1, nx=True, ex=86400):
        case = {"key": message_id, "event": event}
        chain(classify.s(case), gather.s(), draft.s(), decide.s()).apply_async()


def approve(marker: str) -> None:
    parked = books.hget("parked", marker)
    if parked is not None and books.hdel("parked", marker):
        act.delay(json.loads(parked))


async def _accept(message_id: str, event: dict[str, Any]) -> None:
    await run_in_threadpool(begin, message_id, event)


async def _approve(marker: str) -> None:
    await run_in_threadpool(approve, marker)


def main() -> None:
    match sys.argv[1:]:
        case ["web", port]:
            door.serve(int(port), _accept, _approve)
        case ["worker", slots]:
            pool = "prefork" if int(slots) <= 8 else "threads"
            quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
            name = f"w{os.environ['BENCH_NUMBER']}@bench"
            app.worker_main(["worker", "-P", pool, "-c", slots, "-n", name, *quiet])
