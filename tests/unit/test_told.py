"""A report says who decided in words, also where it was no rule's own answer."""

from __future__ import annotations

import pytest

from workers.rehearsal.told import decided_by


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (["support/refund-medium"], "support/refund-medium"),
        (["platform/a", "support/b"], "platform/a, support/b"),
        # As when a cap refuses, or a sample has somebody look.
        ([], "an obligation or a default"),
    ],
)
def test_what_decided_is_named(rules: list[str], said: str) -> None:
    assert decided_by(rules) == said
