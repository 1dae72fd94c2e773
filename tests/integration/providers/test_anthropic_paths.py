"""Every way in which Anthropic's service fails or stops, each with its one consequence; and what the settings do."""

from __future__ import annotations

import gc

import pytest

from integrations.errors import Permanent, Temporary
from integrations.models import anthropic
from integrations.models.anthropic.client import AnthropicModel
from integrations.models.anthropic.options import Options
from integrations.models.base import Interrupted, InvalidOutput, Refused, TooLong, Unanswered
from tests.integration.providers.asking import GOOD, TOOLS, Sorted, request, turn
from tests.servers.messages_api import Blocks, Fault, MessagesApi

THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk"}


@pytest.fixture
def api():
    with MessagesApi() as server:
        server.answer(lambda _: GOOD)
        yield server


@pytest.fixture
def streaming(api):
    return AnthropicModel("key", model="model-x", base_url=api.url, options=Options(stream=True))


def text(said):
    return {"type": "text", "text": said}


# ── streams ──


def test_a_streamed_answer_is_the_same_as_a_whole_one(api, streaming):
    whole = AnthropicModel("key", model="model-x", base_url=api.url)
    blocks = [THOUGHT, text('{"topic": "Rückgabe 🙂", '), text('"score": 3}')]
    api.answer(lambda _: Blocks(blocks))

    one, other = whole.answer(request()), streaming.answer(request())

    assert one.output == other.output == Sorted(topic="Rückgabe 🙂", score=3)
    for name in ("model", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "stop_reason"):
        assert getattr(one.usage, name) == getattr(other.usage, name)
    assert [sent.get("stream") for sent in api.requests] == [None, True]


@pytest.mark.parametrize("events", [1, 3, 6, 7], ids=lambda count: f"after {count} events")
def test_a_stream_that_breaks_off_is_temporary_and_paid_for(api, streaming, events):
    api.faults.append(Fault(cut_after=events))

    with pytest.raises(Interrupted) as caught:
        streaming.answer(request())

    assert caught.value.usage.input_tokens == 100
    assert len(api.requests) == 1


def test_a_stream_that_ends_before_it_began_cost_nothing(api, streaming):
    api.faults.append(Fault(cut_after=0))

    with pytest.raises(Temporary) as caught:
        streaming.answer(request())

    assert type(caught.value) is Temporary


