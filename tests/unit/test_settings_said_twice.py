"""A setting that lists what holds for whom names each once: of two the last would hold, and nobody would hear of the other."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from workers.settings import Settings


@pytest.mark.parametrize(
    "said",
    [
        {"vendor_limits": "zendesk=10/s,stripe=25/s, zendesk = 400/min"},
        {"budget_domain_usd": "support=20, content=5,support=5"},
    ],
    ids=lambda said: next(iter(said)),
)
def test_what_is_said_twice_is_refused(said):
    with pytest.raises(ValidationError, match=r"(zendesk|support) stands here twice"):
        Settings(_env_file=None, **said)


@pytest.mark.parametrize(
    "said",
    [
        {"vendor_limits": "zendesk=10/s, stripe=25/s,"},
        {"vendor_limits": ""},
        {"budget_domain_usd": "20"},
        {"budget_domain_usd": "support=20,content=20"},
    ],
    ids=str,
)
def test_what_is_said_once_is_taken(said):
    assert Settings(_env_file=None, **said)
