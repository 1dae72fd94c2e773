"""``caseworker worker``: a Celery worker, in the foreground, on the queues that it is given.

Only a worker of the queue ``actions`` builds Writers, so the processes that read hostile text run without what they need.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from integrations.registry import Writers
from workers import celery_worker, wiring
from workers.cli import opening, watching, wired
from workers.cli.failures import Failure
from workers.queue import QUEUES
from workers.settings import Settings
from workers.wiring import System

app = typer.Typer(add_completion=False)

FEW = 4


class Pool(StrEnum):
    """How cases are worked on at once."""

    THREADS = "threads"
    PREFORK = "prefork"


@app.command()
def worker(
    queues: Annotated[
        str, typer.Option(help="Queues to work, with commas between them. Only with `actions` are Writers made.")
    ] = ",".join(QUEUES),
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Cases and actions worked on at once. [default: WORKER_THREADS]"),
    ] = None,
    pool: Annotated[
        Pool, typer.Option(help="Threads suit work that waits; processes (prefork) suit work that computes.")
    ] = Pool.THREADS,
) -> None:
    """Work the queues, in the foreground.

    Ctrl-C or SIGTERM lets running work finish, for as long as STOP_SECONDS says; what waits goes back to its queue. Run
    as many as you like, on as many machines; several may share a queue.
    """
    found = opening.settings(worker_threads=concurrency)
    opening.needs_a_broker(found, "worker")
    chosen = named(queues)
    if pool is Pool.PREFORK and "events" in chosen:
        raise Failure("The queue events is worked with threads: storing an event waits for the database and no more.")
    with wired.system(found) as system:
        watching.begin(found, system, "worker")
        env = wiring.environment(found)
        writers = wiring.hands(found, environment=env, guards=system.guards) if "actions" in chosen else None
        code = celery_worker.work(
            system,
            writers,
            queues=chosen,
            pool=pool.value,
            concurrency=found.worker_threads,
            anew=partial(_in_a_process, found, chosen),
        )
    sys.exit(code)


def _in_a_process(found: Settings, chosen: Sequence[str]) -> tuple[System, Writers | None]:
    """What one process of a pool works on: it has one case at a time, and needs few connections."""
    env = wiring.environment(found)
    system = wiring.build(found.model_copy(update={"database_connections": FEW}), environment=env)
    watching.speak_as(found, system, "worker")
    system.rulebook.begin()
    system.leases.begin(chosen)
    return system, wiring.hands(found, environment=env, guards=system.guards) if "actions" in chosen else None


def named(queues: str) -> list[str]:
    """The queues of a list with commas. A misspelt one is an error, never a queue that nobody fills."""
    chosen = list(dict.fromkeys(name.strip() for name in queues.split(",") if name.strip()))
    unknown = [name for name in chosen if name not in QUEUES]
    if unknown or not chosen:
        raise Failure(
            f"There is no queue {', '.join(map(repr, unknown)) or repr(queues)}; there are {', '.join(QUEUES)}."
        )
    return chosen
