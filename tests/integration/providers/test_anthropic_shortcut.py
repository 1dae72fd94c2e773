"""From a client's second question on the service hears what the SDK would say, without the SDK saying it again."""

from __future__ import annotations

import contextlib
import gzip
import json

import pytest
from pydantic import BaseModel

from integrations.errors import Temporary
from integrations.models.anthropic.client import AnthropicModel
from integrations.models.anthropic.options import Options
from integrations.models.base import Unanswered
from tests.integration.providers.asking import GOOD, TOOLS, request, turn
from tests.servers.raw_http import CLOSE, RawHttp, ok

ANSWER = json.dumps(
    {
        "model": "model-x",
        "content": [{"type": "text", "text": json.dumps(GOOD)}],
        "usage": {"input_tokens": 1, "output_tokens": 1},
        "stop_reason": "end_turn",
    }
).encode()
GIVEN = ok(ANSWER, "content-type: application/json", "Request-Id: req_9")


class Other(BaseModel):
    """Another form."""

    words: list[str]


@pytest.fixture
def server():
    with RawHttp([GIVEN]) as serving:
        yield serving


@pytest.fixture
def model(server):
    return AnthropicModel("key", model="model-x", base_url=f"{server.url}/behind/a/gateway")


def headers(sent: bytes) -> dict[str, str]:
    lines = sent.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def test_a_later_question_is_put_as_the_first_was(server, model):
    answers = [model.answer(request()) for _ in range(3)]

    assert {answer.output.score for answer in answers} == {7}
    assert {answer.usage.request_id for answer in answers} == {"req_9"}
    first, second, third = server.requests
    assert first.split(b"\r\n")[0] == b"POST /behind/a/gateway/v1/messages HTTP/1.1"
    assert second.split(b"\r\n")[0] == first.split(b"\r\n")[0]
    assert first.partition(b"\r\n\r\n")[2] == second.partition(b"\r\n\r\n")[2]
    assert second == third
    said, again = headers(first), headers(second)
    assert again.pop("accept-encoding") == "identity"
    del said["accept-encoding"]
    assert again == said
    assert server.connections == 1


def test_each_question_tells_its_own_time_out_and_length(server, model):
    for seconds in (5.0, 7.5):
        model.answer(request(timeout=seconds))
    model.answer(request(timeout=9.0, instructions="Sort the ticket, and take your time with it."))

    told = [headers(sent) for sent in server.requests]
    assert [one["x-stainless-timeout"] for one in told] == ["5.0", "7.5", "9.0"]
    assert [one["x-stainless-read-timeout"] for one in told] == ["5.0", "7.5", "9.0"]
    for one, sent in zip(told, server.requests, strict=True):
        assert int(one["content-length"]) == len(sent.partition(b"\r\n\r\n")[2])


def test_what_the_environment_has_the_sdk_say_is_said_every_time(server, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-team: returns")
    model = AnthropicModel("a key of its own", model="model-x", base_url=server.url)

    for _ in range(2):
        model.answer(request())

    assert [headers(sent)["x-team"] for sent in server.requests] == ["returns"] * 2


def test_a_packed_answer_is_unpacked_whoever_asked_for_it(server, model):
    model.answer(request())
    server.answers[:] = [ok(gzip.compress(ANSWER), "content-encoding: gzip")]

    assert model.answer(request()).output.score == 7


def test_a_packed_answer_that_cannot_be_unpacked_is_temporary(server, model):
    model.answer(request())
    server.answers[:] = [ok(b"not packed at all", "content-encoding: gzip")]

    with pytest.raises(Temporary):
        model.answer(request())


def test_a_question_that_broke_off_is_temporary_and_not_put_twice(server, model):
    model.answer(request())
    server.answers[:] = [[b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{", CLOSE], GIVEN]

    with pytest.raises(Temporary, match="lost"):
        model.answer(request())
    assert len(server.requests) == 2


def test_a_client_whose_first_question_failed_learns_from_the_next(server, model):
    server.answers[:] = [ok(b"{}", status="529 Overloaded"), GIVEN]
    with pytest.raises(Temporary, match="529"):
        model.answer(request())

    assert [model.answer(request()).output.score for _ in range(2)] == [7, 7]


def test_streams_go_the_sdks_way(server):
    """They are another kind of question: what is known of one says nothing of the other."""
    whole = AnthropicModel("key of both", model="model-x", base_url=server.url)
    for _ in range(2):
        whole.answer(request())
    streamed = AnthropicModel("key of both", model="model-x", base_url=server.url, options=Options(stream=True))
    server.answers[:] = [ok(b"event: ping\ndata: {}\n\n", "content-type: text/event-stream")]

    with pytest.raises(Temporary, match="broke off"):
        streamed.answer(request())
    assert json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])["stream"] is True


def test_what_is_always_the_same_is_written_once_and_never_for_another(server, model):
    """Instructions, look-ups and forms of different questions, in turns: each is sent whole, and its own."""
    asked = [
        request(),
        request(instructions="Sort the ticket, \u201cGr\u00fc\u00dfe\u201d."),
        request(tools=TOOLS),
        request(turns=(turn(),), tools=TOOLS),
        request(output=Other, max_output_tokens=5),
    ]
    server.answers[:] = [ok(json.dumps({**json.loads(ANSWER), "content": [{"type": "text", "text": "{}"}]}).encode())]
    told = [model.params(one, [], one.max_output_tokens, calling=bool(one.tools)) for one in asked]

    for one in [*asked, *asked]:
        with contextlib.suppress(Unanswered):
            model.turn(one)

    sent = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    for one in told:
        assert sent.count(one) == 2
