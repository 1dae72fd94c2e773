"""The shipped examples: well formed, reproducible, and good enough for the figures that docs/models.md states.

Texts in `tests/fixtures/models` were written apart from the examples and are never trained on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from integrations.models.base import Material, ModelRequest
from integrations.models.concepts import concepts
from integrations.models.evaluation import Labelled, evaluate
from integrations.models.examples import generate
from integrations.models.language import detect
from integrations.models.local import EXAMPLES, LocalModel

WRITTEN = [
    json.loads(line)
    for line in Path("tests/fixtures/models/support_messages.jsonl").read_text(encoding="utf-8").splitlines()
]
LABELS = {
    "support": {
        "intent": "refund_request order_status damaged_item wrong_item cancel_order change_address billing_question duplicate_charge "
        "account_access product_question complaint praise legal_threat data_request other",
        "sentiment": "very_negative negative neutral positive very_positive",
        "urgency": "urgent high normal low",
    },
    "transactions": {
        "typology": "card_testing stolen_card account_takeover friendly_fraud refund_abuse watch_list_hit unusual_but_legit",
        "review_level": "probable_false_positive investigate escalate",
    },
    "content": {
        "request_type": "new refresh translate social other",
        "search_intent": "informational commercial transactional navigational",
    },
}


def lines(domain):
    return [json.loads(line) for line in (EXAMPLES / f"{domain}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("domain", LABELS)
def test_every_line_has_a_text_and_known_labels_and_every_label_has_lines(domain):
    rows = lines(domain)

    for place, (field, names) in enumerate(LABELS[domain].items()):
        assert {row[field] for row in rows} == set(names.split())
        assert all(isinstance(row["groups"][place], int) for row in rows)
    assert all(row["text"].strip() and row.keys() == {"text", "groups", *LABELS[domain]} for row in rows)
    assert (EXAMPLES / f"{domain}.jsonl").stat().st_size < 300_000


@pytest.mark.parametrize("domain", LABELS)
def test_the_seeds_give_exactly_the_shipped_lines(domain):
    made = [json.loads(line) for line in generate.lines(getattr(generate, domain)())]

    assert made == lines(domain)


def test_the_written_texts_are_not_among_the_examples():
    taught = {row["text"].casefold() for row in lines("support")}

    assert not taught & {row["text"].casefold() for row in WRITTEN}


@pytest.mark.parametrize(
    ("domain", "field", "accuracy", "calibration"),
    [
        ("support", "intent", 0.82, 0.08),
        ("support", "sentiment", 0.74, 0.08),
        ("support", "urgency", 0.76, 0.08),
        ("transactions", "typology", 0.84, 0.12),
        ("transactions", "review_level", 0.74, 0.14),
        ("content", "request_type", 0.89, 0.08),
        ("content", "search_intent", 0.86, 0.08),
    ],
)
def test_sentences_that_were_held_out_are_understood_and_confidence_is_honest(domain, field, accuracy, calibration):
    place = list(LABELS[domain]).index(field)
    rows = [
        Labelled(row["text"], row[field], str(row["groups"][place]), tuple(concepts(domain, row["text"])))
        for row in lines(domain)
    ]

    found = evaluate(rows, cross_validate=True)

    assert found.accuracy >= accuracy
    assert found.calibration_error <= calibration


class Support(BaseModel):
    intent: Literal[tuple(LABELS["support"]["intent"].split())]
    sentiment: Literal[tuple(LABELS["support"]["sentiment"].split())]
    urgency: Literal[tuple(LABELS["support"]["urgency"].split())]
    language: str
    confidence: dict[str, float]
    abstain: bool


@pytest.fixture(scope="module")
def model():
    return LocalModel()


@pytest.fixture(scope="module")
def answers(model):
    requests = [
        ModelRequest(
            "support", "triage", "", (Material("e", "event", trusted=False, data={"text": row["text"]}),), Support
        )
        for row in WRITTEN
    ]
    return [model.answer(request).output for request in requests]


@pytest.mark.parametrize(
    ("field", "share"), [("intent", 0.85), ("sentiment", 0.78), ("urgency", 0.78), ("language", 0.98)]
)
def test_messages_that_nobody_taught_are_sorted_as_a_person_would(answers, field, share):
    right = [getattr(answer, field) == row[field] for answer, row in zip(answers, WRITTEN, strict=True)]

    assert sum(right) / len(right) >= share


def test_where_it_does_not_abstain_it_is_nearly_always_right(answers):
    taken = [(answer, row) for answer, row in zip(answers, WRITTEN, strict=True) if not answer.abstain]

    assert len(taken) / len(WRITTEN) >= 0.8
    assert sum(answer.intent == row["intent"] for answer, row in taken) / len(taken) >= 0.93


@pytest.mark.parametrize(
    "text", ["qwzz xkcd brrr", "12345", "Sdílený účet je zablokovaný", "banana helicopter quantum"]
)
def test_what_has_nothing_to_do_with_a_shop_is_left_to_a_person(model, text):
    request = ModelRequest(
        "support", "triage", "", (Material("e", "event", trusted=False, data={"text": text}),), Support
    )

    assert model.answer(request).output.abstain is True


def test_the_language_of_every_example_can_be_told():
    texts = [row["text"] for row in lines("support") if len(row["text"]) > 60]

    assert sum(detect(text).code != "und" for text in texts) / len(texts) > 0.99
