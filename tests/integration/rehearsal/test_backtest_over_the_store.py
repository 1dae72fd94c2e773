"""A backtest reads what was really decided, knows what became of it, and says what it could not look at."""

from __future__ import annotations

from datetime import timedelta

import pytest

from policies.backtest import Became, Move
from policies.types import Outcome
from tests.integration.rehearsal.policies import policy, small_alone
from tests.kit.engine import POLICY, refund, reply, tags
from workers.rehearsal.past import Stopped, became, rehearse, total
from workers.store import decided
from workers.store.archive_tables import archives
from workers.store.decided import Window


def drafted(engine, *drafts, ticket="7"):
    engine.model.drafts = [list(drafts)]
    engine.event(delivery=f"d{ticket}", ticket=ticket)
    engine.drain()
    return engine.actions()


def streamed(engine, window=None, **more):
    return list(decided.stream(engine.system.db, window or Window(), **more))


def test_the_policy_in_force_changes_nothing(engine):
    drafted(engine, refund(), reply(), tags())

    found = rehearse(engine.system.db, POLICY, Window())

    assert found.report.judged == 3
    assert (found.report.unreadable, found.report.differing) == (0, 0)
    assert found.report.before == found.report.after


def test_what_a_stricter_policy_would_refuse_is_counted_with_its_money(engine):
    drafted(engine, refund(4000), reply())

    report = rehearse(engine.system.db, policy("deny"), Window()).report

    assert report.after == {Outcome.DENY: 2}
    assert {change.id for change in report.changes} == {action.id for action in engine.actions()}
    refunded = engine.action("refund_payment")
    was = Outcome[refunded.verdict["outcome"].upper()]
    assert report.money["EUR", Move(was, Outcome.DENY)].minor == 4000


def test_pages_follow_each_other_without_gap_or_repetition(engine):
    made = [action.id for n in range(4) for action in drafted(engine, tags(), reply(), ticket=str(n))]

    assert [one.id for one in streamed(engine, page=3)] == sorted(made, reverse=True)
    assert [one.id for one in streamed(engine, Window(limit=5), page=3)] == sorted(made, reverse=True)[:5]


def test_a_window_in_time_ends_the_reading(engine):
    drafted(engine, tags(), ticket="1")
    engine.clock.on(days=40)
    late = drafted(engine, tags(), ticket="2")
    since = engine.clock() - timedelta(days=30)

    found = streamed(engine, Window(since=since), page=1)

    assert [one.id for one in found] == [late[0].id]
    assert total(engine.system.db, Window(since=since)) == 1
    assert total(engine.system.db, Window()) == 2


def test_one_domain_and_one_kind_can_be_chosen(engine):
    drafted(engine, refund(), tags())

    assert [one.kind for one in streamed(engine, Window(kind="add_tags"))] == ["add_tags"]
    assert len(streamed(engine, Window(domain="support"))) == 2
    assert streamed(engine, Window(domain="transactions")) == []
    assert total(engine.system.db, Window(domain="support", limit=1)) == 1


def test_what_people_made_of_a_draft_is_known(engine):
    engine.person("ana")
    drafted(engine, refund(), ticket="1")
    as_it_was = engine.decide(engine.action("refund_payment"))
    drafted(engine, refund(), ticket="2")
    changed = engine.action("refund_payment")
    edited = engine.decide(changed, arguments={**changed.arguments, "amount_minor": 2600})
    if edited.state == "pending":
        engine.decide(edited, by=engine.person("ben"))
    drafted(engine, refund(), ticket="3")
    refused = engine.action("refund_payment")
    engine.decide(refused, "reject", reason="No.")
    waiting = drafted(engine, refund(), ticket="4")[0]

    found = {one.id: became(one) for one in streamed(engine)}

    assert found[as_it_was.id] is Became.APPROVED
    assert found[changed.id] is Became.EDITED
    assert found[refused.id] is Became.REJECTED
    assert found[waiting.id] is Became.UNKNOWN


def test_what_ran_by_itself_is_told_apart(engine):
    drafted(engine, tags())
    engine.clock.on(minutes=10)
    engine.sweep()

    (one,) = streamed(engine)

    assert one.state == "done"
    assert became(one) is Became.AUTOMATIC


def test_what_a_rule_let_through_once_it_was_edited_needed_the_person_who_edited_it(engine):
    """The rule speaks of what the edit made of it, the backtest of the draft."""
    engine.system = engine.system.under(small_alone())
    drafted(engine, refund(4000))
    large = engine.action("refund_payment")
    assert large.state == "pending"

    engine.decide(large, arguments={**large.arguments, "amount_minor": 1500})
    engine.drain()

    assert engine.action("refund_payment").decided_by == "policy:support/small"
    (one,) = streamed(engine)
    assert became(one) is Became.EDITED


def test_cases_in_archives_are_counted_and_left_out(engine):
    drafted(engine, tags())
    row = {"part": 1, "file": "x", "state": "done", "changed": 0, "started_at": engine.clock()}
    with engine.system.db.write() as tx:
        tx.execute(archives.insert(), [{**row, "id": "arc_1", "month": "2026-03", "removed": 7}])
        tx.execute(archives.insert(), [{**row, "id": "arc_2", "month": "2025-03", "removed": 9}])

    everything = rehearse(engine.system.db, POLICY, Window())
    lately = rehearse(engine.system.db, POLICY, Window(since=engine.clock().replace(month=2)))

    assert (everything.archived, lately.archived) == (16, 7)
    assert everything.report.judged == 1


def test_progress_is_told_to_the_last(engine):
    drafted(engine, tags(), reply())
    heard = []

    rehearse(engine.system.db, POLICY, Window(), told=heard.append)

    assert heard[-1] == 2


def test_it_stops_when_nobody_wants_to_know_any_more(engine):
    drafted(engine, tags())

    with pytest.raises(Stopped):
        rehearse(engine.system.db, POLICY, Window(), go_on=lambda: False)
