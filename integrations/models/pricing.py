"""What tokens cost in US dollars, by the price list of `genai_prices`. The providers' clients call it; it guesses nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import genai_prices
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, calc_unit_price

from integrations.models.conversation import Counts

_PER: Final = 1_000_000


def price(
    model: str, counts: Counts, *, provider: str | None = None, address: str | None = None, batch: bool = False
) -> Decimal | None:
    """The price of one call, None where nobody lists it.

    The seller is named, or found by the `address` of its service. The list counts cached tokens among the input. A
    `batch` costs what the list says for it, and the full price where it says nothing.
    """
    seller = None if address is not None else provider
    try:
        if not batch:
            _, found = get_snapshot().find_provider_model(model, None, seller, address)
            quick = _plainly(found.get_prices(datetime.now(UTC)), counts)
            if quick is not None:
                return quick
        return _by_the_library(model, counts, seller, address, batch=batch)
    except LookupError:
        return None


def _plainly(listed: ModelPrice, counts: Counts) -> Decimal | None:
    """A sum of four products, where the list names a price for each kind of token that was used; else None.

    The library looks first at every unit that it knows of, which took it longer than all else that is done with an answer.
    """
    whole = counts.plain + counts.read + counts.written
    total = Decimal(0)
    for each, count in (
        (listed.input_mtok, counts.plain),
        (listed.output_mtok, counts.output),
        (listed.cache_read_mtok, counts.read),
        (listed.cache_write_mtok, counts.written),
    ):
        if not count:
            continue
        if count < 0 or each is None:
            return None
        total += each * count / _PER if type(each) is Decimal else calc_unit_price(each, count, whole, _PER)
    return total


def _by_the_library(model: str, counts: Counts, provider: str | None, address: str | None, *, batch: bool) -> Decimal:
    usage = genai_prices.Usage(
        input_tokens=counts.plain + counts.read + counts.written,
        output_tokens=counts.output,
        cache_read_tokens=counts.read,
        cache_write_tokens=counts.written,
    )
    context = {"processing": "batch"} if batch else None
    if address is not None:
        found = genai_prices.calc_price(usage, model, provider_api_url=address, price_context=context)
    else:
        found = genai_prices.calc_price(usage, model, provider_id=provider, price_context=context)
    return found.total_price
