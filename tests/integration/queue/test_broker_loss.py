"""The broker is killed under load, again and again: workers live on, everything is done, once, and no call is repeated."""

from __future__ import annotations

import threading
import time

import pytest

KILLS = 2

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def workers(install, far_broker):
    return install(far_broker, CASEWORKER_CUSTOMER_CAP="0")


class Customers:
    """Write ticket after ticket until told to stop, whatever becomes of the broker."""

    def __init__(self, workers, *, pause):
        self.workers, self.pause = workers, pause
        self.written = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _write(self):
        while not self._stop.wait(self.pause):
            self.workers.ticket()
            self.written += 1


def test_a_broker_that_is_killed_under_load_ends_no_worker_and_loses_and_doubles_nothing(workers, far_broker, api):
    api.delay = 0.3
    team = [workers.start("worker", "--queues", "support,actions", "--concurrency", "8") for _ in range(2)]
    workers.start("sweep")

    with Customers(workers, pause=0.2) as customers:
        workers.until(lambda: workers.closed() > 0, "they do not work")
        for _ in range(KILLS):
            far_broker.kill()
            time.sleep(1)
            far_broker.start()
            before = workers.closed()
            workers.until(lambda before=before: workers.closed() > before + 5, "they do not go on")

    workers.until(lambda: workers.closed() == customers.written, "something is not done")
    assert [process.poll() for process in team] == [None, None], workers.log()
    assert workers.tagged() == customers.written
    assert len(api.requests) == 2 * customers.written
    # They listen again: what is new does not wait for the sweeper.
    workers.ticket()
    workers.until(lambda: workers.closed() == customers.written + 1, "the new one is not done")
