"""The consumer of hints in Redis: a worker takes hints from Redis in lots, no more than it can begin soon, of each queue in turn, of any version."""

from __future__ import annotations

import json
import threading

import pytest
import redis

from tests.kit.patience import until
from tests.servers.redis import RedisServer
from workers import hint_delivery, redis_consumer
from workers.embedded import WorkerThread
from workers.hint_delivery import AHEAD
from workers.queue import ADVANCE, EXECUTE, Hints, make_app
from workers.tasks import HINT

#: kombu's, but for an encoding that it does not know
UNREADABLE = {
    "body_encoding": "none",
    "delivery_info": {"exchange": "", "routing_key": "support"},
    "delivery_tag": "tag",
}


class Worker:
    """A worker whose tasks only say that they were begun, and wait until they may end."""

    def __init__(self, url):
        self.app = make_app(url, stop_seconds=1)
        self.hints = Hints(self.app)
        self.begun, self.may_end = [], threading.Event()
        self._redis = redis.Redis.from_url(url)
        hint_delivery.install(self.app)
        redis_consumer.install(self.app)
        for name in (ADVANCE, EXECUTE):
            self.app.task(self._work, name=name, shared=False, **HINT)
        self.app.task(self._other, name="other", shared=False)
        self._thread = None

    def start(self, threads=1):
        self._thread = WorkerThread(self.app, threads=threads)
        self._thread.start()

    def stop(self):
        if self._thread is not None:
            self._thread.stop()

    def close(self):
        self.may_end.set()
        self.stop()
        self.hints.close()
        self._redis.close()

    def waiting(self, target):
        return self._redis.llen(f"caseworker:{target}")

    def push(self, target, item):
        self._redis.lpush(f"caseworker:{target}", item)

    def _work(self, row_id):
        self.begun.append(row_id)
        self.may_end.wait(60)

    def _other(self, word):
        self.begun.append(f"other {word}")


@pytest.fixture
def worker(redis_broker):
    made = Worker(redis_broker.url)
    yield made
    made.close()


def test_no_more_is_taken_than_can_begin_soon_and_what_did_not_begin_goes_back(worker):
    for number in range(30):
        worker.hints.case(f"case_{number}", "support")
    until(lambda: worker.waiting("support") == 30, "they are not published")
    worker.start(threads=1)

    until(lambda: worker.waiting("support") == 30 - AHEAD, "it does not take as many as it may")
    until(lambda: worker.begun == ["case_0"], "it does not begin")
    worker.stop()
    until(lambda: worker.waiting("support") == 29, "they do not go back")
    assert worker.begun == ["case_0"]


def test_each_queue_has_its_turn(worker):
    for number in range(40):
        worker.hints.case(f"case_{number}", "support")
    for number in range(5):
        worker.hints.action(f"act_{number}")
    until(lambda: worker.waiting("support") + worker.waiting("actions") == 45, "they are not published")
    worker.may_end.set()
    worker.start(threads=1)

    until(lambda: len(worker.begun) == 45, "they are not begun")
    assert worker.begun.index("act_4") < worker.begun.index("case_20")


def test_what_is_no_hint_of_ours_is_read_as_celery_reads_it(worker):
    worker.may_end.set()
    worker.start(threads=2)
    worker.push("support", b"no message at all")
    worker.push("support", b'{"body": 1, "properties": []}')
    worker.push("support", json.dumps({"body": "x", "properties": UNREADABLE}))
    worker.app.send_task("unheard.of", args=[1], queue="support")
    worker.app.send_task("other", args=["word"], queue="support")
    worker.app.send_task(ADVANCE, args=["case_by_celery"], queue="support")
    worker.hints.case("case_by_hand", "support")

    until(lambda: len(worker.begun) == 3, "what can be read is not read")
    assert sorted(worker.begun) == ["case_by_celery", "case_by_hand", "other word"]


@pytest.mark.usefixtures("redis_broker")
@pytest.mark.parametrize(
    "options",
    [("--rename-command", "BLMPOP", ""), ("--user", "default", "on", "nopass", "~*", "&*", "+@all", "-blmpop")],
    ids=["old", "not-allowed"],
)
def test_a_redis_that_gives_no_lots_gives_one_after_the_other(options):
    with RedisServer(*options) as old:
        worker = Worker(old.url)
        try:
            worker.may_end.set()
            worker.start(threads=1)
            for number in range(20):
                worker.hints.case(f"case_{number}", "support")
            until(lambda: len(worker.begun) == 20, "they are not begun")
        finally:
            worker.close()


def test_a_broker_that_was_away_is_listened_to_again(worker, redis_broker):
    worker.may_end.set()
    worker.start(threads=1)
    worker.hints.case("case_before", "support")
    until(lambda: worker.begun == ["case_before"], "it is not begun")

    redis_broker.kill()
    redis_broker.start()

    def after():
        worker.hints.case("case_after", "support")
        return "case_after" in worker.begun

    until(after, "it does not listen")
