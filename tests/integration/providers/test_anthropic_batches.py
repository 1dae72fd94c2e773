"""Batches over true HTTP: handed in at once, collected whole, at the batch price."""

from __future__ import annotations

import pytest

from integrations.errors import Permanent, Temporary
from integrations.models.anthropic.batches import Batches
from integrations.models.anthropic.client import AnthropicModel
from integrations.models.base import InvalidOutput, ModelAnswer, Refused, ToolUse
from tests.integration.providers.asking import GOOD, TOOLS, Sorted, request
from tests.servers.messages_api import Blocks, Fault, MessagesApi

#: A model that has a listed price for batches.
MODEL = "claude-sonnet-5"
ORDER = {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {"number": "A-1"}}


@pytest.fixture
def api():
    with MessagesApi() as server:
        server.answer(lambda _: GOOD)
        yield server


@pytest.fixture
def model(api):
    return AnthropicModel("key", model=MODEL, base_url=api.url)


@pytest.fixture
def batches(model):
    return Batches(model)


def test_a_batch_is_collected_when_it_has_ended_each_answer_under_its_name(api, batches):
    asked = {"one": request(), "two": request(tools=TOOLS)}
    batch = batches.submit(asked)
    assert batches.poll(batch, asked) is None

    api.batch_state = "ended"
    api.answer(lambda body: Blocks([ORDER], "tool_use") if "tools" in body else GOOD)
    found = batches.poll(batch, asked)

    assert list(found) == ["one", "two"]
    assert isinstance(found["one"], ModelAnswer)
    assert found["one"].output == Sorted(**GOOD)
    assert isinstance(found["two"], ToolUse)


def test_what_is_handed_in_is_what_would_be_asked(api, model, batches):
    batch = batches.submit({"one": request(tools=TOOLS)})
    model.turn(request(tools=TOOLS))

    assert api.batches[batch][0] == {"custom_id": "one", "params": api.requests[0]}


def test_a_batch_costs_half(api, model, batches):
    asked = {"one": request()}
    batch = batches.submit(asked)
    api.batch_state = "ended"

    one = batches.poll(batch, asked)["one"]

    assert one.usage.cost_usd * 2 == model.answer(request()).usage.cost_usd > 0


def test_each_request_that_came_to_nothing_says_why_and_the_others_are_whole(api, batches):
    names = ("good", "refused", "unfit", "invalid", "overloaded", "expired", "canceled", "paused")
    asked = {name: request() for name in names}
    batch = batches.submit(asked)
    message = {"model": MODEL, "content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}
    api.outcomes = {
        "refused": {"type": "succeeded", "message": {**message, "stop_reason": "refusal"}},
        "unfit": {"type": "succeeded", "message": {**message, "stop_reason": "end_turn"}},
        "paused": {"type": "succeeded", "message": {**message, "stop_reason": "pause_turn"}},
        "invalid": errored("invalid_request_error"),
        "overloaded": errored("overloaded_error"),
        "expired": {"type": "expired"},
        "canceled": {"type": "canceled"},
    }
    api.batch_state = "ended"

    found = batches.poll(batch, asked)

    assert {name: type(result) for name, result in found.items()} == {
        "good": ModelAnswer,
        "refused": Refused,
        "unfit": InvalidOutput,
        "paused": InvalidOutput,
        "invalid": Permanent,
        "overloaded": Temporary,
        "expired": Temporary,
        "canceled": Temporary,
    }
    assert [found[name].usage.input_tokens for name in ("refused", "unfit", "paused")] == [9, 9, 9]


def test_a_request_that_the_service_lost_is_asked_again(api, batches):
    batch = batches.submit({"one": request()})
    api.batch_state = "ended"

    found = batches.poll(batch, {"one": request(), "other": request()})

    assert isinstance(found["other"], Temporary)
    assert isinstance(found["one"], ModelAnswer)


def test_results_that_break_off_give_no_part(api, batches):
    asked = {"one": request(), "two": request()}
    batch = batches.submit(asked)
    api.batch_state = "ended"
    state = b'{"id": "x", "processing_status": "ended"}'
    api.faults += [Fault(200, body=state), Fault(200, body=b'{"custom_id": "one", "result": {"type": "exp')]

    with pytest.raises(Temporary, match="no answer"):
        batches.poll(batch, asked)


def test_a_batch_whose_handing_in_broke_off_may_have_been_taken(api, batches):
    api.faults.append(Fault(0))
    with pytest.raises(Temporary) as cut:
        batches.submit({"one": request()})
    api.faults.append(Fault(529))
    with pytest.raises(Temporary) as refused:
        batches.submit({"one": request()})

    assert cut.value.maybe_done
    assert not refused.value.maybe_done


@pytest.mark.parametrize("fault", [Fault(504), Fault(500), Fault(200, body=b"<html>")], ids=["504", "500", "no answer"])
def test_a_batch_may_have_been_taken_where_only_the_answer_to_it_failed(api, batches, fault):
    api.faults.append(fault)

    with pytest.raises(Temporary) as lost:
        batches.submit({"one": request()})

    assert lost.value.maybe_done


def test_a_batch_can_be_stopped(api, batches):
    batch = batches.submit({"one": request()})
    batches.cancel(batch)

    assert api.cancelled == [batch]


@pytest.mark.parametrize("name", ["", "a b", "x" * 65])
def test_a_name_that_the_service_would_refuse_is_refused_here(batches, name):
    with pytest.raises(ValueError, match="names"):
        batches.submit({name: request()})


def errored(kind):
    return {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": "as scripted"}}}
