"""The values that a message mentions, as agents keep them: part of a triage's output type.

They prove what was written, never that it is true: an amount or an order number from a message is compared with the
company's records before anything is done with it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AmountMention(BaseModel):
    """An amount of money in minor units of an ISO 4217 currency: ``40,00 €`` is 4000 EUR."""

    model_config = ConfigDict(frozen=True)

    amount_minor: int
    currency: str


class Entities(BaseModel):
    """Every list is in the order of first mention, without repetitions."""

    model_config = ConfigDict(frozen=True)

    order_numbers: list[str] = Field(default_factory=list)
    charge_ids: list[str] = Field(default_factory=list)
    emails: list[str] = Field(default_factory=list)
    #: ISO 8601 calendar dates
    dates: list[str] = Field(default_factory=list)
    tracking_numbers: list[str] = Field(default_factory=list)
    amounts: list[AmountMention] = Field(default_factory=list)
    urls: list[str] = Field(default_factory=list)
