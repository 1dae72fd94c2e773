"""What is due is handed on in fair order, within the caps, and as fast as it can be taken."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import event, insert, text

from tests.kit.engine import START, refund
from workers.store import cases as cases_of
from workers.store import due, flow, flow_statements
from workers.store.database import Database
from workers.store.flow import Caps
from workers.store.ids import new_id
from workers.store.records import ActionState, CaseState
from workers.store.tables import cases
from workers.sweeper import REPEAT_SECONDS, Sweeper


def open_cases(engine, customer, count, *, due_for=10.0, **changes):
    """So many due cases of a customer, the first waiting longest."""
    now = engine.clock()
    rows = [
        {
            "id": new_id("case"),
            "domain": "support",
            "subject": f"house:ticket:{new_id('t')}",
            "source": "house",
            "title": "A ticket",
            "customer": customer,
            "state": CaseState.WORKING,
            "step": "gather",
            "round": 1,
            "priority": "normal",
            "events_total": 1,
            "events_worked": 1,
            "wake_at": now - timedelta(seconds=due_for) + timedelta(microseconds=number),
            "version": 1,
            "claims": 0,
            "waits": 0,
            "pipeline_version": 1,
            "opened_at": now,
            "updated_at": now,
        }
        | changes
        for number in range(count)
    ]
    with engine.system.db.write() as tx:
        tx.execute(insert(cases), rows)
    return [row["id"] for row in rows]


def in_order(engine, limit=500, **caps):
    with engine.system.db.read() as tx:
        return [row.id for row in due.due_cases(tx, engine.clock(), limit, **caps)]


def test_five_hundred_due_cases_of_one_customer_do_not_delay_another(engine):
    noisy = open_cases(engine, "noisy@example.com", 500, due_for=600)
    (quiet,) = open_cases(engine, "quiet@example.com", 1, due_for=1)

    order = in_order(engine)

    assert order.index(quiet) == 1
    assert order[0] == noisy[0]


def test_before_triage_the_source_stands_for_the_customer_nobody_knows(engine):
    open_cases(engine, "", 300, due_for=600, source="noisy")
    (quiet,) = open_cases(engine, "", 1, due_for=1, source="quiet")

    assert in_order(engine).index(quiet) == 1


def test_the_urgent_come_first_and_the_low_last(engine):
    (normal,) = open_cases(engine, "a@example.com", 1, due_for=600)
    (low,) = open_cases(engine, "b@example.com", 1, due_for=600, priority="low")
    (urgent,) = open_cases(engine, "c@example.com", 1, due_for=1, priority="urgent")
    (high,) = open_cases(engine, "d@example.com", 1, due_for=1, priority="high")

    assert in_order(engine) == [urgent, high, normal, low]


@pytest.mark.parametrize("claimed", ["held_until", "wake_at"], ids=["as claimed now", "as code of before claimed"])
def test_no_more_of_a_customer_than_its_cap_leaves_free(engine, claimed):
    waiting = open_cases(engine, "noisy@example.com", 20)
    soon = engine.clock() + timedelta(seconds=50)
    open_cases(engine, "noisy@example.com", 5, claimed_by="host:1:aaaa", **{claimed: soon})

    assert in_order(engine, customer_cap=8) == waiting[:3]
    assert in_order(engine, customer_cap=5) == []
    assert in_order(engine, customer_cap=0) == waiting


@pytest.mark.parametrize("held_until", [None, START - timedelta(seconds=3)])
def test_a_claim_that_ran_out_takes_no_place(engine, held_until):
    (lost,) = open_cases(engine, "noisy@example.com", 1, claimed_by="host:1:aaaa", held_until=held_until)

    assert in_order(engine, customer_cap=1) == [lost]


@pytest.mark.parametrize("claimed", ["held_until", "wake_at"], ids=["as claimed now", "as code of before claimed"])
def test_what_is_claimed_is_nobody_elses_until_its_lease_has_run_out(engine, claimed):
    now = engine.clock()
    until = now + timedelta(seconds=50)
    (case,) = open_cases(engine, "ana@example.com", 1, claimed_by="host:1:aaaa", **{claimed: until})

    assert (in_order(engine), claim(engine, case)) == ([], None)
    engine.clock.on(seconds=50)

    with engine.system.db.read() as tx:
        behind = due.waiting(tx, engine.clock())
    assert (behind.rows, behind.oldest) == ({"support": 1}, until)
    assert in_order(engine) == [case]
    assert claim(engine, case).case.version == 2
    assert claim(engine, case) is None, "claimed a moment ago"


@pytest.mark.parametrize("claimed", ["held_until", "wake_at"], ids=["as claimed now", "as code of before claimed"])
@pytest.mark.parametrize("caps", [Caps(customer=2), Caps(source=2), Caps(customer=2, source=2)], ids=str)
def test_whoever_claims_counts_those_in_work(engine, caps, claimed):
    until = engine.clock() + timedelta(seconds=50)
    open_cases(engine, "ana@example.com", 300)
    first, second = open_cases(engine, "ana@example.com", 2)
    if claimed == "wake_at" or caps.source == 0:
        (held,) = open_cases(engine, "ana@example.com", 1, claimed_by="host:1:aaaa", **{claimed: until})
    else:
        (held,) = open_cases(engine, "ana@example.com", 1)
        assert claim(engine, held, caps) is not None

    assert claim(engine, first, caps) is not None
    assert claim(engine, second, caps) is None
    with engine.system.db.write() as tx:
        cases_of.renew(tx, {first: 2}, until=engine.clock() + timedelta(minutes=5))
    engine.clock.on(minutes=2)
    assert claim(engine, second, caps) is not None, "one lease ran out"
    assert claim(engine, held, caps) is None, "one was renewed, and one is claimed anew"


@pytest.mark.parametrize("caps", [Caps(customer=2), Caps(source=2)], ids=str)
def test_an_urgent_case_beyond_its_cap_keeps_nobody_else_from_their_turn(engine, caps):
    soon = engine.clock() + timedelta(seconds=50)
    noisy = {"source": "noisy"}
    open_cases(engine, "noisy@example.com", 2, claimed_by="host:1:aaaa", held_until=soon, wake_at=soon, **noisy)
    held_back, _ = open_cases(engine, "noisy@example.com", 2, priority="urgent", **noisy)
    (quiet,) = open_cases(engine, "quiet@example.com", 1)
    (urgent,) = open_cases(engine, "other@example.com", 1, priority="urgent", due_for=1)

    assert claim(engine, quiet, caps).case.id == urgent, "the urgent one that may be worked on goes first"
    assert claim(engine, quiet, caps).case.id == quiet
    assert claim(engine, held_back, caps) is None


@pytest.mark.parametrize("capped", ["customer", "source"])
def test_thousands_of_urgent_ones_beyond_a_cap_are_not_looked_at_one_by_one(shared, capped):
    """Else each claim of anybody's would take as long as all of them: whose cap is reached is found once."""
    bound = {
        "now": shared.clock(),
        "until": shared.clock(),
        "worker": "w",
        "case": "c",
        "customer_cap": 8,
        "source_cap": 8,
    }
    statement = flow_statements.claim(capped == "customer", capped == "source")

    with shared.system.db.direct() as cursor:
        plan = "\n".join(row[0] for row in cursor.execute(f"EXPLAIN {statement}", bound))

    assert "(NOT (hashed SubPlan" in plan


