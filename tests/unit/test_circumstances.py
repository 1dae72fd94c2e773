"""What holds for every action of a house is stated, also where there is nothing to tell."""

from __future__ import annotations

from datetime import UTC, datetime

from workers.circumstances import ORDINARY, Circumstances
from workers.store.records import Switch

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def thrown(scope: str) -> Switch:
    return Switch(scope=scope, reason="Look.", actor="person:ana@firm.example", thrown_at=NOON)


def test_switches_are_stated_also_where_none_is_thrown() -> None:
    assert ORDINARY.facts("support", "add_tags", "house", now=NOON)["thrown_switches"] == []


def test_switches_that_are_thrown_for_others_are_none_for_this_action() -> None:
    around = Circumstances(thrown=(thrown("domain:content"), thrown("vendor:house")))

    stated = around.facts("support", "add_tags", "house", now=NOON)

    assert stated["thrown_switches"] == ["vendor:house"]
