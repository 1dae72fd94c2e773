"""A shadow policy is asked about every decision after it was made, decides nothing, and is asked once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.integration.rehearsal.policies import files, policy
from tests.kit.ahead import clock_ahead, newest_here
from tests.kit.engine import refund, reply, tags
from tests.kit.revisions import in_rows
from workers.rehearsal import shadow
from workers.rehearsal.background import RehearsalThread
from workers.rehearsal.shadow import Shadows, follow
from workers.store import policy_sets, shadow_verdicts
from workers.store.policy_sets import SetState
from workers.store.tables import revisions

DENY = policy("deny")


def drafted(engine, number, *drafts):
    engine.model.drafts = [list(drafts) or [tags()]]
    engine.event(delivery=f"d{number}", ticket=str(number))
    engine.drain()
    return engine.actions()


def kept(engine, of=DENY):
    with engine.system.db.read() as tx:
        return shadow_verdicts.listing(tx, of.hash)


def test_each_decision_is_judged_once_and_nothing_else_changes(engine):
    before = drafted(engine, 1, refund(), reply())

    assert follow(engine.system, DENY) == 2
    assert follow(engine.system, DENY) == 0

    assert engine.actions() == before
    assert {one.action_id for one in kept(engine)} == {action.id for action in before}
    assert {(one.would_be, one.differs) for one in kept(engine)} == {("deny", True)}
    drafted(engine, 2)
    assert follow(engine.system, DENY) == 1


def test_the_policy_in_force_beside_itself_differs_in_nothing(engine):
    drafted(engine, 1, refund(), reply(), tags())

    follow(engine.system, engine.system.policy)

    assert [one.differs for one in kept(engine, engine.system.policy)] == [False] * 3


def test_what_a_person_had_judged_anew_is_judged_too(engine):
    drafted(engine, 1, refund())
    follow(engine.system, DENY)
    action = engine.action("refund_payment")
    engine.decide(action, arguments={**action.arguments, "amount_minor": 2600})

    follow(engine.system, DENY)

    assert [one.revision for one in kept(engine)] == [1, 2]


def test_what_is_older_than_a_day_is_left_to_a_backtest(engine):
    drafted(engine, 1)
    engine.clock.on(days=2)
    late = drafted(engine, 2)

    assert follow(engine.system, DENY) == 1
    assert [one.action_id for one in kept(engine)] == [late[0].id]


def test_many_are_judged_in_lots_and_a_record_that_is_none_holds_up_nothing(engine, monkeypatch):
    monkeypatch.setattr(shadow, "LOT", 2)
    for number in range(5):
        action = drafted(engine, number)[0]
        if number < 3:
            with engine.system.db.write() as tx:
                in_rows(tx)
                tx.execute(update(revisions).where(revisions.c.action_id == action.id).values(record={}))

    assert follow(engine.system, DENY) == 2
    assert follow(engine.system, DENY) == 0


def test_it_stops_when_it_is_told_to(engine):
    drafted(engine, 1)

    assert follow(engine.system, DENY, go_on=lambda: False) == 0


def test_no_word_of_a_rule_is_kept(engine):
    drafted(engine, 1)
    follow(engine.system, DENY)

    (one,) = kept(engine)

    assert one.told["would_be"] == {"outcome": "deny", "requirements": [], "rules": ["tried/everything"]}


def test_what_differs_is_counted_by_day_and_listed_with_its_fate(engine):
    action = drafted(engine, 1)[0]
    follow(engine.system, DENY)
    since = engine.clock() - timedelta(days=7)

    with engine.system.db.read() as tx:
        days = shadow_verdicts.days(tx, DENY.hash, since)
        moves = shadow_verdicts.moves(tx, DENY.hash, since)
        (found,) = shadow_verdicts.differing(tx, DENY.hash, since, limit=5)
        (known,) = shadow_verdicts.known(tx)

    assert days == {f"{engine.clock():%Y-%m-%d}": (0, 1)}
    assert moves == {(action.verdict["outcome"], "deny", True): 1}
    assert (found.verdict.action_id, found.state) == (action.id, action.state)
    assert (known.shadow, known.judged) == (DENY.hash, 1)


def test_old_verdicts_go(engine):
    drafted(engine, 1)
    follow(engine.system, DENY)
    engine.clock.on(days=91)
    drafted(engine, 2)

    follow(engine.system, DENY)

    assert len(kept(engine)) == 1


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "next"
    made.mkdir()
    (made / "tried.yaml").write_text(files("deny")["tried.yaml"])
    return made


def test_the_folders_shadow_is_read_again_when_it_changes(engine, folder):
    shadows = Shadows(folder)
    (first,) = shadows.now(engine.system.db)
    (folder / "tried.yaml").write_text(files("review")["tried.yaml"])

    (second,) = shadows.now(engine.system.db)

    assert first.hash == DENY.hash
    assert second.hash == policy("review").hash
    assert shadows.now(engine.system.db)[0] is second


def test_a_broken_shadow_is_none_and_stops_nothing(engine, folder):
    (folder / "tried.yaml").write_text("bundle: [")
    drafted(engine, 1)

    assert Shadows(folder).now(engine.system.db) == []
    assert Shadows(folder / "nowhere").now(engine.system.db) == []
    assert Shadows(None).now(engine.system.db) == []


def test_a_policy_that_is_kept_can_be_the_shadow(engine):
    with engine.system.db.write() as tx:
        policy_sets.add(
            tx,
            DENY.hash,
            name=DENY.name,
            files=files("deny"),
            by="person:ana@firm.example",
            why="To see.",
            now=engine.clock(),
            state=SetState.SHADOW,
        )
    drafted(engine, 1)

    rehearsal = RehearsalThread(engine.system)
    rehearsal.once()

    assert [one.would_be for one in kept(engine)] == ["deny"]


def test_upkeep_works_on_a_thread_and_ends_when_told(engine):
    rehearsal = RehearsalThread(engine.system)

    rehearsal.begin()
    rehearsal.begin()
    rehearsal.stop()

    assert rehearsal._thread is not None
    assert not rehearsal._thread.is_alive()
    rehearsal.begin()
    assert not rehearsal._thread.is_alive()


def test_what_a_machine_whose_clock_is_ahead_did_hides_nothing_else(engine):
    drafted(engine, 0)
    follow(engine.system, DENY)
    with clock_ahead(engine):
        drafted(engine, 1, refund())
        action = engine.actions()[-1]
        engine.decide(action, arguments={**action.arguments, "amount_minor": 2600})
    assert follow(engine.system, DENY) == 2

    drafted(engine, 2, refund())
    assert follow(engine.system, DENY) == 1
    action = newest_here(engine)
    engine.decide(action, arguments={**action.arguments, "amount_minor": 2700})

    assert follow(engine.system, DENY) == 1
    assert follow(engine.system, DENY) == 0
