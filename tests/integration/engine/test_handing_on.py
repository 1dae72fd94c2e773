"""Who decided an action and carries it out at once begins with what was just committed, and sends nothing that was stopped since."""

from __future__ import annotations

import pytest

from tests.integration.limits.house import a_day, under, within
from tests.kit.engine import escalate, refund, reply, tags
from workers import execute
from workers.store import flow, switches
from workers.store.records import ActionState


@pytest.fixture
def reads(monkeypatch):
    """Which actions were read to be carried out."""
    seen = []
    read = flow.start
    monkeypatch.setattr(
        flow, "start", lambda db, action_id, **more: seen.append(action_id) or read(db, action_id, **more)
    )
    return seen


def decided(engine, *drafts):
    """A case whose actions are decided, and none of them begun."""
    engine.model.drafts = [list(drafts)]
    engine.event()
    engine.drain(limit=1)
    return [(row, engine.hints.known.get(row)) for kind, row in engine.hints.waiting if kind == "action"]


def plainly(engine):
    """Whether a limit is reserved from makes another commit of it."""
    return decided(engine, tags(), reply())


def within_a_limit(engine):
    under(engine, within(a_day(10_000)))
    return decided(engine, refund(), reply())


@pytest.mark.parametrize("made", [plainly, within_a_limit])
def test_what_is_handed_on_is_what_would_be_read(engine, made):
    due = made(engine)

    assert due
    for action_id, known in due:
        if known is not None:
            assert known == flow.snapshot(engine.system.db, action_id)


def test_what_was_just_committed_is_not_read_again(engine, reads):
    action_id, known = plainly(engine)[0]
    assert known is not None

    engine.drain(limit=1)

    assert action_id not in reads
    assert engine.action("add_tags").state == ActionState.DONE


def test_after_a_moment_it_is_read_again(engine, reads):
    action_id, known = plainly(engine)[0]
    engine.clock.on(seconds=2)

    execute.carry_out(engine.system, engine.writers, action_id, snapshot=known)

    assert reads == [action_id]


def test_a_switch_thrown_since_stops_it(engine):
    plainly(engine)
    with engine.system.db.write() as tx:
        switches.throw(tx, "all", reason="Something is odd", actor="person:ana", now=engine.clock())

    engine.drain(limit=1)

    assert engine.house.done("tag") == []
    assert engine.action("add_tags").state == ActionState.APPROVED
    assert "switch" in (engine.action("add_tags").waiting_for or "").lower()


def test_a_message_that_joined_since_stops_it(engine):
    ((action_id, known), *_) = plainly(engine)
    engine.event("d2", text="Never mind, it works again")

    execute.carry_out(engine.system, engine.writers, action_id, snapshot=known)

    assert engine.house.done("tag") == []


def test_what_somebody_else_has_begun_is_not_begun_again(engine):
    ((action_id, known), *_) = plainly(engine)
    execute.carry_out(engine.system, engine.writers, action_id)

    execute.carry_out(engine.system, engine.writers, action_id, snapshot=known)

    assert len(engine.house.done("tag")) == 1


def test_what_ends_while_the_next_one_is_read_does_not_make_that_one_stale(engine, monkeypatch):
    """Two hints at two actions of one target reach two threads at once; the second has read that it waits, and waits no more."""
    first, second = (action_id for action_id, _ in decided(engine, escalate(), tags()))
    read, once = flow.start, [first]

    def read_meanwhile(db, action_id, **more):
        found = read(db, action_id, **more)
        if action_id == second and once:
            execute.carry_out(engine.system, engine.writers, once.pop())
        return found

    monkeypatch.setattr(flow, "start", read_meanwhile)

    execute.carry_out(engine.system, engine.writers, second)

    assert not once
    assert {action.id: action.state for action in engine.actions()} == {
        first: ActionState.DONE,
        second: ActionState.DONE,
    }
    assert engine.case().round == 1
