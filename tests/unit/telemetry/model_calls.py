"""A model that answers or raises as told, and what its answers used."""

from __future__ import annotations

from decimal import Decimal

from integrations.models.base import Material, ModelRequest, Usage


def usage(**changed):
    values = {
        "provider": "anthropic",
        "model": "m-1",
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "latency_ms": 250,
        "cost_usd": Decimal("0.0125"),
        "request_id": None,
        "stop_reason": "end_turn",
    }
    return Usage(**{**values, **changed})


class Model:
    """A model that answers or raises as told."""

    provider = "anthropic"
    name = "m-2"

    def __init__(self, outcome):
        self.outcome = outcome

    def answer(self, request):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


REQUEST = ModelRequest(
    domain="support", task="triage", instructions="", material=(Material("r", "t", False, {}),), output=object
)
