"""What a setting may be is said at the start, not by what breaks later."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from workers.settings import Settings

#: times that are added to now, or taken from it
LENGTHS = (
    "lease_seconds",
    "decide_within_days",
    "session_hours",
    "quarantine_hours",
    "memory_outcome_days",
    "memory_decision_days",
    "memory_preference_days",
    "memory_claim_days",
)


@pytest.mark.parametrize("name", LENGTHS)
def test_a_time_beyond_all_dates_is_refused_by_name(name):
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{name: 10_000_000})
