"""The Celery worker that `caseworker worker` runs, with all that belongs to one.

The command line calls `work`, and so do programs that bring readers of their own. Nothing here knows what a task does.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

from celery.apps import worker as program
from celery.concurrency.prefork import TaskPool
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down

from integrations.registry import Writers
from workers import action_start
from workers.hint_delivery import RECONNECT_SECONDS, Threads
from workers.log import logger, told
from workers.tasks import Post, register
from workers.telemetry import traces
from workers.wiring import System

#: each process of a pool builds what it works on: connections and threads do not survive a fork
Anew = Callable[[], tuple[System, Writers | None]]

#: what a process has learned and leaked by then is worth less than a fresh one
CASES_PER_PROCESS = 500
#: so much longer than the time to stop a worker is there at most, whatever hangs
LAST_SECONDS = 5.0


class Processes(TaskPool):  # type: ignore[misc] # Celery has no types
    """Celery's pool of processes, which it waits for however long one takes; here those that take too long are ended.

    What they worked on goes on as soon as the sweeper finds that they are gone, like that of any process that dies.
    """

    def on_stop(self) -> None:
        end = threading.Timer(self.app.conf.stop_seconds, self.end)
        end.daemon = True
        end.start()
        try:
            super().on_stop()
        finally:
            end.cancel()

    def end(self) -> None:
        """Kill those that are left."""
        everybody = () if self._pool is None else tuple(self._pool._pool)  # noqa: SLF001 - there is no other list
        left = [process.pid for process in everybody if process.exitcode is None]
        if left:
            logger.warning("stopped_while_working", running=len(left), remedy="others go on with those cases")
        for number in left:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def _leave_at_last(worker: Any, stop_seconds: float) -> None:
    """Celery waits for a broker that answers nothing (a server that stands still, a network that swallows) for a minute, and a
    database may be waited for as well. From the signal on there is an end to it: nothing is lost that would be waited for.

    Whoever looks at the clock is there before the signal: its handler runs in the midst of whatever the loop did, and may be
    waiting itself for what was interrupted.
    """
    told_to_stop: SimpleQueue[None] = SimpleQueue()

    def watch() -> None:
        told_to_stop.get()
        time.sleep(stop_seconds + LAST_SECONDS)
        logger.warning(
            "stopped_while_waiting", remedy="broker or database do not answer; the sweeper finds what was in hand"
        )
        if isinstance(worker.pool, Processes):
            worker.pool.end()
        os._exit(0)

    def begin(**_: object) -> None:
        told_to_stop.put(None)

    wait = worker.wait_for_soft_shutdown

    def begin_and_wait() -> None:
        begin()
        wait()

    threading.Thread(target=watch, name="leave-at-last", daemon=True).start()
    worker_shutting_down.connect(begin, weak=False)
    # Told to stop at once (SIGQUIT), Celery says so only when it has spoken to the broker and stopped its pool.
    worker.wait_for_soft_shutdown = begin_and_wait


def _say_if_it_can(say: Callable[..., None], *words: Any) -> None:
    """What Celery writes on the output when it is told to stop, before it obeys: on a full disk, or where nobody reads any more, the
    signal would come to nothing."""
    with suppress(OSError):
        say(*words)


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
            action_start.warm_up(system)
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
    _leave_at_last(worker, system.settings.stop_seconds)
    program.safe_say = partial(_say_if_it_can, program.safe_say)
    worker.start()
    return int(worker.exitcode or 0)


def _in_each_process(post: Post, anew: Anew) -> None:
    def begin(**_: object) -> None:
        try:
            post.system, post.writers = anew()
        except Exception as error:
            # Celery would let it work with what it got from its parent: under another's name, and nobody would hear its hints.
            logger.warning("process_not_begun", error=told(error), remedy="another is started in its place in a second")
            time.sleep(RECONNECT_SECONDS)
            raise SystemExit(1) from error

    def end(**_: object) -> None:
        post.system.close()
        # A process of a pool leaves without what others do at their end.
        traces.close()

    worker_process_init.connect(begin, weak=False)
    worker_process_shutdown.connect(end, weak=False)
