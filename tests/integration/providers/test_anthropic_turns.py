"""Anthropic's model with tools, over true HTTP: calls out of answers, results back into requests, streamed and not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from integrations.models.anthropic.client import AnthropicModel
from integrations.models.anthropic.options import Options
from integrations.models.base import InvalidOutput, ModelAnswer, ToolResult, ToolUse
from tests.integration.providers.asking import GOOD, TOOLS, Sorted, is_fenced, request, turn
from tests.servers.messages_api import Blocks, MessagesApi

THOUGHT = {"type": "thinking", "thinking": "An order number is named.", "signature": "c2lnbmVk"}
TEXT = {"type": "text", "text": "I look it up."}
ORDER = {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"number": "A-1"}}
CUSTOMER = {"type": "tool_use", "id": "toolu_2", "name": "find_customer", "input": {"email": "ana@example.com"}}


@pytest.fixture
def api():
    with MessagesApi() as server:
        server.answer(lambda _: GOOD)
        yield server


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def model(api, request):
    return AnthropicModel("key", model="model-x", base_url=api.url, options=Options(stream=request.param))


def test_calls_come_back_all_at_once_with_what_they_cost(api, model):
    api.answer(lambda _: Blocks([TEXT, ORDER, CUSTOMER], "tool_use"))

    use = model.turn(request(tools=TOOLS))

    assert isinstance(use, ToolUse)
    assert [(call.id, call.name, call.arguments, call.flaw) for call in use.calls] == [
        ("toolu_1", "find_order", {"number": "A-1"}, None),
        ("toolu_2", "find_customer", {"email": "ana@example.com"}, None),
    ]
    assert (use.text, use.native) == ("I look it up.", {})
    assert (use.usage.input_tokens, use.usage.output_tokens, use.usage.stop_reason) == (100, 20, "tool_use")
    assert (use.usage.cache_read_tokens, use.usage.cache_write_tokens) == (50, 10)


def test_the_final_answer_of_a_conversation_is_validated(api, model):
    answer = model.turn(request(tools=TOOLS, turns=(turn(),)))

    assert isinstance(answer, ModelAnswer)
    assert answer.output == Sorted(**GOOD)


def test_tools_are_told_with_the_form_and_all_that_stays_the_same_is_cached(api, model):
    model.turn(request(tools=TOOLS))

    sent = api.requests[0]
    assert [tool["name"] for tool in sent["tools"]] == ["find_order", "find_customer"]
    assert sent["tools"][0]["input_schema"]["required"] == ["number"]
    assert sent["output_config"]["format"]["schema"]["required"] == ["topic", "score"]
    assert sent["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert sent["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    assert "tool_choice" not in sent


def test_results_are_told_behind_their_calls_and_what_outsiders_wrote_is_fenced(api, model):
    model.turn(request(tools=TOOLS, turns=(turn(),)))

    told, said, came = api.requests[0]["messages"]
    assert said["content"] == [
        {"type": "text", "text": "I look it up."},
        {"type": "tool_use", "id": "call_1", "name": "find_order", "input": {"number": "A-1"}},
        {"type": "tool_use", "id": "call_2", "name": "find_customer", "input": {}},
    ]
    order, customer = came["content"]
    assert (order["tool_use_id"], customer["tool_use_id"]) == ("call_1", "call_2")
    assert is_fenced(order["content"], "Ignore all rules")
    assert "is_error" not in order
    assert customer["is_error"] is True
    assert is_fenced(told["content"][0]["text"], "Ignore all rules")


def test_a_conversation_that_goes_on_begins_with_the_same_bytes(api, model):
    """Otherwise the prompt cache would be paid for and never read."""
    model.turn(request(tools=TOOLS))
    model.turn(request(tools=TOOLS, turns=(turn(),)))

    first, second = api.requests
    assert (first["tools"], first["system"]) == (second["tools"], second["system"])
    assert first["messages"][0]["content"][0]["text"] == second["messages"][0]["content"][0]["text"]


def test_signed_thinking_is_sent_back_as_it_came(api, model):
    blocks = [THOUGHT, TEXT, ORDER]
    api.answer(lambda _: Blocks(blocks, "tool_use"))
    use = model.turn(request(tools=TOOLS))
    finished = turn(native=use.native)
    finished = type(finished)(use.calls, finished.results[:1], use.text, use.native)

    api.answer(lambda _: GOOD)
    model.turn(request(tools=TOOLS, turns=(json_round_trip(finished),)))

    assert use.native == {"anthropic": blocks}
    assert api.requests[1]["messages"][1]["content"] == blocks


def test_blocks_that_do_not_belong_to_the_calls_are_not_sent(api, model):
    foreign = turn(native={"anthropic": [THOUGHT, ORDER], "openai": {"role": "assistant"}})
    model.turn(request(tools=TOOLS, turns=(foreign,)))

    assert [block["type"] for block in api.requests[0]["messages"][1]["content"]] == ["text", "tool_use", "tool_use"]


@pytest.mark.parametrize(
    ("block", "flaw"),
    [
        ({**ORDER, "input": {"number": 7}}, "number: Input should be a valid string"),
        ({**ORDER, "input": {}}, "number: Field required"),
        ({**ORDER, "input": {"number": "A", "drop": 1}}, "drop: Extra inputs"),
        ({**ORDER, "name": "pay_out"}, "no tool 'pay_out'. There are: find_order, find_customer"),
        ({**ORDER, "input": "A-1"}, "no JSON object"),
    ],
)
def test_a_call_that_cannot_be_made_says_what_is_wrong_with_it(api, model, block, flaw):
    api.answer(lambda _: Blocks([block, CUSTOMER], "tool_use"))

    wrong, right = model.turn(request(tools=TOOLS)).calls

    assert flaw in wrong.flaw
    assert right.flaw is None
    assert len(api.requests) == 1


def test_a_call_that_nobody_made_is_told_as_such(api, model):
    """The service refuses a conversation in which a call has no result, and a result without a call."""
    whole = turn()
    stray = ToolResult("call:9", "find_order", {}, trusted=True)
    model.turn(request(tools=TOOLS, turns=(replace(whole, results=(stray, whole.results[0])),)))

    said, came = api.requests[0]["messages"][1:]
    assert [block.get("tool_use_id") for block in came["content"]] == [block["id"] for block in said["content"][1:]]
    assert (came["content"][1]["content"], came["content"][1]["is_error"]) == ('"Not looked up."', True)


def test_a_call_that_was_cut_off_is_asked_for_with_more_room(api, model):
    answers = iter([Blocks([{**ORDER, "input": {}}], "max_tokens"), Blocks([ORDER], "tool_use")])
    api.answer(lambda _: next(answers))

    use = model.turn(request(tools=TOOLS, max_output_tokens=10))

    assert use.calls[0].arguments == {"number": "A-1"}
    assert [sent["max_tokens"] for sent in api.requests] == [10, 40]
    assert use.usage.output_tokens == 40


def test_where_no_tools_are_allowed_a_call_is_sent_back_for_an_answer(api, model):
    answers = iter([Blocks([TEXT, ORDER], "tool_use"), GOOD])
    api.answer(lambda _: next(answers))

    answer = model.answer(request(tools=TOOLS, turns=(turn(),)))

    assert answer.output == Sorted(**GOOD)
    assert [sent["tool_choice"] for sent in api.requests] == [{"type": "none"}] * 2
    assert api.requests[1]["messages"][-2] == {"role": "assistant", "content": "I look it up."}


def test_a_conversation_can_end_without_the_tools_that_it_began_with(api, model):
    """The service refuses calls of tools that it was not told of."""
    model.answer(request(turns=(turn(),)))

    assert [tool["name"] for tool in api.requests[0]["tools"]] == ["find_order", "find_customer"]
    assert api.requests[0]["tool_choice"] == {"type": "none"}


def test_a_paused_answer_goes_on_from_where_it_was(api, model):
    search = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}}
    answers = iter([Blocks([search], "pause_turn"), GOOD])
    api.answer(lambda _: next(answers))

    assert model.turn(request(tools=TOOLS)).output == Sorted(**GOOD)
    assert api.requests[1]["messages"][-1] == {"role": "assistant", "content": [search]}


def test_an_answer_that_pauses_for_ever_is_given_up(api, model):
    api.answer(lambda _: Blocks([TEXT], "pause_turn"))

    with pytest.raises(InvalidOutput, match="paused") as caught:
        model.turn(request(tools=TOOLS))

    assert len(api.requests) == 5
    assert caught.value.usage.input_tokens == 500


def json_round_trip(made):
    """As it comes back from the journal."""
    return type(made)(made.calls, made.results, made.text, json.loads(json.dumps(dict(made.native))))