@pytest.mark.parametrize("processes", [1, 3])
def test_a_burst_begins_at_most_the_cap_in_each_process_and_then_none(shared, processes):
    """What docs/fairness.md says of the cap: it is counted, and claims of one moment in two processes do not see each other."""
    waiting = open_cases(shared, "noisy@example.com", 50)
    databases = [Database(shared.system.db.url, connections=20) for _ in range(processes)]
    at_once = threading.Barrier(48)

    def take(number):
        at_once.wait(60)
        return claim_in(databases[number % processes], shared, waiting[number], Caps(customer=4))

    with ThreadPoolExecutor(48) as pool:
        begun = sum(one is not None for one in pool.map(take, range(48)))

    assert 4 <= begun <= 4 * processes
    assert claim(shared, waiting[48], Caps(customer=4)) is None
    for db in databases:
        db.dispose()


def claim(engine, case, caps=None):
    return claim_in(engine.system.db, engine, case, caps)


def claim_in(db, engine, case, caps):
    lease = timedelta(seconds=60)
    return flow.claim(db, case, worker="host:2:bbbb", now=engine.clock(), lease=lease, caps=caps or Caps())


def test_no_more_of_a_source_than_its_cap_leaves_free(engine):
    for number in range(10):
        open_cases(engine, f"{number}@example.com", 1, source="noisy")
    (other,) = open_cases(engine, "other@example.com", 1, source="quiet")
    soon = engine.clock() + timedelta(seconds=50)
    open_cases(engine, "more@example.com", 1, wake_at=soon, claimed_by="host:1:aaaa", source="noisy")

    order = in_order(engine, source_cap=4)

    assert len(order) == 4
    assert other in order


