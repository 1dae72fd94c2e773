"""A case of support with four decisions, for what looks back at them."""

from __future__ import annotations

import pytest

from tests.kit.engine import escalate, refund, reply, tags


@pytest.fixture
def made(engine):
    engine.model.drafts = [[refund(), reply(), escalate(), tags()]]
    engine.event()
    engine.drain()
    return engine
