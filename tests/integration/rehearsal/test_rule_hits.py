"""Each action counts once for each rule that matched it, however often and by how many it is counted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.engine import tags
from workers.rehearsal import hits
from workers.store import rule_hits
from workers.store.decided import Kept
from workers.store.rule_hits import Hits


def drafted(engine, number, *drafts):
    engine.model.drafts = [list(drafts) or [tags()]]
    engine.event(delivery=f"d{number}", ticket=str(number))
    engine.drain()
    return engine.actions()[0]


def told(engine, days=30):
    with engine.system.db.read() as tx:
        return hits.lately(tx, engine.clock(), days)[0]


def of(engine, action):
    """Days of the rule that decided this action."""
    return [day for day in told(engine) if day.rule == action.verdict["rules"][0]]


def test_what_was_decided_just_now_is_shown_before_it_is_counted(engine):
    action = drafted(engine, 1)

    (day,) = of(engine, action)

    assert (day.matched, day.decided, day.actions) == (1, 1, [action.id])
    assert hits.follow(engine.system.db, engine.clock()) == 0


def test_each_action_counts_once_however_often_it_is_counted(engine):
    first, second = drafted(engine, 1), drafted(engine, 2)
    engine.clock.on(minutes=6)

    assert hits.follow(engine.system.db, engine.clock()) == 2
    assert hits.follow(engine.system.db, engine.clock()) == 0
    third = drafted(engine, 3)
    engine.clock.on(minutes=6)
    assert hits.follow(engine.system.db, engine.clock()) == 1

    (day,) = of(engine, first)
    assert (day.matched, day.actions) == (3, [third.id, second.id, first.id])


def test_days_are_told_apart_and_old_ones_left_out(engine):
    old = drafted(engine, 1)
    engine.clock.on(days=2)
    drafted(engine, 2)
    engine.clock.on(minutes=6)
    hits.follow(engine.system.db, engine.clock())

    assert [day.matched for day in of(engine, old)] == [1, 1]
    engine.clock.on(days=29)
    assert [day.matched for day in of(engine, old)] == [1]


def test_of_two_who_count_at_once_one_does(engine):
    counted = {("a/b", "2026-11-20"): Hits(1, 1, ["act_1"], engine.clock())}

    with engine.system.db.write() as tx:
        assert rule_hits.add(tx, counted, was="", now_at="act_1", now=engine.clock())
    with engine.system.db.write() as tx:
        assert not rule_hits.add(tx, counted, was="", now_at="act_1", now=engine.clock())

    with engine.system.db.read() as tx:
        assert [day.matched for day in rule_hits.since(tx, "2026-11-20")] == [1]


def test_only_the_last_few_actions_are_named(engine):
    for number in range(3):
        names = [f"act_{number}{place}" for place in range(6)]
        counted = {("a/b", "2026-11-20"): Hits(6, 0, names, engine.clock())}
        with engine.system.db.write() as tx:
            was = rule_hits.mark(tx)
            assert rule_hits.add(tx, counted, was=was, now_at=names[-1], now=engine.clock())

    with engine.system.db.read() as tx:
        (day,) = rule_hits.since(tx, "2026-11-20")
    assert day.matched == 18
    assert day.actions == [
        "act_25",
        "act_24",
        "act_23",
        "act_22",
        "act_21",
        "act_20",
        "act_15",
        "act_14",
        "act_13",
        "act_12",
    ]


@pytest.mark.parametrize("record", ["{}", "[]", "nothing", '{"answers": [{}], "rules": []}'])
def test_a_record_that_is_none_matches_nothing(record):
    assert hits.count([Kept("act_1", 1, "agent:support", None, record)]) == {}


def test_counting_stops_when_it_is_told_to(engine):
    drafted(engine, 1)

    assert hits.follow(engine.system.db, engine.clock() + timedelta(hours=1), go_on=lambda: False) == 0
