"""A worker is told of a yes while it is being committed: it waits for that at the action's row, and begins nothing without it."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from psycopg.errors import UniqueViolation
from psycopg.pq import DiagnosticField

from integrations.registry import Readers
from tests.integration.limits.house import a_day, under, within
from tests.kit.engine import make_engine, refund
from tests.kit.patience import until, waits_for_a_lock
from workers import execute
from workers.actions.catalogue import CATALOGUE
from workers.inbox import service
from workers.inbox.choices import approved
from workers.inbox.words import Choice, Word
from workers.settlement import consequences_of
from workers.store import actions, flow, flow_postgresql
from workers.store.phrasing import bound
from workers.store.records import ActionState

#: what refuses a commit once all of its statements were done
REFUSING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE CONSTRAINT TRIGGER refusing AFTER {change} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"""


PEOPLE = {"outcome": "review", "approvers": [{"role": "support"}]}


@pytest.fixture
def engine(tmp_path, on_postgresql, monkeypatch):
    """With a refund that waits for a yes, in a house whose systems tell no versions."""
    monkeypatch.setattr(Readers, "systems", lambda _: [])
    made = under(make_engine(tmp_path, url=on_postgresql), within(**PEOPLE))
    yield with_a_refund(made)
    made.system.close()


@pytest.fixture
def within_limits(tmp_path, on_postgresql, monkeypatch):
    """The same where what is refunded in a day is limited: the yes uses that up in the same statement."""
    monkeypatch.setattr(Readers, "systems", lambda _: [])
    made = under(make_engine(tmp_path, url=on_postgresql), within(a_day(10_000, "deny"), **PEOPLE))
    yield with_a_refund(made)
    made.system.close()


def with_a_refund(engine):
    """One that waits for a yes."""
    engine.model.drafts = [[refund(4000)]]
    engine.event()
    engine.drain()
    assert engine.action("refund_payment").state == ActionState.PENDING
    return engine


@pytest.fixture
def somebody(on_postgresql):
    """A connection on which a yes is written and not yet committed."""
    with psycopg.connect(on_postgresql.replace("+psycopg", "")) as connection:
        yield connection


@pytest.fixture
def worker():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def write_a_yes(engine, connection):
    """The real statement, in a transaction that stays open. The action as it is with that."""
    now = engine.clock()
    snapshot = flow.snapshot(engine.system.db, engine.action("refund_payment").id)
    action, person = snapshot.action, engine.person()
    changes = approved(action, actor=f"person:{person.email}", now=now)
    consequences = consequences_of(snapshot.case, [action], now=now)
    choice = Choice(Word.APPROVE, action.revision, action.digest)
    consent = service.consent(person, snapshot, choice, changes, consequences, now=now)
    statement, values = flow_postgresql.approving(action, consent, now=now)
    assert connection.execute(statement, values).fetchone() is not None
    return action.id


def start(engine, action_id, **more):
    return flow.start(
        engine.system.db,
        action_id,
        worker="w",
        now=engine.clock(),
        lease=engine.system.settings.lease,
        policy=engine.system.policy.hash,
        kinds=list(CATALOGUE),
        unguarded=list(CATALOGUE),
        versioned=[],
        approving=True,
        **more,
    )


def waits(engine, asked: Future) -> bool:
    """Whether whoever asked waits for somebody else's transaction."""
    assert not asked.done()
    return waits_for_a_lock(engine.system.db)


def waiting(engine) -> int:
    """How many wait for a row, or behind somebody who waits for it."""
    asking = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with engine.system.db.read() as tx:
        return int(tx.exec_driver_sql(asking).scalar_one())


def attempts(engine, action_id):
    with engine.system.db.read() as tx:
        return actions.attempts_of(tx, action_id)


def refuse(engine, change):
    with engine.system.db.write() as tx:
        tx.exec_driver_sql(REFUSING.format(change=change))


def test_whoever_is_told_before_the_commit_waits_for_it_and_begins_then(engine, somebody, worker):
    action_id = write_a_yes(engine, somebody)

    asked = worker.submit(start, engine, action_id)
    until(lambda: waits(engine, asked), "it does not wait")
    assert attempts(engine, action_id) == []
    somebody.commit()
    snapshot, begun = asked.result(60)

    assert (snapshot.action.state, snapshot.action.approved_digest) == (ActionState.APPROVED, snapshot.action.digest)
    assert (snapshot.chain, snapshot.case) == (flow.snapshot(engine.system.db, action_id).chain, engine.case())
    assert begun == (engine.action("refund_payment"), *attempts(engine, action_id))
    assert begun[0].state == ActionState.EXECUTING


