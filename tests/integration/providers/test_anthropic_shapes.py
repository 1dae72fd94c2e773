"""Every kind of block and count that the Messages API sends is read, and sent back as it came where that is asked for.

The shapes in tests/fixtures/models/anthropic are made up after what the service documents and sends.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from integrations.models.anthropic.client import AnthropicModel
from integrations.models.anthropic.options import Options
from integrations.models.base import Tool, ToolResult, ToolUse, Turn
from tests.integration.providers.asking import request
from tests.servers.messages_api import Fault, MessagesApi

SHAPES = Path(__file__).parents[2] / "fixtures" / "models" / "anthropic"
WHOLE = sorted(SHAPES.glob("*.json"))


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


ASKED = request(tools=(Tool("find_order", "An order.", Anything), Tool("find_customer", "A customer.", Anything)))


def test_there_are_shapes():
    assert len(WHOLE) == 4


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_a_shape_is_read_whole_and_goes_back_as_it_came(path):
    message = json.loads(path.read_text())
    with MessagesApi() as api:
        api.faults.append(Fault(200, body=path.read_bytes()))
        model = AnthropicModel("key", model="model-x", base_url=api.url)
        use = model.turn(ASKED)
        api.answer(lambda _: {"topic": "refund", "score": 7})
        model.turn(request(tools=ASKED.tools, turns=(finished(use),)))

    assert [call.id for call in use.calls] == [b["id"] for b in message["content"] if b["type"] == "tool_use"]
    assert counted(use) == (812, 97, 2048, 64)
    assert without_callers(api.requests[1]["messages"][1]["content"]) == without_callers(message["content"])


def test_a_streamed_shape_is_put_together_and_goes_back_as_if_it_had_come_whole():
    with MessagesApi() as api:
        api.faults.append(Fault(200, body=(SHAPES / "streamed.sse").read_bytes(), content_type="text/event-stream"))
        model = AnthropicModel("key", model="model-x", base_url=api.url, options=Options(stream=True))
        use = model.turn(ASKED)

    assert [(call.id, dict(call.arguments)) for call in use.calls] == [
        ("toolu_made_up", {"number": "A-1"}),
        ("toolu_other", {}),
    ]
    assert (use.text, use.usage.stop_reason) == ("I look it up.", "tool_use")
    assert counted(use) == (815, 97, 2048, 64)
    thought, search, found, said, compacted, *_ = use.native["anthropic"]
    assert thought == {"type": "thinking", "thinking": "An order is named.", "signature": "bWFkZSB1cA=="}
    assert search["input"] == {"query": "order"}
    assert found["content"]["tool_references"][0]["tool_name"] == "find_order"
    assert said["citations"][0]["cited_text"] == "x"
    assert compacted["content"] == "Earlier: nothing."


def finished(use: ToolUse) -> Turn:
    """The turn as it comes back from the journal."""
    results = tuple(ToolResult(call.id, call.name, {"found": 1}, trusted=True) for call in use.calls)
    return Turn(use.calls, results, use.text, json.loads(json.dumps(dict(use.native))))


def counted(use: ToolUse) -> tuple[int, int, int, int]:
    usage = use.usage
    return usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens


def without_callers(blocks):
    """Who called says nothing that the service needs back, where the model did so itself."""
    return [{name: value for name, value in block.items() if name != "caller"} for block in blocks]
