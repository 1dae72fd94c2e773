"""Hints as they lie in Redis: kombu reads what we write, we read no more than that, and a connection is not kept for ever."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from kombu.transport.virtual import Channel

from workers.in_redis import Wire, body, read, written
from workers.queue import ADVANCE, EXECUTE


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

    def get_connection(self):
        self.lent += 1
        return self

    def release(self, _connection):
        self.released += 1

    def send_command(self, *_command):
        if self.broken:
            raise ConnectionResetError

    def read_response(self):
        return "answer"

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
