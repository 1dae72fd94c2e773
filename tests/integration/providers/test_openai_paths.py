"""Every way in which a service behind OpenAI's API fails or stops, each with its one consequence, streamed and not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations.errors import Permanent, Temporary
from integrations.models import openai
from integrations.models.base import Interrupted, InvalidOutput, Refused, TooLong, Unanswered
from integrations.models.openai.client import OpenAIModel
from integrations.models.openai.options import Options
from tests.integration.providers.asking import GOOD, Sorted, request
from tests.servers.chat_api import ChatApi, Fault, Said

TOO_MUCH_FOR_A_MINUTE = (
    "Request too large for gpt-x in organization org-1 on tokens per min (TPM): Limit 30000, Requested 36278. The input or "
    "output tokens must be reduced in order to run successfully. Visit https://example.com to learn more."
)
USED_UP = (
    "Rate limit reached for gpt-x in organization org-1 on tokens per min (TPM): Limit 30000, Used 28554, Requested 3082. "
    "Please try again in 9.816s."
)


@pytest.fixture
def api():
    with ChatApi() as server:
        server.answer(lambda _: GOOD)
        yield server


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def model(api, request):
    return OpenAIModel("key", model="model-x", base_url=api.url, options=Options(stream=request.param))


@pytest.fixture
def streaming(api):
    return OpenAIModel("key", model="model-x", base_url=api.url, options=Options(stream=True))


def test_a_streamed_answer_is_the_same_as_a_whole_one(api, streaming):
    whole = OpenAIModel("key", model="model-x", base_url=api.url)
    api.answer(lambda _: '{"topic": "Rückgabe 🙂", "score": 3}')

    one, other = whole.answer(request()), streaming.answer(request())

    assert one.output == other.output == Sorted(topic="Rückgabe 🙂", score=3)
    for name in ("model", "input_tokens", "output_tokens", "cache_read_tokens", "stop_reason"):
        assert getattr(one.usage, name) == getattr(other.usage, name)
    assert [sent.get("stream") for sent in api.requests] == [None, True]


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (Fault(429, retry_after=3), Temporary, "slow down"),
        (Fault(429, code="insufficient_quota"), Permanent, "balance"),
        # Larger than all that the account may ask for in a minute: it is refused so every time.
        (Fault(429, code="rate_limit_exceeded", message=TOO_MUCH_FOR_A_MINUTE), TooLong, "Limit 30000"),
        (Fault(429, code="rate_limit_exceeded", message=USED_UP), Temporary, "slow down"),
        (Fault(529), Temporary, "529"),
        (Fault(500), Temporary, "500"),
        (Fault(503, retry_after=2.5), Temporary, "503"),
        (Fault(0), Temporary, "cannot be reached"),
        (Fault(400, message="temperature is wrong"), Permanent, "temperature is wrong"),
        (Fault(400, code="context_length_exceeded"), TooLong, "too long"),
        (Fault(400, message="This model's maximum context length is 8192 tokens."), TooLong, "too long"),
        (Fault(400, code="content_filter"), Refused, "declined"),
        (Fault(401), Permanent, "OPENAI_API_KEY"),
        (Fault(402), Permanent, "balance"),
        (Fault(403), Permanent, "OPENAI_MODEL"),
        (Fault(404), Permanent, "OPENAI_BASE_URL"),
        (Fault(413), TooLong, "too long"),
        (Fault(422, body=b'{"detail": [{"loc": ["body", "x"]}]}'), Permanent, "422"),
        (Fault(500, body=b"<html>"), Temporary, "500"),
    ],
    ids=lambda value: f"{value.status} {value.code or ''}" if isinstance(value, Fault) else "",
)
def test_every_fault_has_its_consequence_and_is_asked_once(api, model, fault, error, says):
    api.faults.append(fault)

    with pytest.raises(error, match=says) as caught:
        model.answer(request())

    assert type(caught.value) is error
    assert len(api.requests) == 1
    assert getattr(caught.value, "retry_after", None) == fault.retry_after


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (b"<html>", Temporary, "no answer"),
        (b"null", Temporary, "no answer"),
        (b"{}", Temporary, "no answer"),
        (b'{"choices": []}', Temporary, "no answer"),
        (b'{"choices": [{"message": {"content": 7}}]}', Temporary, "no answer"),
        (b'{"choices": [{"message": {"tool_calls": [{"id": "x"}]}}]}', Temporary, "no answer"),
        (b'{"error": {"message": "Provider returned error", "code": 429}}', Temporary, "slow down"),
        (b'{"error": {"message": "No credits", "code": 402}}', Permanent, "balance"),
        (b'{"error": {"message": "upstream"}}', Temporary, "500"),
    ],
)
def test_what_is_no_completion_is_no_answer(api, body, error, says):
    api.faults.append(Fault(200, body=body))

    with pytest.raises(error, match=says) as caught:
        OpenAIModel("key", model="m", base_url=api.url).answer(request())

    assert type(caught.value) is error


@pytest.mark.parametrize("said", ["", "no json", "[1, 2]", '{"topic": 1}', '{"topic": "x", "score": 1, "more": 1}'])
def test_an_answer_that_never_fits_is_invalid_after_one_repair(api, model, said):
    api.answer(lambda _: said)

    with pytest.raises(InvalidOutput) as caught:
        model.answer(request())

    assert len(api.requests) == 2
    assert caught.value.usage.output_tokens == 40


def test_an_answer_that_does_not_fit_is_sent_back_once_with_what_is_wrong(api, model):
    answers = iter(['{"topic": "refund", "score": 70}', GOOD])
    api.answer(lambda _: next(answers))

    assert model.answer(request()).output == Sorted(**GOOD)
    assert "score: Input should be less than" in api.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "said",
    [Said({"refusal": "I can't help."}), Said({"content": "I"}, "content_filter")],
    ids=["refusal", "content_filter"],
)
def test_a_refusal_is_a_refusal_and_was_paid_for(api, model, said):
    api.answer(lambda _: said)

    with pytest.raises(Refused) as caught:
        model.answer(request())

    assert caught.value.usage.output_tokens == 20
    assert len(api.requests) == 1


def test_an_answer_that_was_cut_off_gets_more_room_once(api, model):
    api.answer(lambda _: Said({"content": '{"topic": "ref'}, "length"))

    with pytest.raises(InvalidOutput, match="cut off, also with more room"):
        model.answer(request(max_output_tokens=10))

    assert [sent["max_tokens"] for sent in api.requests] == [10, 40]


@pytest.mark.parametrize("chunks", [2, 3], ids=lambda count: f"after {count} chunks")
def test_a_stream_that_breaks_off_is_temporary_and_on_the_bill(api, streaming, chunks):
    """Nobody counted it, so that the row says zero tokens, but it says that there was a call."""
    api.faults.append(Fault(cut_after=chunks))

    with pytest.raises(Interrupted, match=r"lost|broke off") as caught:
        streaming.answer(request())

    assert (caught.value.usage.model, caught.value.usage.stop_reason) == ("model-x", "interrupted")
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "chunk",
    [
        b'{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": 7}}]}}]}',
        b'{"choices": [{"index": 0, "delta": {"content": {"odd": 1}}, "finish_reason": "stop"}]}',
        b'{"choices": [7]}',
        b'{"choices": [{"index": 0, "delta": 7}]}',
        b"{not json",
        b"[]",
    ],
)
def test_a_stream_of_what_is_no_chunk_is_no_answer(api, streaming, chunk):
    api.faults.append(Fault(200, body=b"data: " + chunk + b"\n\n"))

    with pytest.raises(Temporary):
        streaming.answer(request())


def test_a_stream_that_ends_before_it_began_cost_nothing(api, streaming):
    api.faults.append(Fault(cut_after=0))

    with pytest.raises(Temporary) as caught:
        streaming.answer(request())

    assert type(caught.value) is Temporary


@pytest.mark.parametrize(
    ("told", "error", "says"),
    [
        ({"message": "Overloaded", "code": 529}, Interrupted, "529"),
        ({"message": "slow", "code": "429"}, Interrupted, "slow down"),
        ({"message": "odd"}, Interrupted, "500"),
        ({"message": "bad form", "code": 400}, Permanent, "bad form"),
        ({"message": "no", "code": "content_filter"}, Refused, "declined"),
    ],
)
def test_an_error_in_the_middle_of_a_stream_has_its_consequence(api, streaming, told, error, says):
    api.faults.append(Fault(cut_after=3, told=told))

    with pytest.raises(error, match=says) as caught:
        streaming.answer(request())

    assert type(caught.value) is error


def test_a_stream_that_drips_is_given_up_in_time_though_it_never_falls_silent(api, streaming):
    api.faults.append(Fault(slow=0.15))

    with pytest.raises(Interrupted, match=r"within 0\.4 s"):
        streaming.answer(request(timeout=0.4))


def test_a_model_that_says_nothing_is_given_up_in_time(api, model):
    api.faults.append(Fault(500, wait=2))

    with pytest.raises(Temporary, match=r"within 0\.2 s"):
        model.answer(request(timeout=0.2))


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault(529, retry_after=4), Interrupted), (Fault(0), Interrupted), (Fault(400), Unanswered)],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
def test_what_was_paid_before_a_failed_repair_is_not_lost(api, model, fault, error):
    def unfit(_):
        api.faults.append(fault)
        return "no json"

    api.answer(unfit)

    with pytest.raises(error) as caught:
        model.answer(request())

    assert type(caught.value) is error
    assert caught.value.usage.output_tokens == 20


def test_a_service_that_is_not_there_is_temporary():
    with pytest.raises(Temporary, match="reached"):
        OpenAIModel("key", model="m", base_url="http://127.0.0.1:9/v1").answer(request())


def test_many_threads_ask_one_model_and_choose_it_once(api):
    model = openai.make({"OPENAI_BASE_URL": api.url})
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: model.answer(request()), range(24)))

    assert len({answer.usage.request_id for answer in answers}) == 24
    assert api.listings == 1
