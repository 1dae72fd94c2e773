"""What becomes of an attempt that nobody saw the end of: stopped in the middle, looked up, waited for by the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from integrations.errors import LeftAlone, Temporary
from tests.integration.limits.house import within
from tests.kit.died import Died
from tests.kit.engine import reply
from workers.actions.digest import row_digest
from workers.execute import carry_out
from workers.ledger import MOST_TRIES
from workers.store import actions
from workers.store.records import ActionState, CaseState


@pytest.fixture
def approved(engine):
    """A reply, of which can be looked whether it is there, approved and not begun; to a ticket of which nobody tells the version."""
    engine.house.version = lambda _ref: ""
    engine.model.drafts = [[reply()]]
    engine.event()
    engine.drain()
    engine.decide(engine.action("reply_to_customer"))
    engine.hints.waiting.clear()
    return engine.action("reply_to_customer")


def attempts(engine, action):
    with engine.system.db.read() as tx:
        return [attempt.outcome for attempt in actions.attempts_of(tx, action.id)]


@pytest.mark.parametrize(("lease", "dead_after"), [(60, 600.0), (1, 4.0)])
def test_who_lost_the_lease_between_attempt_and_call_does_not_send(engine, approved, lease, dead_after):
    """Stopped for longer than the lease and shorter than it takes to be taken for dead: another one has done it."""
    settings = engine.system.settings.model_copy(update={"lease_seconds": lease, "dead_after_seconds": dead_after})
    engine.system = replace(engine.system, settings=settings)
    others = [lambda: (engine.clock.on(seconds=lease + 0.5), engine.sweep())]

    def stopped_once_it_is_begun():
        if others and engine.action("reply_to_customer").state == ActionState.EXECUTING:
            others.pop()()
        return engine.clock().timestamp()

    stopped = replace(engine.system, monotonic=stopped_once_it_is_begun, worker="test:2")
    carry_out(stopped, engine.writers, approved.id)

    assert not others
    assert len(engine.house.done("reply")) == 1
    assert engine.action("reply_to_customer").state == ActionState.DONE


def die_in_the_middle(engine, *, done=False):
    (engine.house.after if done else engine.house.before).append(Died())
    engine.clock.on(seconds=1)
    with pytest.raises(Died):
        engine.sweep()


def test_a_vendor_that_is_left_alone_uses_up_no_try_of_a_look(engine, approved):
    """Nothing was asked for an hour, so nobody has to look what became of it: that is asked as soon as it may be."""
    die_in_the_middle(engine)
    look, asked_not = engine.house.find_reply, LeftAlone("The house is left alone for a while.", retry_after=5)

    def left_alone(*_arguments):
        raise asked_not

    engine.house.find_reply = left_alone
    for _ in range(MOST_TRIES * 2):
        engine.clock.on(minutes=2)
        engine.sweep()
    action = engine.action("reply_to_customer")
    assert (action.state, action.waiting_for) == (ActionState.EXECUTING, str(asked_not))
    engine.house.find_reply = look
    engine.clock.on(minutes=2)
    engine.sweep()

    assert engine.action("reply_to_customer").state == ActionState.DONE
    assert len(engine.house.done("reply")) == 1


@pytest.mark.parametrize("done", [False, True], ids=["nothing is there", "it is there"])
def test_what_a_look_found_is_told_of_the_attempt_that_it_was_about(engine, approved, done):
    """Of a reply that went out once, one attempt says so."""
    die_in_the_middle(engine, done=done)
    engine.clock.on(minutes=2)
    engine.sweep()

    assert len(engine.house.done("reply")) == 1
    assert attempts(engine, approved) == (["done"] if done else ["not_done", "done"])


def test_what_a_look_did_not_find_is_asked_of_the_policy_that_is_in_force_by_now(engine, approved):
    """Nothing was sent under the policy before, and nothing is: the one in force wants people for it."""
    die_in_the_middle(engine)
    changed = within()
    engine.system = engine.system.under(changed)
    engine.clock.on(minutes=2)
    engine.sweep()

    action = engine.action("reply_to_customer")
    assert engine.house.effects == []
    assert (action.state, action.revision, action.policy_hash) == (ActionState.PENDING, 2, changed.hash)
    assert attempts(engine, approved) == ["not_done"]
    assert action.claimed_by is None


def test_what_a_look_did_not_find_is_not_done_to_what_changed_since(engine, approved):
    """At a system that tells a version and guards no write by it: whoever looks before a first try looks before this one."""
    die_in_the_middle(engine)
    engine.house.version = lambda _ref: "by somebody else"
    write = engine.house._write
    engine.house._write = lambda kind, ref, key, _version, what, **more: write(kind, ref, key, "", what, **more)
    with engine.system.db.write() as tx:
        begun = actions.get(tx, approved.id)
        drafted = replace(begun, target_version="v1")
        digest = row_digest(drafted)
        actions.change(tx, begun, now=engine.clock(), target_version="v1", digest=digest, approved_digest=digest)
    engine.clock.on(minutes=2)
    engine.sweep()

    assert engine.house.effects == []
    assert engine.actions("reply_to_customer")[0].state == ActionState.STALE


def test_who_waits_its_turn_by_a_clock_that_is_ahead_is_not_left_waiting(engine):
    """One that is due in a moment is due already where a clock is ahead, and waits for what ends before it is due here."""
    engine.model.drafts = [[reply(), reply("And one more thing.")]]
    engine.event()
    engine.drain()
    first, second = [engine.decide(action) for action in engine.actions()]
    engine.hints.waiting.clear()
    with engine.system.db.write() as tx:
        actions.change(tx, second, now=engine.clock(), wake_at=engine.clock() + timedelta(seconds=1))

    def elsewhere():
        engine.clock.on(seconds=2)
        carry_out(engine.system, engine.writers, second.id)
        assert "Waits its turn" in engine.action("reply_to_customer").waiting_for
        engine.clock.on(seconds=-2)

    engine.house.during_write = elsewhere
    carry_out(engine.system, engine.writers, first.id)
    engine.clock.on(minutes=10)
    engine.sweep()

    assert {action.state for action in engine.actions()} == {ActionState.DONE}
    assert engine.case().state == CaseState.CLOSED


def test_a_vendor_that_is_left_alone_at_the_last_try_ends_nothing(engine, approved):
    """So many tries, and then one that was not even made: that is no reason to ask people."""
    for _ in range(MOST_TRIES - 1):
        engine.house.before = [Temporary("Down.")]
        engine.clock.on(hours=12)
        engine.sweep()
    assert engine.action("reply_to_customer").tries == MOST_TRIES - 1
    engine.house.before = [LeftAlone("It is left alone for a while.", retry_after=30)]
    engine.clock.on(hours=12)
    engine.sweep()

    assert engine.action("reply_to_customer").state == ActionState.APPROVED
    engine.clock.on(hours=12)
    engine.sweep()
    assert len(engine.house.done("reply")) == 1
