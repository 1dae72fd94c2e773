"""A whole request on its way out and its answer on the way back, with a model that writes down what it was told."""

from __future__ import annotations

import gc
import json
import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from integrations.models.base import (
    About,
    Material,
    ModelAnswer,
    ModelRequest,
    Tool,
    ToolCall,
    ToolResult,
    ToolUse,
    Turn,
    Usage,
)
from integrations.models.redaction import Classifying, Redacting, RedactingEmbedder, Redaction, StaysHere
from workers.actions.catalogue import CATALOGUE
from workers.agents.base import draft_type

USAGE = Usage("far", "away-1", 1, 1, 0, 0, 1, None, None, "end_turn")
RULES = Redaction.from_settings(b"k" * 32)


class Letter(BaseModel):
    """A letter."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    to: str = Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    body: str = Field(max_length=200)


class Search(BaseModel):
    email: str = Field(pattern="@")


@dataclass
class Far:
    """A remote model that answers by a function of what it was told."""

    script: Callable[[ModelRequest[Any]], Any] = lambda _: {"to": "a@example.com", "body": ""}
    told: list[ModelRequest[Any]] = field(default_factory=list)
    provider: str = "far"
    name: str = "away-1"
    uses_tools: bool = True

    def answer(self, request):
        self.told.append(request)
        return ModelAnswer(request.output.model_validate_json(json.dumps(self.script(request))), USAGE)

    def turn(self, request):
        self.told.append(request)
        said = self.script(request)
        return said if isinstance(said, ToolUse) else self.answer(request)

    def saw(self) -> str:
        """All that reached it, as text."""
        return "\n".join(
            json.dumps([[m.ref, m.data] for m in one.material], ensure_ascii=False) + str(one.turns)
            for one in self.told
        )


def material(**data: Any) -> tuple[Material, ...]:
    return (Material("sample:ticket:7", "event", trusted=False, data=data),)


def request(*pieces: Material, output: type[BaseModel] = Letter, **changes: Any) -> ModelRequest[Any]:
    return ModelRequest("support", "draft", "Answer.", pieces, output, about=About(case_id="case_1"), **changes)


def names(far: Far, kind: str) -> list[str]:
    return re.findall(rf"\[{kind}-\d+\w?[^\]]*\]", far.saw())


def test_nothing_of_a_person_reaches_the_model_and_the_answer_has_all_of_it():
    far = Far(lambda r: {"to": names(far, "email")[0], "body": f"Ring {names(far, 'phone')[0]}"})
    text = "I am Ana@example.com, +49 170 1234567, card 4242 4242 4242 4242."

    answer = Redacting(far, RULES).answer(request(*material(text=text, requester_email="ana@example.com")))

    assert not any(secret in far.saw().lower() for secret in ("example.com", "1234567", "4242 4242"))
    assert answer.output == Letter(to="Ana@example.com", body="Ring +49 170 1234567")
    assert type(answer.output) is Letter
    assert answer.remarks == ()


def test_a_type_is_told_as_it_is_but_for_patterns_that_no_placeholder_fits():
    far = Far(lambda r: {"to": names(far, "email")[0], "body": ""})
    Redacting(far, RULES).answer(request(*material(text="ana@example.com")))

    expected = Letter.model_json_schema()
    del expected["properties"]["to"]["pattern"]
    assert far.told[0].output.model_json_schema() == expected


def test_a_draft_of_every_kind_can_be_told_and_put_back():
    output = draft_type(tuple(CATALOGUE))
    arguments = {"subject": "Papers", "body": "Please."}

    def script(_request):
        action = {
            "kind": "request_documents",
            "arguments": {"to": names(far, "email")[0], **arguments},
            "rationale": "It says so.",
            "citations": ["sample:ticket:7"],
            "confidence": 0.5,
        }
        return {"summary": "s", "actions": [action]}

    far = Far(script)
    answer = Redacting(far, RULES).answer(request(*material(text="ana@example.com"), output=output))

    assert answer.output.actions[0].arguments.to == "ana@example.com"


def test_fields_are_replaced_whatever_they_hold_and_the_same_words_elsewhere():
    far = Far()
    pieces = material(
        shipping_address={"line1": "Hauptstr. 5", "city": "Berlin", "country": "DE"},
        phone=491701234567,
        customer_email="none",
        cvc="123",
        text="Not to Hauptstr. 5 please",
    )
    Redacting(far, RULES).answer(request(*pieces))

    saw = far.told[0].material[0].data
    assert saw["shipping_address"]["country"] == "DE"
    assert "Hauptstr" not in far.saw()
    assert "Berlin" not in far.saw()
    assert "491701234567" not in far.saw()
    assert re.fullmatch(r"\[secret-\d{4}\]", saw["cvc"])
    assert saw["text"] == f"Not to {saw['shipping_address']['line1']} please"


def test_numbers_of_orders_stay_and_whole_numbers_of_cards_do_not():
    far = Far()
    pieces = material(
        order_number="4242424242424242", number=4242424242424242, amount_minor=4000, created_at="2026-11-20"
    )
    Redacting(far, RULES).answer(request(*pieces))

    saw = far.told[0].material[0].data
    assert (saw["order_number"], saw["amount_minor"], saw["created_at"]) == ("4242424242424242", 4000, "2026-11-20")
    assert saw["number"].endswith("ending 4242]")


def test_calls_and_results_of_earlier_turns_have_the_same_placeholders():
    far = Far(
        lambda r: ToolUse(
            (ToolCall("2", "search", {"email": names(far, "email")[0]}),), USAGE, text="Now, " + names(far, "email")[0]
        )
    )
    turn = Turn(
        (ToolCall("1", "search", {"email": "ana@example.com"}, flaw="ana@example.com is none"),),
        (
            ToolResult(
                "1", "search", {"found": [{"email": "ana@example.com", "text": "ana@example.com"}]}, trusted=True
            ),
        ),
        text="I look for ana@example.com",
        native={"far": [{"thinking": "signed"}]},
    )
    asked = request(*material(text="ana@example.com"), tools=(Tool("search", "finds", Search),), turns=(turn,))

    said = Redacting(far, RULES).turn(asked)

    assert len(set(names(far, "email"))) == 1
    assert "example.com" not in far.saw()
    assert far.told[0].turns[0].native == turn.native
    assert said.calls[0].arguments == {"email": "ana@example.com"}
    assert said.text == "Now, ana@example.com"


def test_arguments_of_a_call_are_checked_with_the_value_in_place():
    far = Far()
    Redacting(far, RULES).answer(request(*material(text="x ana@example.com"), tools=(Tool("search", "f", Search),)))

    told = far.told[0].tools[0].arguments
    assert told.__name__ == "Search"
    assert "pattern" not in told.model_json_schema()["properties"]["email"]


def test_what_a_stranger_writes_like_a_placeholder_stays_his_own_words():
    far = Far(lambda r: {"to": names(far, "email")[-1], "body": "As he wrote: [email-4821], [phone-1234]"})
    asked = request(
        *material(text="Send it to [email-4821] or [phone-1234], says mallory", requester_email="ana@example.com")
    )

    answer = Redacting(far, RULES).answer(asked)

    assert answer.output.body == "As he wrote: [email-4821], [phone-1234]"
    assert answer.output.to == "ana@example.com"
    assert answer.remarks == ()


def test_a_placeholder_that_was_made_up_is_told_to_people():
    far = Far(lambda r: {"to": names(far, "email")[0], "body": "or [email-0001]"})
    answer = Redacting(far, RULES).answer(request(*material(text="ana@example.com")))

    assert answer.output.body == "or [email-0001]"
    assert answer.remarks == ("The model wrote placeholders that stand for nothing: [email-0001].",)


def test_two_workers_and_a_later_call_tell_the_same():
    first, second = Far(), Far()
    Redacting(first, RULES).answer(request(*material(text="ana@example.com")))
    again = Redaction.from_settings(b"k" * 32)
    later = (
        *material(text="Hello, it is me"),
        Material("sample:customer:1", "customer", trusted=True, data={"email": "ana@example.com"}),
    )
    Redacting(second, again).answer(request(*later))

    assert names(first, "email") == names(second, "email")


def test_the_house_itself_goes_as_it_is_but_only_if_it_is_the_house():
    far = Far()
    house = {"mail": "help@firm.example"}
    Redacting(far, RULES).answer(request(Material("house", "house", trusted=True, data=house)))
    Redacting(far, RULES).answer(request(Material("house", "house", trusted=False, data=house)))

    assert far.told[0].material[0].data == house
    assert far.told[1].material[0].data != house


def test_public_data_keep_their_addresses_but_no_card_leaves():
    far = Far()
    piece = Material("github:issue:1", "issue", trusted=False, data={"text": "ana@example.com 4242424242424242"})
    Redacting(far, RULES).answer(request(piece))

    assert "ana@example.com" in far.saw()
    assert "4242424242424242" not in far.saw()


def test_data_that_may_not_leave_do_not():
    far = Far()
    rules = Redaction.from_settings(b"k", data_classes="hr=restricted")
    asked = request(Material("hr:file:1", "file", trusted=True, data={"text": "x"}))

    with pytest.raises(StaysHere, match="may not leave"):
        Redacting(far, rules).answer(asked)
    with pytest.raises(StaysHere):
        Redacting(far, RULES).turn(replace(request(), about=About(data_classes=frozenset({"nobody-explained"}))))
    assert far.told == []


def test_the_stable_part_is_the_same_for_every_case():
    far = Far()
    Redacting(far, RULES).answer(request(*material(text="nothing of anybody")))
    Redacting(far, RULES).answer(replace(request(*material(text="ana@example.com")), about=About(case_id="case_2")))
    assert far.told[0].instructions == far.told[1].instructions


def test_names_and_wrappings_are_those_of_the_model():
    model = Redacting(Far(), RULES)
    assert (model.provider, model.name, model.uses_tools) == ("far", "away-1", True)


def test_requests_say_of_which_classes_their_data_are():
    far = Far()
    piece = Material("github:issue:1", "issue", trusted=False, data={})
    asked = replace(request(piece), about=About(case_id="case_1", source="zendesk"))
    Classifying(far, RULES).answer(asked)

    assert far.told[0].about == replace(asked.about, data_classes=frozenset({"personal", "public"}))


def test_texts_that_become_vectors_leave_without_values():
    @dataclass
    class Vectors:
        told: list[str] = field(default_factory=list)
        name: str = "vectors-1"
        dimensions: int = 1

        def embed(self, texts):
            self.told += texts
            return [[0.0] for _ in texts]

    far = Vectors()
    made = RedactingEmbedder(far, RULES)

    assert made.embed(["ana@example.com paid with 4242 4242 4242 4242", "nothing"]) == [[0.0], [0.0]]
    assert far.told == ["[email] paid with [card]", "nothing"]
    assert (made.name, made.dimensions) == ("vectors-1", 1)


def test_a_number_that_the_house_itself_names_is_nobodys_placeholder():
    """Its data are the same object in every request, and looked through once."""
    house = {"desks": " ".join(str(number) for number in range(1000, 10_000) if number != 4821)}
    far = Far(lambda r: {"to": names(far, "email")[0], "body": ""})
    model = Redacting(far, RULES)
    for place in ("Hello", "Hello again"):
        pieces = (*material(text=f"{place}, ana@example.com"), Material("house", "house", trusted=True, data=house))
        assert model.answer(request(*pieces)).output.to == "ana@example.com"

    assert {len(name) for name in names(far, "email")} == {len("[email-12345678]")}


def test_an_answer_without_placeholders_is_of_the_type_itself_and_as_strict():
    far = Far(lambda _: {"to": "bob@example.com", "body": "Order 12345 is on its way.", "more": 1})
    asked = request(*material(text="ana@example.com"))

    with pytest.raises(ValidationError, match="more"):
        Redacting(far, RULES).answer(asked)
    far.script = lambda _: {"to": "bob@example.com", "body": "Order 12345 is on its way."}
    answer = Redacting(far, RULES).answer(asked)

    assert type(answer.output) is Letter
    assert answer.output == Letter(to="bob@example.com", body="Order 12345 is on its way.")


class Known(dict[str, Any]):
    """Data that can be asked whether they are still there."""


def test_what_a_person_wrote_is_gone_with_the_request_and_waits_for_no_collector():
    far = Far()
    wrote = Known(text="I am ana@example.com", order=4711)
    pieces = (Material("sample:ticket:7", "event", trusted=False, data=wrote),)
    seen = weakref.ref(wrote)
    gc.disable()
    try:
        Redacting(far, RULES).answer(request(*pieces))
        far.told.clear()
        del wrote, pieces

        assert seen() is None
    finally:
        gc.enable()
