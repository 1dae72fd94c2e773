"""Whatever a service or a gateway before it sends, no model raises anything but what `base.Model.answer` names: the next one is asked."""

from __future__ import annotations

import json

import pytest

from integrations.errors import IntegrationError, Permanent, Temporary
from integrations.models.anthropic import options as of_anthropic
from integrations.models.anthropic.client import AnthropicModel
from integrations.models.openai import options as of_openai
from integrations.models.openai.client import OpenAIModel
from tests.integration.providers.asking import GOOD, TOOLS, request
from tests.servers.raw_http import RawHttp, ok

JSON, EVENTS = "content-type: application/json", "content-type: text/event-stream"
DEEP = b'{"error": ' * 20_000
MESSAGE = {
    "model": "model-x",
    "content": [{"type": "text", "text": json.dumps(GOOD)}],
    "usage": {"input_tokens": 1, "output_tokens": 1},
    "stop_reason": "end_turn",
}
COMPLETION = {"choices": [{"message": {"content": json.dumps(GOOD)}, "finish_reason": "stop"}]}


def anthropic(server, *, stream=False):
    return AnthropicModel("key", model="m", base_url=server.url, options=of_anthropic.Options(stream=stream))


def openai(server, *, stream=False):
    return OpenAIModel("key", model="m", base_url=server.url, options=of_openai.Options(stream=stream))


@pytest.fixture
def server():
    with RawHttp() as serving:
        yield serving


@pytest.mark.parametrize("make", [anthropic, openai])
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize(
    ("status", "error"),
    [("200 OK", Temporary), ("500 Oh", Temporary), ("400 Oh", Permanent)],
    ids=lambda of: str(of)[:3],
)
def test_json_that_is_nested_without_end_is_no_answer(server, make, first, status, error):
    model = make(server)
    if not first:
        server.answers.append(ok(json.dumps(MESSAGE | COMPLETION).encode(), JSON))
        model.answer(request())
    server.answers[:] = [ok(DEEP, JSON, status=status)]

    with pytest.raises(error):
        model.answer(request())


@pytest.mark.parametrize("make", [anthropic, openai])
@pytest.mark.parametrize("name", [b"message_start", b"error"])
def test_an_event_that_is_nested_without_end_is_no_answer(server, make, name):
    server.answers.append(ok(b"event: %b\ndata: %b\n\n" % (name, DEEP), EVENTS))

    with pytest.raises(Temporary):
        make(server, stream=True).answer(request())


@pytest.mark.parametrize("make", [anthropic, openai])
@pytest.mark.parametrize("said", [["body", "messages"], {"field": "messages"}, 7, True, None])
@pytest.mark.parametrize("status", [400, 422, 429, 503])
def test_an_error_may_say_its_reason_in_another_way_than_by_a_text(server, make, said, status):
    server.answers.append(
        ok(json.dumps({"error": {"message": said, "type": "x"}}).encode(), JSON, status=f"{status} Oh")
    )

    with pytest.raises(IntegrationError):
        make(server).answer(request())


@pytest.mark.parametrize("kind", [["text"], {"text": 1}, 7, None])
def test_a_block_whose_type_is_none_is_kept_and_not_read(server, kind):
    content = [{"type": kind}, *MESSAGE["content"]]
    server.answers.append(ok(json.dumps({**MESSAGE, "content": content}).encode(), JSON))

    assert anthropic(server).answer(request()).output.topic == "refund"


@pytest.mark.parametrize("indexes", [(1, "a"), ("0", "1"), (None, 1)])
def test_calls_in_a_stream_may_be_numbered_as_nobody_numbers(server, indexes):
    first, second = (
        {
            "index": index,
            "id": f"call_{place}",
            "function": {"name": "find_order", "arguments": f'{{"number": "{place}"}}'},
        }
        for place, index in enumerate(indexes)
    )
    chunks = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [first]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [second]}, "finish_reason": "tool_calls"}]},
    ]
    server.answers.append(ok(b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks), EVENTS))

    use = openai(server, stream=True).turn(request(tools=TOOLS))

    assert sorted(call.arguments["number"] for call in use.calls) == ["0", "1"]
