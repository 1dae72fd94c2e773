"""`caseworker worker` as processes of its own: what they do without credentials, and how they stop."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.kit import handless, tardy
from tests.kit.patience import until

# Each starts several processes, one after the other.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def workers(install, far_broker):
    return install(far_broker)


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_that_thinks_never_asks_for_writers_and_what_it_decided_waits_for_one_that_does(workers, api, pool):
    thinking = workers.start(
        "worker", "--queues", "support", "--pool", pool, "--concurrency", "2", program=handless.__name__
    )
    doing = workers.start("worker", "--queues", "support,actions", program=handless.__name__)
    assert doing.wait(240) == handless.ASKED, "the trap does not work"

    workers.ticket()
    workers.until(lambda: workers.decided() == 1, "it does not think")
    assert len(api.requests) == 2
    assert workers.tagged() == 0
    assert thinking.poll() is None

    workers.start("worker", "--queues", "actions")
    workers.until(lambda: workers.closed() == 1, "it is not carried out")
    assert workers.tagged() == 1
    assert thinking.poll() is None


def test_told_to_stop_it_finishes_what_runs_and_gives_back_what_waits(workers, api):
    api.delay = 1.0
    first = workers.start("worker", "--queues", "support,actions", "--concurrency", "1")
    for _ in range(6):
        workers.ticket()
    workers.until(lambda: bool(api.requests), "it does not think")
    first.send_signal(signal.SIGTERM)

    assert first.wait(240) == 0
    assert len(api.requests) == 2, "what ran was not finished, or it began something new"
    api.delay = 0.0
    workers.start("worker", "--queues", "support,actions")
    # Nobody sweeps: what is found now is what was given back.
    workers.until(lambda: workers.closed() == 6, "hints were lost")
    assert workers.tagged() == 6
    assert len(api.requests) == 12


@pytest.mark.parametrize("pool", ["threads", "prefork"])
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGQUIT])
def test_what_takes_longer_than_the_time_to_stop_goes_on_elsewhere(workers, api, pool, told):
    """Whoever worked on it is gone by then, so nobody waits for its lease, which is an hour here."""
    api.delay = 300.0
    command = ("worker", "--queues", "support,actions", "--pool", pool, "--concurrency", "2")
    first = workers.start(*command, CASEWORKER_STOP_SECONDS="1", CASEWORKER_LEASE_SECONDS="3600")
    workers.ticket()
    workers.until(lambda: bool(api.requests), "it does not think")
    began = time.monotonic()
    first.send_signal(told)

    assert first.wait(240) == 0
    assert time.monotonic() - began < 60, "it waited for the call"
    api.delay = 0.0
    workers.start("worker", "--queues", "support,actions")
    workers.start("sweep")
    workers.until(lambda: workers.closed() == 1, "nobody goes on with it")
    assert workers.tagged() == 1


def catches(process, told):
    """Before it does, the system ends it in its own way."""
    (caught,) = re.findall(r"^SigCgt:\s+(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> (told - 1) & 1)


@pytest.mark.parametrize(
    ("queues", "told"), [("events", signal.SIGTERM), ("support", signal.SIGTERM), ("support", signal.SIGQUIT)]
)
def test_told_to_stop_it_ends_though_the_broker_answers_nothing(workers, far_broker, queues, told):
    first = workers.start("worker", "--queues", queues, CASEWORKER_STOP_SECONDS="1")
    workers.until(lambda: catches(first, told), "it does not start")
    if queues == "events":
        far_broker.wait_until_heard()
    far_broker.pause()
    try:
        began = time.monotonic()
        first.send_signal(told)

        assert first.wait(240) == 0
        assert time.monotonic() - began < 60, "it waited for the broker"
    finally:
        far_broker.go_on()


@pytest.mark.parametrize("pool", ["threads", "prefork"])
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGQUIT])
def test_told_to_stop_it_ends_though_nobody_takes_what_it_writes(install, redis_broker, api, pool, told):
    """The disk of its log is full, or who read it is gone."""
    workers = install(redis_broker)
    (workers.folder / "log").symlink_to("/dev/full")
    first = workers.start("worker", "--queues", "support,actions", "--pool", pool, "--concurrency", "1")
    workers.ticket()
    # Not by `workers.until`, which would read the log to its end, and there is none.
    until(lambda: workers.closed() == 1)
    first.send_signal(told)

    first.wait(240)


def test_processes_instead_of_threads_do_the_same_work(workers, api):
    first = workers.start("worker", "--queues", "support,actions", "--pool", "prefork", "--concurrency", "2")
    for _ in range(3):
        workers.ticket()

    workers.until(lambda: workers.closed() == 3, "processes do not work")
    assert workers.tagged() == 3
    first.send_signal(signal.SIGTERM)
    assert first.wait(240) == 0


def test_a_process_that_cannot_begin_is_followed_by_one_that_can_however_long_it_takes(install, redis_broker):
    """One that worked on with what it had from its parent would decide, and tell nobody."""
    workers = install(redis_broker)
    command = ("worker", "--queues", "support,actions", "--pool", "prefork", "--concurrency", "1")
    first = workers.start(*command, program=tardy.__name__)
    workers.ticket()
    workers.until(lambda: workers.closed() == 1, "processes do not work")

    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    for number in children:
        os.kill(int(number), signal.SIGKILL)
    workers.until(lambda: (workers.folder / tardy.BEGUN).read_text() >= "xxx", "no other is started")
    workers.ticket()

    # Nobody sweeps: what one process decided, another hears of by a hint.
    workers.until(lambda: workers.closed() == 2, "nobody goes on")
    assert (workers.folder / tardy.BEGUN).read_text() == "xxx"


def test_processes_do_not_store_events(workers):
    process = workers.start("worker", "--pool", "prefork")

    assert process.wait(240) == 2
    assert "worked with threads" in workers.log()
