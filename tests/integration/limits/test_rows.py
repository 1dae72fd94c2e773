"""What an action holds of several limits is one row as far as may be, and counts, leaves and is given back as if each had its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, text, update

from policies.types import Use
from tests.integration.limits.house import asked, under, within
from tests.integration.limits.reading import agree, read
from tests.integration.limits.spending import ALL, EUROS, START, decision
from tests.kit.engine import make_engine
from workers import conclusion
from workers.limits.reserving import reserve
from workers.renewal import judge_again
from workers.store import actions, limit_cleanup, limit_rows, limits
from workers.store.limit_shares import STANDING, shares_of
from workers.store.limit_tables import limit_counters, limit_holds
from workers.store.records import ActionState

CUSTOMERS = {"id": "of-a-customer", "per": ["customer"], "window_minutes": 1440, "max_count": 3, "over": "review"}
EUROS_A_DAY = {"id": "a-day", "per": ["domain"], "window_minutes": 1440, "max_minor": 10_000, "currency": "EUR"} | {
    "over": "review"
}
IN_BULK = {"id": "in-bulk", "per": ["domain"], "window_minutes": 10, "max_count": 3, "over": "review"}
REFS = {"house/of-a-customer": 0, "house/a-day": 3_000, "house/in-bulk": 0}


@pytest.fixture
def house(engine):
    return under(engine, within(CUSTOMERS, EUROS_A_DAY, IN_BULK))


def rows(engine):
    with engine.system.db.read() as tx:
        return tx.execute(select(limit_holds)).all()


def shares(engine, action=None):
    with engine.system.db.read() as tx:
        assert agree(tx)
        return [one for one in read(tx) if action is None or one.action_id == action.id]


def become(engine, action, state):
    with engine.system.db.write() as tx:
        actions.change(tx, action, now=engine.clock(), state=state, settled_at=engine.clock())


def tidy(engine, **later):
    engine.clock.on(**later)
    for _ in range(20):
        with engine.system.db.write() as tx:
            if not limit_cleanup.tidy(tx, engine.clock(), 100):
                return
    raise AssertionError("it does not come to an end")


def as_before(engine):
    """Every row as the version before wrote it: one for each limit; and nothing said of any counter."""
    with engine.system.db.write() as tx:
        found = read(tx)
        tx.execute(delete(limit_holds))
        given = ("counter", "minor", "at", "leaves_at", "action_id")
        tx.execute(insert(limit_holds), [{name: getattr(one, name) for name in given} for one in found])
        tx.execute(update(limit_counters).values(wide=None))


@pytest.mark.parametrize("way", ["straight", "long"])
def test_what_an_action_holds_of_three_limits_is_one_row(house, way, monkeypatch):
    if way == "long":
        monkeypatch.setattr(conclusion, "_store_and_reserve", lambda *_: None)

    first, second = asked(house, 3_000, "1"), asked(house, 3_000, "2")

    for action in (first, second):
        held = shares(house, action)
        assert {one.limit_ref: one.minor for one in held} == REFS
        assert {one.limit_ref: (one.leaves_at - one.at) / timedelta(minutes=1) for one in held} == {
            "house/of-a-customer": 1440,
            "house/a-day": 1440,
            "house/in-bulk": 10,
        }
    assert len(rows(house)) == 2
    led_by = {row.counter for row in rows(house)}
    assert {one.limit_ref for one in shares(house) if one.counter in led_by} == {"house/of-a-customer"}


def test_each_narrow_limit_leads_a_row_of_its_own(engine):
    brief = {**CUSTOMERS, "id": "brief", "window_minutes": 5}
    under(engine, within(CUSTOMERS, brief, IN_BULK))

    asked(engine, 1_000, "1")

    (day, minutes) = sorted(rows(engine), key=lambda row: row.leaves_at, reverse=True)
    assert (len(day.more), minutes.more) == (3, None)
    assert {one.limit_ref for one in shares(engine)} == {"house/of-a-customer", "house/brief", "house/in-bulk"}


def test_a_wide_limit_is_met_exactly_over_rows_that_others_lead(house):
    states = [asked(house, 3_000, str(number)).state for number in range(4)]
    assert states == [ActionState.APPROVED] * 3 + [ActionState.PENDING]

    house.clock.on(minutes=11)
    refused = asked(house, 1_001, "5")

    assert refused.state == ActionState.PENDING
    assert "90.00 EUR of 100.00 EUR used" in " ".join(refused.verdict["reasons"])


def test_what_failed_is_given_back_to_every_limit(house):
    acted = [asked(house, 3_000, str(number)) for number in range(3)]
    assert asked(house, 3_000, "4").state == ActionState.PENDING

    become(house, acted[0], ActionState.FAILED)

    assert asked(house, 3_000, "5").state == ActionState.APPROVED
    tidy(house, hours=25)
    assert {one.action_id for one in shares(house)}.isdisjoint({acted[0].id})


def test_what_rides_along_leaves_its_window_by_itself(house):
    action = asked(house, 3_000, "1")
    become(house, action, ActionState.DONE)

    tidy(house, minutes=11)
    assert {one.limit_ref for one in shares(house, action)} == {"house/of-a-customer", "house/a-day"}

    tidy(house, hours=24)
    assert rows(house) == []
    assert shares(house) == []


def test_one_that_leaves_before_what_rides_along_hands_the_row_on(engine):
    under(engine, within({**CUSTOMERS, "window_minutes": 5}, EUROS_A_DAY))
    action = asked(engine, 6_000, "1")
    become(engine, action, ActionState.DONE)

    tidy(engine, minutes=6)

    (left,) = rows(engine)
    assert (left.minor, left.more, left.leaves_at - left.at) == (6_000, None, timedelta(days=1))
    assert asked(engine, 6_000, "2").state == ActionState.PENDING
    tidy(engine, hours=24)
    assert asked(engine, 6_000, "3").state == ActionState.APPROVED


def test_rows_as_they_were_before_count_on_beside_the_others(house):
    first = asked(house, 3_000, "1")
    as_before(house)
    assert len(rows(house)) == 3

    second, third = asked(house, 3_000, "2"), asked(house, 4_001, "3")

    assert (second.state, third.state) == (ActionState.APPROVED, ActionState.PENDING)
    assert {one.limit_ref: one.minor for one in shares(house, first)} == REFS
    assert len(rows(house)) == 4


def test_rows_as_they_were_before_are_given_back_and_leave(house):
    failed, done, dropped = (asked(house, 3_000, str(number)) for number in range(3))
    as_before(house)
    assert asked(house, 3_000, "4").state == ActionState.PENDING

    become(house, failed, ActionState.FAILED)
    become(house, done, ActionState.DONE)
    with house.system.db.write() as tx:
        limits.drop(tx, dropped.id)

    assert shares(house, dropped) == []
    assert asked(house, 3_000, "5").state == ActionState.APPROVED
    tidy(house, minutes=11)
    assert {one.limit_ref for one in shares(house, done)} == {"house/of-a-customer", "house/a-day"}
    tidy(house, hours=25)
    assert (shares(house, done), shares(house, failed)) == ([], [])


def test_what_is_held_anew_since_it_was_read_stays(house):
    """The sweeper reads what is over before it takes the turns."""
    action = asked(house, 3_000, "1")
    with house.system.db.read() as tx:
        before = [share for row in tx.execute(STANDING).all() for share in shares_of(row)]
    house.clock.on(minutes=1)
    assert judge_again(house.system, action)
    held = shares(house, action)

    with house.system.db.write() as tx:
        limit_rows.take_known(tx, (share.counter for share in before))
        assert not limit_rows.remove(tx, before, waiting=False)

    assert len(before) == len(held) == 3
    assert shares(house, action) == held


def test_all_that_an_action_holds_counts_from_when_it_was_done_once_its_case_leaves(house):
    action = asked(house, 3_000, "1")
    house.clock.on(hours=2)
    become(house, action, ActionState.DONE)
    done = house.clock()

    with house.system.db.write() as tx:
        limit_cleanup.wind_up(tx, [action.case_id])

    assert {one.limit_ref: one.leaves_at for one in shares(house, action)} == {
        "house/of-a-customer": done + timedelta(days=1),
        "house/a-day": done + timedelta(days=1),
        "house/in-bulk": done + timedelta(minutes=10),
    }


def test_what_came_to_nothing_does_not_count_again_once_its_case_leaves(house):
    """Without the action's row nobody could tell it from what was done."""
    action = asked(house, 3_000, "1")
    become(house, action, ActionState.FAILED)

    with house.system.db.write() as tx:
        limit_cleanup.wind_up(tx, [action.case_id])

    assert shares(house, action) == []