def test_a_yes_that_is_rolled_back_begins_nothing(engine, somebody, worker):
    action_id = write_a_yes(engine, somebody)

    asked = worker.submit(start, engine, action_id)
    until(lambda: waits(engine, asked), "it does not wait")
    somebody.rollback()
    snapshot, begun = asked.result(60)

    assert (snapshot.action.state, begun) == (ActionState.PENDING, None)
    assert attempts(engine, action_id) == []
    assert engine.decide(snapshot.action).state == ActionState.APPROVED, "it is held"


def test_whoever_is_told_after_the_commit_begins_at_once(engine, somebody):
    action_id = write_a_yes(engine, somebody)
    somebody.commit()

    assert start(engine, action_id)[1] is not None


def test_whoever_was_told_before_there_was_a_yes_leaves_it_to_the_next(engine, somebody):
    action_id = engine.action("refund_payment").id
    assert start(engine, action_id)[1] is None

    write_a_yes(engine, somebody)
    somebody.commit()

    assert start(engine, action_id)[1] is not None
    assert start(engine, action_id)[1] is None, "it was begun twice"
    assert len(attempts(engine, action_id)) == 1


def test_two_that_are_told_of_one_yes_begin_it_once(engine, somebody):
    action_id = write_a_yes(engine, somebody)

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(execute.carry_out, engine.system, engine.writers, action_id, approving=True) for _ in "12"]
        until(lambda: waits(engine, asked[0]), "nobody waits")
        somebody.commit()
        for one in asked:
            one.result(60)

    assert engine.house.done("refund") == [4000]
    assert [one.outcome for one in attempts(engine, action_id)] == ["done"]


def test_two_that_wait_for_one_yes_do_not_wait_for_each_other(engine, somebody):
    """Each that finds the row free holds it alone until its transaction is over."""
    action_id = write_a_yes(engine, somebody)

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(start, engine, action_id) for _ in "12"]
        until(lambda: waiting(engine) == 2, "they do not wait")
        somebody.commit()
        begun = [one.result(60)[1] for one in asked]

    assert begun.count(None) == 1, "each of the two took the other's row, or both began it"
    assert len(attempts(engine, action_id)) == 1


# ── what is told, and when ───────────────────────────────────────────────────────────────────────────────────────────


class Told:
    """Hints as they are on Redis, and what they saw when they were told."""

    def __init__(self, engine, hints):
        self.engine, self._hints = engine, hints
        self.early, self.late = [], []

    def approving(self, action_id):
        self.early.append(action_id)
        return True

    def action(self, action_id, known=None):
        self.late.append(action_id)

    def __getattr__(self, name):
        return getattr(self._hints, name)


def say_yes(engine):
    action = engine.action("refund_payment")
    choice = Choice(Word.APPROVE, action.revision, action.digest)
    snapshot = flow.snapshot(engine.system.db, action.id)
    return service.approve(engine.system, engine.person(), snapshot, choice)


def listening(engine):
    made = Told(engine, engine.hints)
    engine.system = replace(engine.system, hints=made)
    return made


@pytest.fixture
def told(engine):
    return listening(engine)


@pytest.mark.parametrize("limited", [False, True], ids=["within no limits", "within limits"])
def test_one_hint_is_enough(request, limited):
    engine = request.getfixturevalue("within_limits" if limited else "engine")
    told = listening(engine)

    done = say_yes(engine)

    assert done.state == ActionState.APPROVED
    assert (told.early, told.late) == ([done.id], [])
    execute.carry_out(engine.system, engine.writers, done.id, approving=True)
    assert engine.house.done("refund") == [4000]


def test_where_no_hint_can_go_before_the_commit_one_goes_after_it(engine, told, monkeypatch):
    monkeypatch.setattr(told, "approving", lambda _: False)

    assert (say_yes(engine).id, told.late) == (told.late[0], [told.late[0]])


def test_a_yes_that_changes_nothing_is_told_to_nobody(engine, told):
    action = engine.action("refund_payment")
    snapshot = flow.snapshot(engine.system.db, action.id)
    with engine.system.db.write() as tx:
        actions.change(tx, action, now=engine.clock(), waiting_for="Something")

    choice = Choice(Word.APPROVE, action.revision, action.digest)
    assert service.approve(engine.system, engine.person(), snapshot, choice) is None
    assert (told.early, told.late) == ([], [])


