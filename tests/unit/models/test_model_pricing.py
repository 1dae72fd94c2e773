"""The price of a call is what the price list's own library makes of it, whichever way it is worked out."""

from __future__ import annotations

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot

from integrations.models.anthropic import messages
from integrations.models.conversation import Counts
from integrations.models.openai import chat
from integrations.models.pricing import price

SELLERS = ("anthropic", "openai", "google", "mistral", "deepseek", "x-ai", "groq")
COUNTS = (
    Counts(),
    Counts(plain=1200, output=340),
    Counts(plain=1, output=1, read=90_001, written=7),
    Counts(plain=3, output=800, read=150_000, written=50_000),
    Counts(plain=3, output=800, read=150_000, written=60_000),
    Counts(output=12, read=5),
    Counts(plain=999_999, written=1),
)


def by_the_library(model: str, counts: Counts, provider: str):
    usage = genai_prices.Usage(
        input_tokens=counts.plain + counts.read + counts.written,
        output_tokens=counts.output,
        cache_read_tokens=counts.read,
        cache_write_tokens=counts.written,
    )
    return genai_prices.calc_price(usage, model, provider_id=provider).total_price


def listed() -> list[tuple[str, str]]:
    """Those that are found under their own name: some are listed for others to be matched with."""
    sellers = [one for one in get_snapshot().providers if one.id in SELLERS]
    return [(one.id, model.id) for one in sellers for model in one.models if one.find_model(model.id) is not None]


@pytest.mark.parametrize("counts", COUNTS, ids=repr)
def test_every_listed_model_costs_what_the_library_says(counts):
    models = listed()

    wrong = [
        (provider, model)
        for provider, model in models
        if price(model, counts, provider=provider) != by_the_library(model, counts, provider)
    ]

    assert len(models) > 100
    assert wrong == []


def test_a_model_that_nobody_lists_has_no_price():
    assert price("no-such-model", Counts(plain=1), provider="anthropic") is None
    assert price("claude-sonnet-4-5", Counts(plain=1), address="https://nobody.example/v1") is None


@pytest.mark.parametrize("none", [-1, None, 0])
def test_what_a_service_says_that_it_did_not_count_is_counted_as_nothing(none):
    whole = messages.Message.model_validate(
        {"model": "m", "content": [], "usage": {"input_tokens": none, "output_tokens": none}}
    )
    told = {"prompt_tokens": none, "completion_tokens": none, "prompt_tokens_details": {"cached_tokens": none}}
    other = chat.Completion.model_validate({"choices": [{"message": {}}], "usage": told})

    assert whole.reply(None).counts == other.reply(None, "m", 0).counts == Counts()
