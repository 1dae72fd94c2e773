"""Hints as they lie in Redis: kombu reads what we write, we read no more than that, and a connection is not kept for ever."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from kombu.transport.virtual import Channel

from workers.queue import ADVANCE, EXECUTE
from workers.redis_hints import MOST_UNANSWERED, Wire, body, read, written


@pytest.mark.parametrize(("task", "target"), [(ADVANCE, "support"), (EXECUTE, "actions")])
def test_what_is_written_is_read_again(task, target):
    item = written(task, target, "case_01m7zk-x_Y").encode()

    assert read(item) == (task, "case_01m7zk-x_Y")


@pytest.mark.parametrize("row_id", ["case_1", 'a"b\\c', "Ümläut \u2028"])
def test_to_kombu_and_celery_it_is_a_message_like_any_other(row_id):
    envelope = json.loads(written(ADVANCE, "support", row_id))
    message = Channel.Message(envelope, channel=SimpleNamespace(decode_body=lambda body, _encoding: body))

    assert message.headers["task"] == ADVANCE
    assert message.headers["id"] == message.properties["correlation_id"] == message.delivery_tag
    assert message.delivery_info == {"exchange": "", "routing_key": "support"}
    assert json.loads(message.body)[0] == [row_id]


def test_two_hints_at_one_row_are_two_messages():
    one, other = (json.loads(written(ADVANCE, "support", "case_1")) for _ in range(2))

    assert one["headers"]["id"] != other["headers"]["id"]


@pytest.mark.parametrize(
    "item",
    [
        b"",
        b"\xff\x00",
        b"{}",
        body("case_1").encode(),
        json.dumps({**json.loads(written(ADVANCE, "support", "case_1")), "body": "W10="}).encode(),
        json.dumps(dict(reversed(json.loads(written(ADVANCE, "support", "case_1")).items()))).encode(),
        written(ADVANCE, "support", 'a"b').encode(),
    ],
    ids=["nothing", "no-text", "empty", "body-alone", "another-body", "another-order", "quotes"],
)
def test_what_is_written_otherwise_is_left_to_others(item):
    assert read(item) is None


class Connections:
    """kombu's pool on Redis, and each connection that it lends."""

    def __init__(self):
        self.connection_pool = self.client = self
        self.global_keyprefix = "room:"
        self.lent, self.released, self.disconnected = 0, 0, 0
        self.broken = False
        self.is_connected = True
        self.answers = iter(lambda: "answer", None)

    def get_connection(self):
        self.lent += 1
        return self

    def release(self, _connection):
        self.released += 1

    def send_command(self, *_command):
        if self.broken:
            raise ConnectionResetError

    def pack_command(self, *command):
        return [repr(command).encode()]

    def send_packed_command(self, _packed, *, check_health):
        assert not check_health, "which may ask, and wait"
        self.send_command()

    def read_response(self):
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def disconnect(self):
        self.disconnected += 1


def test_a_connection_is_lent_for_many_commands():
    pool = Connections()
    wire = Wire(pool)

    assert wire.ask(("PING",), ("PING",)) == ["answer", "answer"]
    assert wire.ask(("PING",)) == ["answer"]
    assert (pool.lent, pool.released) == (1, 0)
    wire.hang_up()
    assert (pool.released, pool.disconnected) == (1, 1)


def test_a_connection_goes_back_after_a_while_so_that_new_credentials_reach_it():
    pool = Connections()
    wire = Wire(pool, lent=0.0)

    wire.ask(("PING",))
    wire.ask(("PING",))

    assert (pool.lent, pool.released) == (2, 1)


def test_nobody_reads_an_answer_that_was_not_his():
    pool = Connections()
    wire = Wire(pool)
    pool.broken = True

    with pytest.raises(ConnectionResetError):
        wire.ask(("PING",))

    assert pool.disconnected == 1


def test_who_asks_hears_first_what_was_said_to_all_that_was_told():
    pool = Connections()
    wire = Wire(pool)
    wire.ask(("PING",))
    pool.answers = iter(["told", "told", "asked"])

    assert wire.tell("LPUSH", "list", "item")
    assert wire.tell("LPUSH", "list", "item")
    assert wire.ask(("PING",)) == ["asked"]


def test_no_more_is_told_than_a_kernel_takes_at_once():
    wire = Wire(Connections())
    wire.ask(("PING",))

    told = [wire.tell("LPUSH", "list", "item") for _ in range(MOST_UNANSWERED + 1)]
    assert told == [*[True] * MOST_UNANSWERED, False]
    assert wire.ask() == []
    assert wire.tell("LPUSH", "list", "item")


def test_nothing_is_told_where_a_connection_must_be_opened_first():
    pool = Connections()
    wire = Wire(pool)
    assert not wire.tell("LPUSH", "list", "item")

    wire.ask(("PING",))
    pool.is_connected = False
    assert not wire.tell("LPUSH", "list", "item")

    renewed = Wire(pool, lent=0.0)
    renewed.ask(("PING",))
    pool.is_connected = True
    assert not renewed.tell("LPUSH", "list", "item")


def test_what_was_told_and_refused_is_heard_by_who_asks_next():
    pool = Connections()
    wire = Wire(pool)
    wire.ask(("PING",))
    wire.tell("LPUSH", "list", "item")
    pool.answers = iter([RuntimeError("no room"), "asked"])

    with pytest.raises(RuntimeError, match="no room"):
        wire.ask(("PING",))
    assert pool.disconnected == 1
    assert wire.ask(("PING",)) == ["asked"]


def test_what_cannot_be_told_leaves_no_answers_behind():
    pool = Connections()
    wire = Wire(pool)
    wire.ask(("PING",))
    wire.tell("LPUSH", "list", "item")
    pool.broken = True

    with pytest.raises(ConnectionResetError):
        wire.tell("LPUSH", "list", "item")
    pool.broken = False
    pool.answers = iter(["asked"])

    assert pool.disconnected == 1
    assert wire.ask(("PING",)) == ["asked"]