def refuse_the_statement(engine, change):
    """And not only its commit, after a second in which it holds what it holds."""
    refusing = REFUSING.format(change=change).replace("INITIALLY DEFERRED", "INITIALLY IMMEDIATE")
    with engine.system.db.write() as tx:
        tx.exec_driver_sql(refusing.replace("BEGIN RAISE", "BEGIN PERFORM pg_sleep(1); RAISE"))


@pytest.mark.parametrize("limited", [False, True], ids=["within no limits", "within limits"])
def test_it_is_told_before_it_is_written_as_soon_as_nobody_else_can_change_it(request, limited, somebody):
    engine = request.getfixturevalue("within_limits" if limited else "engine")
    told = listening(engine)
    action = engine.action("refund_payment")
    refuse_the_statement(engine, "UPDATE ON actions")
    rows = []

    def looking(action_id):
        rows.append(somebody.execute("SELECT state FROM actions WHERE id = %s", (action_id,)).fetchone()[0])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            somebody.execute("SELECT FROM actions WHERE id = %s FOR NO KEY UPDATE NOWAIT", (action_id,))
        return True

    told.approving = looking
    with pytest.raises(psycopg.errors.RaiseException):
        say_yes(engine)

    assert rows == [ActionState.PENDING]
    assert engine.action("refund_payment") == action


def test_a_yes_that_is_asked_for_again_tells_again_of_itself(within_limits, monkeypatch):
    """Whoever was told of the first asking has found nothing, and the second may go along with others, and tell nobody early."""
    engine = within_limits
    told = listening(engine)
    ask, asked = engine.system.db.ask, []

    def overtaken(order, statement, values, **how):
        if not how.get("first"):
            return ask(order, statement, values, **how)
        asked.append(values)
        if len(asked) == 1:
            with engine.system.db.direct() as one:
                how["before_commit"](one.answer(bound("SELECT 1", None)))
                raise UniqueViolation(info={DiagnosticField.CONSTRAINT_NAME: b"pk_limit_counters"})
        return ask(order, statement, values, **{**how, "before_commit": None, "first": None})

    monkeypatch.setattr(engine.system.db, "ask", overtaken)
    done = say_yes(engine)

    assert len(asked) == 2
    assert (told.early, told.late) == ([done.id], [done.id])


def test_it_is_told_before_the_commit_and_a_commit_that_is_refused_begins_nothing(engine, told):
    action = engine.action("refund_payment")
    refuse(engine, "UPDATE ON actions")

    with pytest.raises(psycopg.errors.RaiseException):
        say_yes(engine)
    assert (told.early, told.late) == ([action.id], [])
    execute.carry_out(engine.system, engine.writers, action.id, approving=True)

    assert engine.action("refund_payment") == action
    assert attempts(engine, action.id) == []
    assert engine.house.done("refund") == []


def test_nothing_is_sent_of_a_begin_whose_commit_is_refused(engine, told):
    action_id = say_yes(engine).id
    refuse(engine, "INSERT ON attempts")
    prepared = []

    with pytest.raises(psycopg.errors.RaiseException):
        start(engine, action_id, on_begin=lambda *begun: prepared.append(begun))
    assert len(prepared) == 1, "it is not told before the commit"
    with pytest.raises(psycopg.errors.RaiseException):
        execute.carry_out(engine.system, engine.writers, action_id, approving=True)

    assert engine.house.done("refund") == []
    assert engine.action("refund_payment").state == ActionState.APPROVED


def test_what_breaks_while_it_is_prepared_breaks_no_connection_and_is_carried_out_all_the_same(
    engine, told, monkeypatch
):
    action_id = say_yes(engine).id
    prepare, calls = execute._prepare, []

    def breaking(*given):
        calls.append(given)
        if len(calls) == 1:
            raise RuntimeError("once")
        return prepare(*given)

    monkeypatch.setattr(execute, "_prepare", breaking)
    execute.carry_out(engine.system, engine.writers, action_id, approving=True)

    assert engine.house.done("refund") == [4000]


@pytest.mark.parametrize("several", [False, True])
def test_whoever_breaks_when_he_is_told_leaves_the_connection_in_order(engine, several):
    def breaking(_result):
        raise RuntimeError("told")

    statements = [("SELECT 1", None), ("SELECT 2", None)]
    with engine.system.db.direct() as one:
        asked = [bound(*each) for each in statements[: 1 + several]]
        with pytest.raises(RuntimeError, match="told"):
            one.answers(asked, breaking)
        assert one.is_at_rest()
        assert [rows.fetchall() for rows in one.together(statements)] == [[(1,)], [(2,)]]