@pytest.mark.parametrize(
    ("told", "error", "says"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, Interrupted, "529"),
        ({"type": "api_error", "message": "Internal"}, Interrupted, "500"),
        ({"type": "rate_limit_error", "message": "Slow"}, Interrupted, "slow down"),
        ({"type": "invalid_request_error", "message": "bad form"}, Permanent, "bad form"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_an_error_in_the_middle_of_a_stream_has_its_consequence(api, streaming, told, error, says):
    api.faults.append(Fault(cut_after=4, told=told))

    with pytest.raises(error, match=says) as caught:
        streaming.answer(request())

    assert type(caught.value) is error


def test_a_stream_that_drips_is_given_up_in_time_though_it_never_falls_silent(api, streaming):
    api.faults.append(Fault(slow=0.1))

    with pytest.raises(Interrupted, match=r"within 0\.35 s"):
        streaming.answer(request(timeout=0.35))


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (Fault(429, retry_after=3), Temporary, "slow down"),
        (Fault(529), Temporary, "529"),
        (Fault(500), Temporary, "500"),
        (Fault(0), Temporary, "cannot be reached"),
        (Fault(200, body=b"<html>", content_type="text/html"), Temporary, "broke off"),
        (Fault(200, body=b"event: x\ndata: {not json\n\n", content_type="text/event-stream"), Temporary, "no answer"),
        (
            Fault(200, body=b'event: y\ndata: {"type": "content_block_delta"}\n\n', content_type="text/event-stream"),
            Temporary,
            "no answer",
        ),
        (Fault(401), Permanent, "ANTHROPIC_API_KEY"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
def test_a_stream_that_never_begins_is_as_a_whole_answer_that_does_not(api, streaming, fault, error, says):
    api.faults.append(fault)

    with pytest.raises(error, match=says) as caught:
        streaming.answer(request())

    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after", None) == fault.retry_after


def test_an_answer_that_was_cut_off_in_a_stream_gets_more_room_once(api, streaming):
    api.answer(lambda _: Blocks([text('{"topic": "ref')], "max_tokens"))

    with pytest.raises(InvalidOutput, match="cut off, also with more room") as caught:
        streaming.answer(request(max_output_tokens=10))

    assert [sent["max_tokens"] for sent in api.requests] == [10, 40]
    assert caught.value.usage.output_tokens == 40


# ── paths of an answer ──


@pytest.mark.parametrize(
    ("content", "stop", "error"),
    [
        ([], "refusal", Refused),
        ([text("I cannot")], "refusal", Refused),
        ([], "model_context_window_exceeded", TooLong),
        ([text("{")], "model_context_window_exceeded", TooLong),
        ([], "end_turn", InvalidOutput),
        ([THOUGHT], "end_turn", InvalidOutput),
    ],
)
def test_an_answer_that_is_none_says_why_and_what_it_cost(api, streaming, content, stop, error):
    api.answer(lambda _: Blocks(content, stop))

    with pytest.raises(error) as caught:
        streaming.answer(request())

    assert type(caught.value) is error
    assert caught.value.usage.input_tokens == 100 * len(api.requests)


def test_json_in_a_fence_is_read_without_asking_again(api, streaming):
    api.answer(lambda _: 'Here it is:\n```json\n{"topic": "refund", "score": 7}\n```')

    assert streaming.answer(request()).output == Sorted(**GOOD)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(529, retry_after=4), Interrupted),
        (Fault(0), Interrupted),
        (Fault(400), Unanswered),
        (Fault(413), TooLong),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
def test_what_was_paid_before_a_failed_repair_is_not_lost(api, fault, error):
    model = AnthropicModel("key", model="model-x", base_url=api.url)

    def unfit(_):
        api.faults.append(fault)
        return "no json"

    api.answer(unfit)

    with pytest.raises(error) as caught:
        model.answer(request())

    assert type(caught.value) is error
    assert caught.value.usage.input_tokens == 100
    assert getattr(caught.value, "retry_after", None) == fault.retry_after


def test_a_repair_keeps_the_signed_thoughts_before_it(api):
    model = AnthropicModel("key", model="model-x", base_url=api.url)
    answers = iter([Blocks([THOUGHT, text("no json")]), GOOD])
    api.answer(lambda _: next(answers))

    model.answer(request())

    assert api.requests[1]["messages"][1]["content"] == [THOUGHT, text("no json")]


# ── settings ──


@pytest.mark.parametrize(
    ("setting", "thinking", "room"),
    [
        ("", None, 100),
        ("off", {"type": "disabled"}, 100),
        ("adaptive", {"type": "adaptive"}, 100),
        ("2048", {"type": "enabled", "budget_tokens": 2048}, 2148),
    ],
)
def test_the_model_thinks_as_the_setting_says_and_has_room_for_the_answer(api, setting, thinking, room):
    env = {
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_BASE_URL": api.url,
        "ANTHROPIC_MODEL": "m",
        "ANTHROPIC_THINKING": setting,
    }
    anthropic.make(env).answer(request(max_output_tokens=100))

    assert api.requests[0].get("thinking") == thinking
    assert api.requests[0]["max_tokens"] == room


def test_a_turn_that_began_elsewhere_without_a_thought_goes_on_without_a_budget(api):
    """The service refuses it otherwise."""
    env = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_THINKING": "2048"}
    calls = [{"type": "tool_use", "id": f"call:{number}", "name": "x", "input": {}} for number in (1, 2)]
    model = anthropic.make(env, model="m")
    model.turn(request(tools=TOOLS, max_output_tokens=100, turns=(turn(),)))
    model.turn(request(tools=TOOLS, max_output_tokens=100, turns=(turn(native={"anthropic": [THOUGHT, *calls]}),)))

    assert [sent.get("thinking", {}).get("type") for sent in api.requests] == [None, "enabled"]
    assert [sent["max_tokens"] for sent in api.requests] == [100, 2148]


def test_nobody_thinks_about_what_is_only_sorted(api):
    env = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_THINKING": "4096"}
    anthropic.make(env).answer(request(task="triage", max_output_tokens=100))

    assert "thinking" not in api.requests[0]
    assert api.requests[0]["max_tokens"] == 100


@pytest.mark.parametrize(
    "env", [{"ANTHROPIC_THINKING": "hard"}, {"ANTHROPIC_THINKING": "1000"}, {"ANTHROPIC_STREAM": "perhaps"}]
)
def test_a_setting_that_cannot_be_read_refuses_the_start(env):
    with pytest.raises(ValueError, match=next(iter(env))):
        anthropic.make({"ANTHROPIC_API_KEY": "key", **env})


def test_the_stream_setting_streams(api):
    env = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_STREAM": "true"}
    anthropic.make(env, model="m").answer(request())

    assert (api.requests[0]["stream"], api.requests[0]["model"]) == (True, "m")


def test_models_of_one_account_share_their_connections_while_one_of_them_is_used(api):
    env = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": api.url}
    small, large = anthropic.make(env, model="small"), anthropic.make(env, model="large")
    other = anthropic.make({**env, "ANTHROPIC_API_KEY": "another"}, model="small")
    assert small.client is large.client
    assert small.client is not other.client
    assert (small.name, large.name) == ("small", "large")

    http = small.client._client
    del small, large
    gc.collect()

    assert http.is_closed
    assert not other.client.is_closed()


# ── counting ──


def test_tokens_are_counted_for_exactly_what_would_be_sent(api):
    model = AnthropicModel("key", model="model-x", base_url=api.url)
    asked = request(tools=TOOLS, turns=(turn(),))

    counted = model.count(asked)
    model.turn(asked)

    sent = dict(api.requests[0])
    assert sent.pop("max_tokens") == 4096
    assert api.counted == [sent]
    assert counted > 1000


def test_counting_fails_as_asking_does(api):
    model = AnthropicModel("key", model="model-x", base_url=api.url)
    api.faults += [Fault(529), Fault(200, body=b"[]")]

    for _ in range(2):
        with pytest.raises(Temporary):
            model.count(request())
