"""Redaction as the registry wires it, over true HTTP: what each provider's service received, and what came back to the agent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from integrations import registry
from integrations.errors import Permanent
from integrations.models.base import (
    About,
    Material,
    ModelAnswer,
    ModelRequest,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
    Unanswered,
)
from integrations.models.redaction import Classifying, Redaction
from tests.servers.chat_api import ChatApi, Said
from tests.servers.messages_api import Blocks, Fault, MessagesApi

MAIL, PHONE, CARD, IBAN = "ana@example.com", "+49 170 1234567", "4242 4242 4242 4242", "DE89 3704 0044 0532 0130 00"
LETTER = f"I am {MAIL}, {PHONE}. Card {CARD}, account {IBAN}."
VALUES = (MAIL, PHONE, CARD, IBAN)


class Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")

    to: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    body: str


class FindCustomer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str = Field(pattern="@")


TOOLS = (Tool("find_customer", "A customer by e-mail address.", FindCustomer),)


@pytest.fixture
def anthropic():
    with MessagesApi() as server:
        yield server


@pytest.fixture
def openai():
    with ChatApi() as server:
        yield server


def routed(tmp_path: Path, *, rules: Redaction | None = None, routing: str = "", **env: str):
    """All models that have credentials, as a worker gets them."""
    rules = rules or Redaction.from_settings(b"k" * 32)
    more = {}
    if routing:
        (tmp_path / "models.yaml").write_text(routing)
        more["routing"] = tmp_path / "models.yaml"
    return Classifying(registry.models(env, data=tmp_path, timeout=5.0, redaction=rules, **more), rules)


def of(server, provider: str) -> dict[str, str]:
    name = provider.upper()
    return {f"{name}_API_KEY": "key", f"{name}_MODEL": "model-x", f"{name}_BASE_URL": server.url}


def request(*turns: Turn, source: str = "sample", tools: tuple[Tool, ...] = ()) -> ModelRequest[Reply]:
    return ModelRequest(
        domain="support",
        task="draft",
        instructions="Answer the letter.",
        material=(Material(f"{source}:ticket:1", "event", trusted=False, data={"text": LETTER}),),
        output=Reply,
        tools=tools,
        turns=turns,
        about=About(case_id="case_1", source=source),
    )


def placeholders(body: object) -> dict[str, str]:
    return {
        kind: name
        for name, kind in re.findall(r"(\[(email|phone|card|iban)-\d[^\]]*\])", json.dumps(body, ensure_ascii=False))
    }


def hears_nothing(server) -> bool:
    heard = json.dumps(server.requests, ensure_ascii=False)
    return not any(value in heard or value.replace(" ", "") in heard for value in VALUES)


def written(body: object) -> dict[str, str]:
    names = placeholders(body["messages"])
    return {"to": names["email"], "body": f"We call {names['phone']}, not {names['card']}."}


EXPECTED = Reply(to=MAIL, body=f"We call {PHONE}, not card ending 4242.")


def test_a_service_hears_no_value_and_the_answer_has_them(tmp_path, anthropic):
    anthropic.answer(written)
    answer = routed(tmp_path, **of(anthropic, "anthropic")).answer(request())

    assert answer.output == EXPECTED
    assert hears_nothing(anthropic)


def test_when_one_service_is_down_the_next_is_told_the_same(tmp_path, anthropic, openai):
    anthropic.faults += [Fault(529)] * 4
    openai.answer(written)
    model = routed(tmp_path, **of(anthropic, "anthropic"), **of(openai, "openai"))

    answer = model.answer(request())

    assert answer.output == EXPECTED
    assert any("anthropic" in remark for remark in answer.remarks)
    assert hears_nothing(anthropic)
    assert hears_nothing(openai)
    assert placeholders(anthropic.requests[0]["messages"]) == placeholders(openai.requests[0]["messages"])


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_an_answer_that_does_not_fit_is_sent_back_without_the_values_that_it_would_have_had(
    tmp_path, provider, anthropic, openai
):
    """A model may name a field by a placeholder; what is wrong is told by places, and the place has the value by then."""
    server = anthropic if provider == "anthropic" else openai
    server.answer(lambda body: {**written(body), **dict.fromkeys(placeholders(body["messages"]).values(), "x")})

    with pytest.raises(Unanswered) as raised:
        routed(tmp_path, **of(server, provider)).answer(request())

    assert len(server.requests) == 2
    assert "Extra inputs are not permitted" in json.dumps(server.requests[1]["messages"])
    assert hears_nothing(server)
    assert not any(value in str(raised.value) for value in VALUES)


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_look_up_is_asked_for_with_the_value_and_its_result_leaves_without(tmp_path, provider, anthropic, openai):
    server = anthropic if provider == "anthropic" else openai

    def asks(body):
        email = {"email": placeholders(body["messages"])["email"]}
        if provider == "anthropic":
            return Blocks([{"type": "tool_use", "id": "toolu_1", "name": "find_customer", "input": email}], "tool_use")
        function = {"name": "find_customer", "arguments": json.dumps(email)}
        return Said(
            {"content": "", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}, "tool_calls"
        )

    model = routed(tmp_path, **of(server, provider))
    server.answer(asks)
    use = model.turn(request(tools=TOOLS))
    assert isinstance(use, ToolUse)
    assert [(call.arguments, call.flaw) for call in use.calls] == [({"email": MAIL}, None)]

    found = ToolResult(use.calls[0].id, "find_customer", {"email": MAIL, "phone": PHONE, "note": LETTER}, trusted=True)
    server.answer(written)
    turn = Turn(use.calls, (found,), text=use.text, native=use.native)
    answer = model.turn(request(turn, tools=TOOLS))

    assert isinstance(answer, ModelAnswer)
    assert answer.output == EXPECTED
    assert hears_nothing(server)
    first, second = (placeholders(one["messages"]) for one in server.requests)
    assert first == second


def test_data_that_may_not_leave_are_answered_in_the_house_or_by_nobody(tmp_path, anthropic, openai):
    rules = Redaction.from_settings(b"k", data_classes="hr=restricted")
    openai.answer(lambda _: {"to": MAIL, "body": "From the house."})
    away = routed(tmp_path, rules=rules, **of(anthropic, "anthropic"))
    with pytest.raises(Permanent, match="may not leave"):
        away.answer(request(source="hr"))

    file = tmp_path / "privacy.yaml"
    file.write_text("at_home: [openai]")
    rules = Redaction.from_settings(b"k", data_classes="hr=restricted", file=file)
    routing = "version: 1\ntasks:\n  draft:\n    - provider: openai\n      when: {data_class: {in: [restricted]}}\n    - provider: anthropic\n"
    both = routed(tmp_path, rules=rules, routing=routing, **of(anthropic, "anthropic"), **of(openai, "openai"))

    assert both.answer(request(source="hr")).output.body == "From the house."
    assert anthropic.requests == []
    assert MAIL in json.dumps(openai.requests)


def test_what_a_service_quotes_of_a_letter_is_not_in_its_error(tmp_path, anthropic):
    quoted = {"error": {"type": "invalid_request_error", "message": f"This cannot be read: {LETTER}"}}
    plain = {"error": {"type": "invalid_request_error", "message": "max_tokens: too large"}}
    anthropic.faults += [Fault(400, body=json.dumps(body).encode()) for body in (quoted, plain)]
    model = routed(
        tmp_path, routing="version: 1\ntasks:\n  draft:\n    - provider: anthropic\n", **of(anthropic, "anthropic")
    )

    said = []
    for _ in range(2):
        with pytest.raises(Permanent) as error:
            model.answer(request())
        said.append(str(error.value))

    assert "cannot be read" not in said[0]
    assert "refused the request (400)" in said[0]
    assert "max_tokens: too large" in said[1]
