"""A thrown switch is looked at once more with the attempt itself: whatever came between, nothing goes out."""

from __future__ import annotations

import json

import pytest

from integrations.errors import Permanent, Temporary
from policies.loader import loads
from tests.integration.limits.house import a_day, asked, bundle, fresh, under, within
from tests.kit.died import Died
from workers import switchboard
from workers.store import switches
from workers.store.records import ActionState


def throw(engine, scope, reason="Something is odd"):
    with engine.system.db.write() as tx:
        switchboard.throw(tx, scope, reason=reason, actor="person:ana", now=engine.clock())


def release(engine, scope):
    with engine.system.db.write() as tx:
        assert switchboard.release(tx, scope, reason="", actor="person:ana", now=engine.clock())
    engine.system.switchboard.forget()


@pytest.mark.parametrize("scope", ["all", "domain:support", "action:refund_payment", "vendor:house"])
def test_released_it_goes_on_at_once_and_not_at_its_next_look(engine, scope):
    under(engine, within(a_day()))
    action = asked(engine, 500, "1")
    throw(engine, scope)
    engine.drain()
    assert engine.house.effects == []
    assert fresh(engine, action).waiting_for == f"Held by the switch “{scope}”: Something is odd"

    release(engine, scope)
    engine.sweep()

    assert engine.house.done("refund") == [500]


@pytest.mark.parametrize("scope", ["domain:transactions", "action:add_tags", "vendor:stripe", "rule:house/other"])
def test_a_switch_for_something_else_holds_nothing(engine, scope):
    under(engine, within(a_day()))
    throw(engine, scope)
    asked(engine, 500, "1")

    engine.drain()

    assert engine.house.done("refund") == [500]


def test_thrown_while_the_target_is_looked_at_it_still_holds(engine):
    """The target's version is read between the first look at the switches and the attempt."""
    under(engine, within(a_day()))
    action = asked(engine, 500, "")  # on the very charge that was gathered, so its version is read again
    looked = engine.house.version

    def version(ref):
        engine.house.version = looked
        throw(engine, "vendor:house")
        return looked(ref)

    engine.house.version = version
    engine.drain()

    assert engine.house.version == looked, "the version was not read"
    assert engine.house.effects == []
    held = fresh(engine, action)
    assert (held.state, held.tries) == (ActionState.APPROVED, 0)
    assert "vendor:house" in held.waiting_for


def test_what_may_have_been_done_is_not_sent_again_while_it_is_thrown(engine):
    under(engine, within(a_day()))
    action = asked(engine, 500, "1")
    engine.house.before.append(Died())
    with pytest.raises(Died):
        engine.drain()
    throw(engine, "all")
    engine.clock.on(minutes=5)
    engine.sweep()
    assert engine.house.effects == []
    assert fresh(engine, action).state == ActionState.EXECUTING

    release(engine, "all")
    engine.sweep()

    assert engine.house.done("refund") == [500]


def test_between_two_tries_it_holds_too(engine):
    under(engine, within(a_day()))
    action = asked(engine, 500, "1")
    from_vendor = Permanent("never seen")
    engine.house.before += [Temporary("Busy."), from_vendor]
    engine.drain()
    throw(engine, "all")
    engine.clock.on(minutes=5)
    engine.sweep()

    assert engine.house.before == [from_vendor], "it was asked again"
    assert "Held by" in fresh(engine, action).waiting_for


def test_a_suspended_rule_sends_what_it_allowed_to_people(engine):
    under(engine, within(a_day()))
    action = asked(engine, 500, "1")
    throw(engine, "rule:house/pay", "Too many were taken back")

    engine.drain()

    now = fresh(engine, action)
    assert engine.house.effects == []
    assert (now.state, now.revision) == (ActionState.PENDING, 2)
    assert engine.decide(now).state == ActionState.APPROVED
    engine.clock.on(minutes=5)
    engine.sweep()
    assert engine.house.done("refund") == [500], "what people said yes to does not rest on the rule"


@pytest.fixture
def heard(engine):
    """A refund that one rule allows and another makes heard, decided and not begun."""
    made = bundle(a_day())
    made["rules"].append({**made["rules"][0], "id": "loud", "outcome": "notify"})
    under(engine, loads({"house.yaml": json.dumps(made)}, run_tests=False))
    return asked(engine, 500, "1")


def test_what_is_allowed_and_heard_rests_on_the_rule_that_allowed_it(engine, heard):
    assert heard.verdict["rules"] == ["house/loud"]
    throw(engine, "rule:house/pay", "Too many were taken back")

    engine.drain()

    assert engine.house.effects == []
    assert fresh(engine, heard).state == ActionState.PENDING


def test_a_switch_on_the_rule_that_makes_it_heard_stops_nothing(engine, heard):
    throw(engine, "rule:house/loud")

    engine.drain()

    assert engine.house.done("refund") == [500]
    assert fresh(engine, heard).revision == 1


def test_of_many_the_one_that_stops_is_told_before_one_that_suspends(engine):
    throw(engine, "rule:house/pay")
    throw(engine, "vendor:house")

    with engine.system.db.read() as tx:
        assert switches.thrown(tx, ["rule:house/pay", "vendor:house"]).scope == "vendor:house"