def test_a_queue_that_nobody_works_uses_up_no_turns_in_the_others(engine):
    open_cases(engine, "ana@example.com", 20, due_for=600, domain="content")
    (served,) = open_cases(engine, "ana@example.com", 1)

    assert served in in_order(engine, customer_cap=8)


def test_what_a_cap_left_behind_follows_when_there_is_room(engine, ticks):
    sweeper = Sweeper(engine.system, monotonic=ticks)
    waiting = open_cases(engine, "noisy@example.com", 12)

    assert sweeper.sweep().hinted == 8
    with engine.system.db.write() as tx:
        tx.execute(text("UPDATE cases SET wake_at = NULL WHERE id = :case"), {"case": waiting[0]})
    ticks.on(0.25)

    done = sweeper.sweep()
    assert (done.due, done.hinted) == (11, 1)


def test_a_row_is_hinted_again_ever_more_seldom_while_nobody_takes_it(engine, ticks):
    sweeper = Sweeper(engine.system, monotonic=ticks)
    open_cases(engine, "ana@example.com", 1)
    hinted_at = []
    for second in range(150):
        if sweeper.sweep().hinted:
            hinted_at.append(second)
        ticks.on(1)

    gaps = [after - before for before, after in pairwise(hinted_at)]
    assert gaps[0] == REPEAT_SECONDS
    assert gaps == sorted(gaps)
    assert gaps[-1] == 30


def test_what_is_due_no_longer_is_not_kept_in_mind(engine, ticks):
    """Or a sweeper would grow with all that it ever hinted at, and read as many rows more each time."""
    sweeper = Sweeper(engine.system, monotonic=ticks)
    taken, left = open_cases(engine, "ana@example.com", 2)
    sweeper.sweep()
    with engine.system.db.write() as tx:
        tx.execute(cases.update().where(cases.c.id == taken).values(wake_at=None))
    ticks.on(6)

    assert sweeper.sweep().hinted == 1
    assert [row_id for row_id, _ in sweeper._hinted] == [left]


def test_a_row_that_is_due_anew_is_hinted_at_once(engine, ticks):
    sweeper = Sweeper(engine.system, monotonic=ticks)
    (case,) = open_cases(engine, "ana@example.com", 1)
    sweeper.sweep()
    with engine.system.db.write() as tx:
        tx.execute(cases.update().where(cases.c.id == case).values(wake_at=engine.clock()))

    assert sweeper.sweep().hinted == 1


def test_a_publisher_that_is_behind_is_not_given_more(engine, ticks):
    sweeper = Sweeper(engine.system, monotonic=ticks)
    open_cases(engine, "ana@example.com", 1)
    engine.hints.waiting.extend([("case", "another")] * 500)

    assert sweeper.sweep().hinted == 0
    engine.hints.waiting.clear()
    assert sweeper.sweep().hinted == 1


def test_while_the_queue_holds_a_hint_at_each_row_none_is_looked_for(engine, ticks, monkeypatch):
    sweeper = Sweeper(engine.system, monotonic=ticks)
    open_cases(engine, "ana@example.com", 3)
    open_cases(engine, "ben@example.com", 2, domain="content")
    waiting = {"support": 3, "content": 2}
    monkeypatch.setattr(engine.hints, "depth", lambda target: waiting.get(target, 0))

    asked = []
    note = lambda _c, _cursor, statement, *_: asked.append(statement)  # noqa: E731 - to be taken off again
    event.listen(engine.system.db.engine, "before_cursor_execute", note)

    done = sweeper.sweep()

    event.remove(engine.system.db.engine, "before_cursor_execute", note)
    assert (done.due, done.hinted) == (5, 0)
    assert asked
    assert not any("in_turn" in statement for statement in asked)
    waiting["content"] = 1
    assert sweeper.sweep().hinted == 1, "of one domain a hint was lost, however many wait elsewhere"