def test_all_that_goes_on_counting_of_an_erased_customer_does_so_under_another_name(house):
    action = asked(house, 3_000, "1")
    become(house, action, ActionState.DONE)
    house.clock.on(minutes=12)

    with house.system.db.write() as tx:
        limit_cleanup.forget(tx, [action.case_id], house.clock())

    assert shares(house, action) == []
    left = shares(house)
    assert {one.limit_ref for one in left} == {"house/of-a-customer", "house/a-day"}
    assert {one.action_id.partition("_")[0] for one in left} == {"use"}
    assert {one.leaves_at - one.at for one in left} == {timedelta(days=1)}


@pytest.fixture
def far_away(on_postgresql, tmp_path):
    made = make_engine(tmp_path, url=on_postgresql)
    yield made
    made.system.close()


def test_a_counter_that_came_after_it_was_looked_for_is_no_obstacle(far_away, monkeypatch):
    """Two first refunds at one moment: the second had found no row, and there is one now."""
    engine = under(far_away, within(CUSTOMERS, EUROS_A_DAY))
    fits, others = conclusion.as_it_fits, iter("2")

    def overtaken(*given):
        judged = fits(*given)
        for ticket in others:
            asked(engine, 3_000, ticket)
        return judged

    monkeypatch.setattr(conclusion, "as_it_fits", overtaken)
    asked(engine, 3_000, "1")

    assert sorted(one.minor for one in shares(engine)) == [0, 0, 3_000, 3_000]


