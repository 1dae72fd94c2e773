"""``caseworker worker``: a Celery worker with threads, in the foreground, on the queues that it is given.

Only a worker of the queue ``actions`` builds Writers, so the processes that read hostile text run without what they need.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workers import crew, embedded, wiring
from workers.cli import opening, watching, wired
from workers.cli.failures import Failure
from workers.queue import QUEUES

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    queues: Annotated[
        str, typer.Option(help="Queues to work, with commas between them. Only with `actions` are Writers made.")
    ] = ",".join(QUEUES),
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Cases and actions worked on at once. [default: WORKER_THREADS]"),
    ] = None,
) -> None:
    """Work the queues, in the foreground.

    Ctrl-C or SIGTERM lets running work finish. Run as many as you like, on as many machines; several may share a queue.
    """
    found = opening.settings(worker_threads=concurrency)
    opening.needs_a_broker(found, "worker")
    chosen = named(queues)
    with wired.system(found) as system:
        watching.begin(found, system, "worker")
        environment = embedded.environment(found)
        writers = wiring.hands(found, environment=environment, guards=system.guards) if "actions" in chosen else None
        system.leases.begin(chosen)
        code = crew.work(system, writers, queues=chosen, concurrency=found.worker_threads)
    sys.exit(code)


def named(queues: str) -> list[str]:
    """The queues of a list with commas. A misspelt one is an error, never a queue that nobody fills."""
    chosen = list(dict.fromkeys(name.strip() for name in queues.split(",") if name.strip()))
    unknown = [name for name in chosen if name not in QUEUES]
    if unknown or not chosen:
        raise Failure(
            f"There is no queue {', '.join(map(repr, unknown)) or repr(queues)}; there are {', '.join(QUEUES)}."
        )
    return chosen
