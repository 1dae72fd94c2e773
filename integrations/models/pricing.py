"""What tokens cost in US dollars, by the price list of `genai_prices`. The providers' clients call it; it guesses nothing."""

from __future__ import annotations

from decimal import Decimal

import genai_prices

from integrations.models.conversation import Counts


def price(
    model: str, counts: Counts, *, provider: str | None = None, address: str | None = None, batch: bool = False
) -> Decimal | None:
    """The price of one call, None where nobody lists it.

    The seller is named, or found by the `address` of its service. The list counts cached tokens among the input. A
    `batch` costs what the list says for it, and the full price where it says nothing.
    """
    usage = genai_prices.Usage(
        input_tokens=counts.plain + counts.read + counts.written,
        output_tokens=counts.output,
        cache_read_tokens=counts.read,
        cache_write_tokens=counts.written,
    )
    context = {"processing": "batch"} if batch else None
    try:
        if address is not None:
            found = genai_prices.calc_price(usage, model, provider_api_url=address, price_context=context)
        else:
            found = genai_prices.calc_price(usage, model, provider_id=provider, price_context=context)
    except LookupError:
        return None
    return found.total_price
