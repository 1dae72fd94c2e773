"""A single hint at an action goes out by the thread that has it, and the publisher knows whether it arrived."""

from __future__ import annotations

import json
import time

import pytest
import redis

from tests.kit.patience import until
from workers.queue import APPROVED, EXECUTE, IN_PROCESS, Hints, make_app
from workers.redis_hints import MOST_UNANSWERED


@pytest.fixture
def hints(redis_broker):
    """A publisher that has published once, so that its connection stands."""
    made = Hints(make_app(redis_broker.url))
    made.action("act_first")
    until(lambda: rows(redis_broker) == ["act_first"], "nothing was published")
    until(lambda: not made._speaking.locked(), "the publisher is not done")
    yield made
    made.close()


def messages(broker):
    with redis.Redis(port=broker.server.port) as client:
        return [json.loads(item) for item in reversed(client.lrange("caseworker:actions", 0, -1))]


def rows(broker):
    """What waits in the queue of actions, oldest first."""
    return [json.loads(message["body"])[0][0] for message in messages(broker)]


def test_it_is_there_before_the_publisher_has_heard_of_it_and_comes_once(hints, redis_broker):
    with hints._changed:
        hints.action("act_1")
        until(lambda: rows(redis_broker) == ["act_first", "act_1"], "it waits for the publisher")
    hints.close()

    assert rows(redis_broker) == ["act_first", "act_1"]


def test_of_a_yes_that_is_being_committed_workers_are_told_by_a_hint_of_its_own(hints, redis_broker):
    with hints._changed:
        assert hints.approving("act_1")
        until(lambda: rows(redis_broker) == ["act_first", "act_1"], "it waits for the publisher")
    hints.close()

    assert [message["headers"]["task"] for message in messages(redis_broker)] == [EXECUTE, APPROVED]


@pytest.mark.parametrize("url", [IN_PROCESS, "amqp://nobody@127.0.0.1:1//"])
def test_where_hints_go_through_a_client_of_the_broker_nobody_is_told_before_the_commit(url):
    hints = Hints(make_app(url))
    try:
        assert hints.approving("act_1") is False
        assert hints.backlog() == 0
    finally:
        hints.close()


def test_the_line_is_open_before_there_is_anything_to_say(redis_broker):
    hints = Hints(make_app(redis_broker.url))
    hints.warm_up()
    until(lambda: "actions" in hints._line._declared and not hints._speaking.locked(), "the line is not opened")

    with hints._changed:
        hints.action("act_1")
        until(lambda: rows(redis_broker) == ["act_1"], "it waits for the publisher")
    hints.close()

    assert rows(redis_broker) == ["act_1"]


def test_what_comes_while_others_wait_goes_with_them(hints, redis_broker):
    with hints._changed:
        hints.case("case_1", "support")
        hints.action("act_1")
        assert rows(redis_broker) == ["act_first"]
    hints.close()

    assert rows(redis_broker) == ["act_first", "act_1"]


def test_a_second_hint_at_what_was_sent_already_is_sent_again(hints, redis_broker):
    """Who has taken the first may have looked before there was what the second one is about."""
    with hints._changed:
        hints.action("act_1")
        hints.action("act_1")
    hints.close()

    assert rows(redis_broker) == ["act_first", "act_1", "act_1"]


def test_what_was_sent_to_a_broker_that_died_is_sent_to_the_next(hints, redis_broker):
    with hints._changed:
        redis_broker.pause()
        hints.action("act_1")
        redis_broker.kill()
        redis_broker.start()
    until(lambda: rows(redis_broker) == ["act_1"], "it was taken for published")

    hints.action("act_2")
    hints.close()

    assert rows(redis_broker) == ["act_1", "act_2"]


def test_nobody_waits_for_a_broker_that_stands_still(hints, redis_broker):
    redis_broker.pause()
    try:
        began = time.monotonic()
        for number in range(4 * MOST_UNANSWERED):
            hints.action(f"act_{number}")
        assert time.monotonic() - began < 25, "whoever publishes waited for the broker"
    finally:
        redis_broker.kill()
        redis_broker.start()
