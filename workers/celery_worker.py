"""The Celery worker that `caseworker worker` runs, with all that belongs to one.

The command line calls `work`, and so do programs that bring readers of their own. Nothing here knows what a task does.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from celery.concurrency.prefork import TaskPool
from celery.signals import worker_process_init, worker_process_shutdown

from integrations.registry import Writers
from workers import outset
from workers.hint_delivery import Threads
from workers.log import logger
from workers.tasks import Post, register
from workers.wiring import System

#: each process of a pool builds what it works on: connections and threads do not survive a fork
Anew = Callable[[], tuple[System, Writers | None]]

#: what a process has learned and leaked by then is worth less than a fresh one
CASES_PER_PROCESS = 500


class Processes(TaskPool):  # type: ignore[misc] # Celery has no types
    """Celery's pool of processes, which it waits for however long one takes; here those that take too long are ended.

    What they worked on goes on as soon as the sweeper finds that they are gone, like that of any process that dies.
    """

    def on_stop(self) -> None:
        end = threading.Timer(self.app.conf.stop_seconds, _end, [self._pool])
        end.daemon = True
        end.start()
        try:
            super().on_stop()
        finally:
            end.cancel()


def _end(pool: Any) -> None:
    left = [process.pid for process in tuple(pool._pool) if process.exitcode is None]  # noqa: SLF001 - there is no other list
    if left:
        logger.warning("stopped_while_working", running=len(left), remedy="others go on with those cases")
    for number in left:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


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
    options: dict[str, Any] = {"pool": Threads}
    if pool == "prefork":
        if anew is None:
            raise ValueError("With processes, `anew` must say what each of them works on.")
        _in_each_process(post, anew)
        system.db.dispose()
        # Threads can only be left; a process that hangs is ended, and what it worked on goes on elsewhere.
        limit = system.settings.longest.total_seconds()
        options = {"pool": Processes, "max_tasks_per_child": CASES_PER_PROCESS, "time_limit": limit}
    else:
        system.leases.begin(queues)
        if writers is not None:
            outset.get_ready(system)
    worker = system.app.Worker(
        **options,
        concurrency=concurrency,
        queues=list(queues),
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        loglevel=system.settings.log_level,
    )
    logger.info("worker_started", queues=list(queues), pool=pool, concurrency=concurrency, model=system.model.name)
    worker.start()
    return int(worker.exitcode or 0)


def _in_each_process(post: Post, anew: Anew) -> None:
    def begin(**_: object) -> None:
        post.system, post.writers = anew()

    def end(**_: object) -> None:
        post.system.close()

    worker_process_init.connect(begin, weak=False)
    worker_process_shutdown.connect(end, weak=False)
