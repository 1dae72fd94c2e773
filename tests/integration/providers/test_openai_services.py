"""Services that speak OpenAI's API each in its own way: what one refuses is asked for otherwise, and remembered."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import BaseModel

from integrations.errors import Permanent, Temporary
from integrations.models import openai
from integrations.models.base import Usage
from integrations.models.openai.client import OpenAIModel
from integrations.models.openai.embeddings import MOST_TEXTS
from integrations.models.openai.options import Dialect, Options
from tests.integration.providers.asking import GOOD, TOOLS, Sorted, request
from tests.servers.chat_api import EVERYTHING, ChatApi, Fault, Said


def serving(**changes):
    api = ChatApi(**changes)
    api.answer(lambda _: GOOD)
    return api


def form(sent):
    return (sent.get("response_format") or {}).get("type", "prompt")


@pytest.mark.parametrize(
    ("takes", "asked"),
    [
        (EVERYTHING, ["json_schema", "json_schema"]),
        (EVERYTHING - {"json_schema"}, ["json_schema", "json_object", "json_object"]),
        (EVERYTHING - {"json_schema", "json_object"}, ["json_schema", "json_object", "prompt", "prompt"]),
    ],
    ids=["schema", "object", "neither"],
)
def test_a_form_that_is_refused_is_asked_for_more_loosely_and_that_is_remembered(takes, asked):
    with serving(takes=takes) as api:
        model = OpenAIModel("key", model="m", base_url=api.url)
        answers = [model.answer(request()), model.answer(request())]

    assert [form(sent) for sent in api.requests] == asked
    assert [answer.output for answer in answers] == [Sorted(**GOOD)] * 2
    assert answers[0].usage.output_tokens == 20
    if asked[-1] != "json_schema":
        assert '"topic"' in api.requests[-1]["messages"][0]["content"]


def test_a_service_that_takes_no_form_beside_tools_still_takes_it_alone():
    with serving(takes=EVERYTHING - {"form_with_tools"}) as api:
        model = OpenAIModel("key", model="m", base_url=api.url)
        model.turn(request(tools=TOOLS))
        model.answer(request())

    assert [form(sent) for sent in api.requests] == ["json_schema", "json_object", "prompt", "json_schema"]


def test_a_model_without_tools_answers_from_what_it_was_given_and_is_offered_none_again():
    with serving(takes=EVERYTHING - {"tools"}) as api:
        model = OpenAIModel("key", model="m", base_url=api.url)
        assert model.uses_tools
        answers = [model.turn(request(tools=TOOLS)) for _ in range(2)]

    assert ["tools" in sent for sent in api.requests] == [True, False, False]
    assert "with the tools" not in api.requests[1]["messages"][0]["content"]
    assert [answer.output for answer in answers] == [Sorted(**GOOD)] * 2
    assert not model.uses_tools


@pytest.mark.parametrize("level", ["json_schema", "json_object", "prompt"])
def test_a_form_that_is_set_is_the_one_that_is_asked_for(level):
    with serving() as api:
        env = {"OPENAI_BASE_URL": api.url, "OPENAI_STRUCTURED": level}
        openai.make(env, model="m").answer(request())

    assert [form(sent) for sent in api.requests] == [level]


def test_a_form_that_is_set_and_refused_is_an_error_that_says_so():
    with serving(takes=EVERYTHING - {"json_schema"}) as api:
        model = openai.make({"OPENAI_BASE_URL": api.url, "OPENAI_STRUCTURED": "json_schema"}, model="m")
        with pytest.raises(Permanent, match="response_format"):
            model.answer(request())

    assert len(api.requests) == 1


def test_an_answer_in_free_text_is_read_past_thoughts_and_fences():
    said = '<think>{"topic": "no"}</think>As asked:\n```json\n{"topic": "refund", "score": 7}\n```'
    with serving(takes=EVERYTHING - {"json_schema", "json_object"}) as api:
        api.answer(lambda _: said)
        answer = OpenAIModel("key", model="m", base_url=api.url).answer(request())

    assert answer.output == Sorted(**GOOD)


def test_a_service_that_passes_over_the_schema_is_told_it_in_the_repair():
    with serving() as api:
        answers = iter(["Sure, it is a refund!", GOOD])
        api.answer(lambda _: next(answers))
        answer = OpenAIModel("key", model="m", base_url=api.url).answer(request())

    assert answer.output == Sorted(**GOOD)
    assert '"score"' in api.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("takes", "names"),
    [
        (EVERYTHING, ["max_tokens", "max_tokens"]),
        (EVERYTHING - {"max_tokens"}, ["max_tokens", "max_completion_tokens", "max_completion_tokens"]),
    ],
    ids=["older", "newer"],
)
def test_the_room_has_the_name_that_the_service_knows(takes, names):
    with serving(takes=takes) as api:
        model = OpenAIModel("key", model="m", base_url=api.url)
        model.answer(request(max_output_tokens=77))
        model.answer(request(max_output_tokens=77))

    assert [next(name for name in sent if name.startswith("max_")) for sent in api.requests] == names
    assert {sent.get("max_tokens", sent.get("max_completion_tokens")) for sent in api.requests} == {77}


def test_the_vendors_own_service_is_asked_by_the_newer_name():
    assert Dialect(Options(), own=True).room == "max_completion_tokens"


def test_room_that_is_too_large_is_no_matter_of_its_name():
    with serving() as api:
        api.faults.append(Fault(400, message="max_tokens is too large: 9. This model supports at most 4."))
        with pytest.raises(Permanent, match="too large"):
            OpenAIModel("key", model="m", base_url=api.url).answer(request())

    assert len(api.requests) == 1


def test_a_service_that_knows_neither_name_is_given_up():
    with serving(takes=EVERYTHING - {"max_tokens", "max_completion_tokens"}) as api:
        model = OpenAIModel("key", model="m", base_url=api.url)
        with pytest.raises(Permanent, match="max_completion_tokens"):
            model.answer(request())

    assert len(api.requests) == 2


def test_a_service_that_counts_in_no_stream_is_streamed_all_the_same():
    with serving(takes=EVERYTHING - {"stream_options"}) as api:
        model = OpenAIModel("key", model="m", base_url=api.url, options=Options(stream=True))
        answers = [model.answer(request()), model.answer(request())]

    assert ["stream_options" in sent for sent in api.requests] == [True, False, False]
    assert answers[1].output == Sorted(**GOOD)
    assert answers[1].usage.input_tokens == 0


def test_a_form_that_no_strict_schema_can_say_is_asked_for_as_it_is():
    class Loose(BaseModel):
        values: dict[str, int]

    with serving() as api:
        api.answer(lambda _: {"values": {"a": 1}})
        answer = OpenAIModel("key", model="m", base_url=api.url).answer(request(output=Loose))

    assert answer.output.values == {"a": 1}
    assert api.requests[0]["response_format"]["json_schema"]["strict"] is False


def test_content_in_parts_is_read_as_text():
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": '{"topic": "refund", "score": 7}'}]
    with serving() as api:
        api.answer(lambda _: Said({"content": parts}))
        assert OpenAIModel("key", model="m", base_url=api.url).answer(request()).output == Sorted(**GOOD)


# ── which model, which account ──


def test_it_serves_as_soon_as_a_key_or_an_address_is_set():
    assert openai.make({}) is None
    assert openai.make({"OPENAI_API_KEY": " ", "OPENAI_BASE_URL": ""}) is None
    assert openai.make({"OPENAI_API_KEY": "key"}, model="m").name == "m"
    with serving() as api:
        openai.make({"OPENAI_BASE_URL": api.url, "OPENAI_MODEL": "set"}).answer(request())

    assert api.requests[0]["model"] == "set"


def test_without_a_name_the_first_model_that_answers_in_text_is_taken_once():
    with serving() as api:
        model = openai.make({"OPENAI_BASE_URL": api.url})
        for _ in range(2):
            model.answer(request())

    assert [sent["model"] for sent in api.requests] == ["model-one", "model-one"]
    assert (api.listings, model.name) == (1, "model-one")


def test_a_service_without_a_model_that_answers_in_text_says_what_to_set():
    with serving(models=["text-embedding-x"]) as api, pytest.raises(Permanent, match="OPENAI_MODEL"):
        openai.make({"OPENAI_BASE_URL": api.url}).answer(request())


@pytest.mark.parametrize("env", [{"OPENAI_STRUCTURED": "xml"}, {"OPENAI_STREAM": "perhaps"}])
def test_a_setting_that_cannot_be_read_refuses_the_start(env):
    with pytest.raises(ValueError, match=next(iter(env))):
        openai.make({"OPENAI_API_KEY": "key", **env})


def test_the_sdk_is_loaded_only_where_it_is_asked_for():
    script = "import sys; from integrations.models import openai as ours; print(ours.make({}), 'openai' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout.split() == ["None", "False"]


# ── vectors ──


def test_each_text_has_its_vector_in_order_and_the_calls_are_told():
    used: list[Usage] = []
    texts = ["x" * (number % 7) for number in range(MOST_TEXTS + 5)]
    with serving() as api:
        env = {"OPENAI_BASE_URL": api.url, "OPENAI_EMBEDDING_MODEL": "vectors"}
        embedder = openai.embedder(env, on_usage=used.append)
        vectors = embedder.embed(texts)

    assert [vector[0] for vector in vectors] == [float(len(text) or 1) for text in texts]
    assert [len(some) for some in api.embedded] == [MOST_TEXTS, 5]
    assert (embedder.name, embedder.dimensions) == ("vectors", 3)
    assert [usage.input_tokens for usage in used] == [10 * MOST_TEXTS, 50]


def test_the_length_of_vectors_is_asked_for_where_none_was_made():
    with serving(length=5) as api:
        embedder = openai.embedder({"OPENAI_BASE_URL": api.url}, model="vectors")
        assert (embedder.dimensions, embedder.dimensions) == (5, 5)

    assert len(api.embedded) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(429, retry_after=2), Temporary),
        (Fault(0), Temporary),
        (Fault(200, body=b'{"data": []}'), Temporary),
        (Fault(200, body=b'{"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": []}]}'), Temporary),
        (Fault(200, body=b"<html>"), Temporary),
        (Fault(401), Permanent),
        (Fault(404), Permanent),
    ],
)
def test_vectors_that_do_not_all_come_do_not_come_at_all(fault, error):
    with serving() as api:
        api.faults.append(fault)
        with pytest.raises(error):
            openai.embedder({"OPENAI_BASE_URL": api.url}, model="vectors").embed(["a", "b"])


def test_no_vectors_are_made_without_a_model_for_them():
    assert openai.embedder({"OPENAI_API_KEY": "key"}) is None
    assert openai.embedder({"OPENAI_EMBEDDING_MODEL": "vectors"}) is None