def test_a_counter_that_went_after_it_was_looked_for_is_no_obstacle(far_away, monkeypatch):
    engine = under(far_away, within(CUSTOMERS, EUROS_A_DAY))
    become(engine, asked(engine, 3_000, "1"), ActionState.FAILED)
    engine.clock.on(hours=25)
    fits = conclusion.as_it_fits

    def overtaken(*given):
        judged = fits(*given)
        tidy(engine)
        assert rows(engine) == []
        return judged

    monkeypatch.setattr(conclusion, "as_it_fits", overtaken)

    second = asked(engine, 3_000, "2")

    assert second.state == ActionState.APPROVED
    assert {one.action_id for one in shares(engine)} == {second.id}


def test_who_meets_a_limit_waits_for_nobody_who_is_at_a_row_for_another(far_away):
    """What is over in such a row is left where it is: it counts for nothing, and is dropped another time."""
    db, three = far_away.system.db, replace(ALL, max_count=1)
    uses = (Use(EUROS, f"{EUROS.ref}:ana", 500), Use(three, three.ref, 500))
    with db.write() as tx:
        reserve(tx, [("act_gone", decision(*uses))], now=START, once=True)
    later = START + timedelta(minutes=11)

    with db.write() as other, db.write() as tx:
        other.execute(select(limit_holds).with_for_update()).all()
        tx.execute(text("SET LOCAL lock_timeout = '20s'"))
        (record,) = reserve(tx, [("act_new", decision(*uses))], now=later, once=True)

    assert [one.held for one in record.reserved] == [True, True]
    with db.write() as tx:
        limit_cleanup.tidy(tx, later, 100)
    with db.read() as tx:
        assert agree(tx)
        assert {one.action_id for one in read(tx)} == {"act_new"}
