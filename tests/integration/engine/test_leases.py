"""What a process works on it holds for as long as that takes, very many at once; and none that another has taken since."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.integration.engine.test_withdrawn import die_in
from tests.kit.engine import refund, reply
from workers.store import actions, cases, flow, processes
from workers.store.records import ActionState
from workers.store.tables import actions as all_actions
from workers.store.tables import cases as table

MANY = 1200


def test_more_leases_than_fit_into_one_condition_are_renewed(engine):
    for number in range(3):
        engine.event(f"d{number}", ticket=str(number))
    now = engine.clock()
    later = now + timedelta(minutes=10)
    minute = timedelta(seconds=60)
    opened = [row for kind, row in engine.hints.waiting if kind == "case"]
    with engine.system.db.write() as tx:
        held = [cases.claim(tx, case_id, worker="one", now=now, lease=minute) for case_id in opened]
        cases.claim(tx, opened[2], worker="another", now=now + minute, lease=minute)

    gone = {f"case_gone{number}": 1 for number in range(MANY)}
    with engine.system.db.write() as tx:
        cases.renew(tx, {**gone, **{case.id: case.version for case in held}}, until=later)

    with engine.system.db.read() as tx:
        until = dict(tx.execute(select(table.c.id, table.c.held_until)).all())
    assert until == {held[0].id: later, held[1].id: later, held[2].id: now + 2 * minute}


def renewed(engine):
    """Whether what is under way is held for a lease from now on once this process has renewed what it holds."""
    engine.clock.on(seconds=1)
    engine.system.leases._renew()
    with engine.system.db.read() as tx:
        until = (
            tx.execute(select(all_actions.c.wake_at).where(all_actions.c.state == ActionState.EXECUTING))
            .scalars()
            .all()
        )
    return until == [engine.clock() + engine.system.leases._lease]


def holds_it_meanwhile(engine):
    """Whether what this process has under way is renewed while it writes to somebody else's system; nothing is held afterwards."""
    seen = []
    engine.house.during_write = lambda: seen.append(renewed(engine))
    engine.sweep()
    assert engine.system.leases.held() == 0
    return seen


def approved(engine, proposal):
    engine.model.drafts = [[proposal]]
    engine.event()
    engine.drain()
    engine.decide(engine.action(proposal["kind"]))


def test_an_action_is_held_for_as_long_as_its_call_takes(engine):
    approved(engine, refund())

    assert holds_it_meanwhile(engine) == [True]
    assert engine.action("refund_payment").state == ActionState.DONE


def test_so_is_one_that_is_asked_again_after_a_crash(engine):
    approved(engine, refund())
    die_in(engine, "refund_payment")
    engine.clock.on(hours=2)

    assert holds_it_meanwhile(engine) == [True]
    assert engine.action("refund_payment").state == ActionState.DONE


def test_one_that_another_has_taken_since_is_not_renewed(engine):
    approved(engine, refund())
    db, now, lease = engine.system.db, engine.clock(), engine.system.settings.lease
    begun, _ = flow.begin(db, engine.action("refund_payment"), worker="one", now=now, lease=lease, unless=())
    with db.write() as tx:
        actions.change(tx, begun, now=now, claimed_by="another", wake_at=now + lease)

    with db.write() as tx:
        actions.renew(tx, {begun.id: begun.version}, until=now + 10 * lease)

    assert engine.action("refund_payment").wake_at == now + lease


def test_and_while_it_is_looked_what_became_of_it(engine):
    approved(engine, reply())
    die_in(engine, "reply_to_customer")
    engine.clock.on(hours=2)
    looks = []
    find = engine.house.find_reply
    engine.house.find_reply = lambda *asked: (looks.append(renewed(engine)), find(*asked))[1]

    engine.sweep()

    assert looks == [True]
    assert engine.action("reply_to_customer").state == ActionState.DONE
    assert engine.system.leases.held() == 0


def test_a_claim_that_was_let_go_of_commits_nothing_though_nobody_has_taken_it_yet(engine):
    """Taken for dead, its worker lives: between its claim and the next one the case is nobody's."""
    engine.event()
    (case_id,) = [row for kind, row in engine.hints.waiting if kind == "case"]
    taken = {"worker": "one", "now": engine.clock(), "lease": timedelta(seconds=60)}
    claimed = flow.claim(engine.system.db, case_id, caps=flow.Caps(0, 0), **taken)
    with engine.system.db.write() as tx:
        assert processes.let_go(tx, {("case", case_id): claimed.case.version}, None, engine.clock()) == 1

    with pytest.raises(cases.LostClaim):
        flow.record(
            engine.system.db, claimed.case, claimed.chain, flow.Progress({"step": "gather"}), now=engine.clock()
        )

    assert engine.case().step == "triage"


def test_what_a_thread_claimed_anew_is_held_on_though_the_one_that_had_it_before_ends_late(engine):
    """It stood still for longer than its lease, and its row went to another thread of the same process."""
    engine.event()
    (case_id,) = [row for kind, row in engine.hints.waiting if kind == "case"]
    leases, lease = engine.system.leases, timedelta(seconds=60)
    taken = {"caps": flow.Caps(0, 0), "worker": leases._process or "one", "lease": lease}
    before = flow.claim(engine.system.db, case_id, now=engine.clock(), **taken).case
    late = leases.case(case_id, before.version)
    late.__enter__()
    engine.clock.on(minutes=2)
    again = flow.claim(engine.system.db, case_id, now=engine.clock(), **taken).case

    with leases.case(case_id, again.version):
        late.__exit__(cases.LostClaim, cases.LostClaim("gone"), None)

        assert leases.held() == 1
        engine.clock.on(seconds=30)
        leases._renew()
        with engine.system.db.read() as tx:
            until = tx.execute(select(table.c.held_until)).scalar_one()
        assert until == engine.clock() + leases._lease
    assert leases.held() == 0


def test_who_ends_late_takes_nothing_from_what_is_to_be_let_go_of(engine):
    """The later claim broke off too: it is let go of, and not the one before, which is nobody's."""
    leases = engine.system.leases
    leases._stop.set()
    leases.give_up(("case", "case_a"), 2, RuntimeError())
    leases.give_up(("case", "case_a"), 1, cases.LostClaim("gone"))

    assert leases._left["case", "case_a"][0] == 2
