"""The crew: the Celery worker that `caseworker worker` runs, with all that belongs to one.

The command line calls `work`, and so do programs that bring readers of their own. Nothing here knows what a task does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from celery.signals import worker_process_init

from integrations.registry import Writers
from workers.courier import Threads
from workers.log import logger
from workers.tasks import register
from workers.wiring import System

#: each started process of a crew builds what it works on; connections and threads do not survive a fork
Anew = Callable[[], tuple[System, Writers | None]]


def work(
    system: System,
    writers: Writers | None,
    *,
    queues: Sequence[str],
    pool: str = "threads",
    concurrency: int,
    anew: Anew | None = None,
) -> int:
    """Work the queues in the foreground until SIGTERM or Ctrl-C. Returns the exit code.

    With `pool` "prefork" each process calls `anew` for the System that it works on; `system` then only lends its app.
    """
    post = register(system.app, system, writers)

    def in_a_new_process(**_: object) -> None:
        assert anew is not None, "processes need a System each"
        post.system, post.writers = anew()

    if pool == "prefork":
        if anew is None:
            raise ValueError("With processes, `anew` must say what each of them works on.")
        worker_process_init.connect(in_a_new_process, weak=False)
    celery = system.app.Worker(
        pool=Threads if pool == "threads" else pool,
        concurrency=concurrency,
        queues=list(queues),
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        loglevel=system.settings.log_level,
    )
    logger.info("worker_started", queues=list(queues), pool=pool, concurrency=concurrency, model=system.model.name)
    celery.start()
    return int(celery.exitcode or 0)
