"""The embedded system: web server, worker and sweeper in one process, with the sample company beside them.

What production spreads over several processes, wired the same way: the worker is a Celery worker (threads) on kombu's
in-process transport, and nothing here is known to the pipeline. One process at a time owns a data folder, which a lock
on the folder holds; whatever was claimed when an earlier process died is therefore free again at once.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import celery.worker.state
from celery import Celery
from celery.app.trace import setup_worker_optimizations

from integrations import registry
from integrations.sample_company.sender import WebhookSender
from workers import wiring
from workers.hint_delivery import Threads
from workers.log import logger
from workers.queue import QUEUES
from workers.settings import Settings
from workers.store import cases
from workers.store.schema import upgrade
from workers.sweeper import Sweeper
from workers.tasks import register
from workers.wiring import System


class FolderInUse(Exception):
    """Another process runs on this data folder."""


@contextmanager
def sole_owner(data: Path) -> Iterator[None]:
    """Hold the data folder's lock. The system frees it when the process ends, however it ends."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise FolderInUse(
                f"Process {owner} runs on {data}. Stop it, or choose another folder with --data."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def running(settings: Settings, *, public_url: str, vendors: Mapping[str, str] | None = None) -> Iterator[System]:
    """Everything but the web server: migrated, wired, with worker, sweeper and the sample company's sender started."""
    env = wiring.environment(settings, vendors)
    system = wiring.build(settings, environment=env)
    try:
        upgrade(system.db)
        system.rulebook.begin()
        if system.db.is_sqlite:
            # The lock on the folder says that nobody else works on this file. Of a server it says nothing.
            with system.db.write() as tx:
                freed = cases.free_all(tx, system.clock())
            logger.info("claims_freed", rows=freed)
        register(system.app, system, wiring.hands(settings, environment=env, guards=system.guards))
        worker = WorkerThread(system.app, threads=settings.worker_threads)
        sweeper = Sweeper(system)
        sender = (
            WebhookSender(registry.company(settings.data), f"{public_url}/hooks/sample", env["SAMPLE_WEBHOOK_SECRET"])
            if settings.sample_company
            else None
        )
        system.leases.begin(QUEUES)
        worker.start()
        sweeper.start()
        if sender is not None:
            sender.start(alone=True)
        try:
            yield system
        finally:
            if sender is not None:
                sender.stop()
            sweeper.stop()
            worker.stop()
    finally:
        system.close()


def free_listener() -> socket.socket:
    """A socket listening on a free loopback port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    return listener


class WorkerThread:
    """A Celery worker with a thread pool, inside this process. Started again should it ever end unasked."""

    def __init__(self, app: Celery, *, threads: int) -> None:
        self._app = app
        self._threads = threads
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish what was begun; what waits in the queue is found by the sweeper next time."""
        self._stopping.set()
        celery.worker.state.should_stop = 0
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            celery.worker.state.should_stop = None
            # The controller, not the command-line worker: signals, banner and log belong to this process's own start.
            # What that worker does besides, telling the tracer whose tasks these are, is done here.
            setup_worker_optimizations(self._app)
            worker = self._app.WorkController(
                pool_cls=Threads,
                concurrency=self._threads,
                queues=list(QUEUES),
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            )
            worker.start()
            if not self._stopping.is_set():
                logger.error("worker_ended", remedy="it is started again in a second")
                time.sleep(1)