def test_the_lag_is_the_age_of_the_oldest_that_nobody_took(engine, ticks):
    sweeper = Sweeper(engine.system, monotonic=ticks)
    assert sweeper.sweep().lag_seconds == 0
    open_cases(engine, "ana@example.com", 2, due_for=42)

    done = sweeper.sweep()

    assert (done.due, done.lag_seconds) == (2, 42)
    assert sweeper.latest == done


def test_snooze_back_off_and_expiry_all_wake_by_the_one_timer(engine, ticks):
    """Each is a `wake_at`; the sweeper knows nothing else of them."""
    sweeper = Sweeper(engine.system, monotonic=ticks)
    engine.model.drafts = [[refund(9000)]]
    engine.event()
    engine.drain()
    action = engine.action("refund_payment")
    assert action.state == ActionState.PENDING
    engine.decide(action, "snooze", until=engine.clock() + timedelta(hours=1))

    assert sweeper.sweep().hinted == 0
    engine.clock.on(hours=2)
    assert sweeper.sweep().hinted == 1, "the snooze is over"
    engine.drain()
    engine.clock.on(days=30)
    assert sweeper.sweep().hinted == 1, "nobody decided in time"
    engine.drain()

    assert engine.action("refund_payment").state == ActionState.EXPIRED


def test_actions_of_one_customer_do_not_hold_up_anothers(engine):
    noisy = open_cases(engine, "noisy@example.com", 1, wake_at=None)[0]
    quiet = open_cases(engine, "quiet@example.com", 1, wake_at=None)[0]
    with engine.system.db.write() as tx:
        for number in range(50):
            add_action(tx, engine, noisy, f"noisy{number}", ordinal=number, due_for=600)
        add_action(tx, engine, quiet, "quiet", ordinal=0, due_for=1)

    with engine.system.db.read() as tx:
        order = [row.id for row in due.due_actions(tx, engine.clock(), 500)]

    assert order.index("quiet") == 1
    assert len(order) == 51


@pytest.mark.parametrize(("statement", "expected"), [(due.CASES, "ix_cases_due"), (due.ACTIONS, "ix_actions_due")])
def test_a_sweep_reads_what_is_due_and_never_what_is_closed(shared, statement, expected):
    closed = {"state": CaseState.CLOSED, "closed_at": shared.clock(), "wake_at": None}
    ids = open_cases(shared, "ana@example.com", 20_000, **closed)
    open_cases(shared, "bob@example.com", 20)
    with shared.system.db.write() as tx:
        for number, case in enumerate(ids[:2000]):
            add_action(tx, shared, case, f"done{number}", ordinal=0, due_for=None)
        tx.execute(text("ANALYZE cases"))
        tx.execute(text("ANALYZE actions"))
    bound = {"now": shared.clock(), "most": 500, "customer_cap": 8, "source_cap": 2**30}

    with shared.system.db.read() as tx:
        compiled = statement.compile(tx.engine)
        values = {**compiled.params, **{name: value for name, value in bound.items() if name in compiled.params}}
        plan = "\n".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN {compiled}", values))

    assert expected in plan
    assert "Seq Scan" not in plan


def add_action(tx, engine, case, name, *, ordinal, due_for):
    now = engine.clock()
    tx.execute(
        text(
            "INSERT INTO actions (id, case_id, round, ordinal, kind, state, revision, arguments, target, target_version,"
            " digest, policy_hash, verdict, sentence, rationale, citations, origins, confidence, rests_on, version, tries,"
            " created_at, updated_at, wake_at) VALUES (:id, :case, 1, :ordinal, 'add_tags', 'approved', 1, '{}', 't', '',"
            " 'd', 'p', '{}', 's', 'r', '[]', '{}', 1.0, '[]', 1, 0, :now, :now, :wake)"
        ),
        {
            "id": name,
            "case": case,
            "ordinal": ordinal,
            "now": stamp(tx, now),
            "wake": stamp(tx, now - timedelta(seconds=due_for)) if due_for is not None else None,
        },
    )


def stamp(tx, moment):
    return moment if tx.dialect.name == "postgresql" else moment.replace(tzinfo=None).isoformat(" ", "microseconds")
