"""Statements of several threads travel together: one commit, each its own row, and nobody held up or refused for a stranger."""

from __future__ import annotations

import os

import psycopg
import pytest

from tests.kit.crowd import Crowd, gathered
from tests.kit.patience import until
from workers.store.database import Database, StoreUnavailable
from workers.store.group_commit import MOST, GroupCommit

ADD = "INSERT INTO kept (id, by) VALUES (%(id)s, %(by)s) RETURNING id, pg_current_xact_id()::text"


@pytest.fixture
def db(on_postgresql):
    made = Database(on_postgresql, connections=40, busy_seconds=30)
    with made.write() as tx:
        tx.exec_driver_sql("CREATE TABLE kept (id int CONSTRAINT one_of_each PRIMARY KEY, by text)")
    yield made
    made.dispose()


def kept(db: Database) -> list[int]:
    with db.read() as tx:
        return [row[0] for row in tx.exec_driver_sql("SELECT id FROM kept ORDER BY id")]


def test_those_who_ask_at_one_moment_share_a_commit_and_each_gets_its_own_row(db):
    crowd = Crowd(db)
    with gathered(db, crowd):
        for number in range(5):
            crowd.ask(ADD, {"id": number, "by": "x"})

    rows = crowd.done()[1:]

    assert [row[0] for row in rows] == kept(db) == [0, 1, 2, 3, 4]
    assert len({row[1] for row in rows}) == 1


def test_one_that_is_refused_refuses_nobody_else(db):
    crowd = Crowd(db)
    with gathered(db, crowd):
        for number in (1, 2, 1):
            crowd.ask(ADD, {"id": number, "by": "x"})
        crowd.ask("SELECT 1 / %(n)s::int", {"n": 0})

    first, second, again, divided = crowd.done()[1:]

    assert kept(db) == [1, 2]
    assert second[0] == 2
    (refused,) = [one for one in (first, again) if isinstance(one, psycopg.errors.UniqueViolation)]
    assert refused.diag.constraint_name == "one_of_each"
    assert isinstance(divided, psycopg.errors.DivisionByZero)


def test_one_that_waits_for_somebody_elses_row_holds_up_nobody(db):
    db.ask("case", ADD, {"id": 1, "by": "x"})
    crowd = Crowd(db)
    with db.write() as tx:
        tx.exec_driver_sql("SELECT FROM kept WHERE id = 1 FOR UPDATE")
        with gathered(db, crowd):
            crowd.ask("UPDATE kept SET by = 'y' WHERE id = 1 RETURNING by", order="a")
            crowd.ask(ADD, {"id": 2, "by": "x"}, order="b")
        until(lambda: 2 in crowd.found)
        meanwhile = dict(crowd.found)

    assert 1 not in meanwhile
    assert meanwhile[2][0] == 2
    assert crowd.done()[1] == ("y",)


def test_who_waits_for_a_turn_is_waited_for_by_nobody_else(db):
    db.ask("case", ADD, {"id": 1, "by": "x"})
    crowd = Crowd(db)
    with db.write() as tx:
        tx.exec_driver_sql("SELECT FROM kept WHERE id = 1 FOR UPDATE")
        update = "UPDATE kept SET by = 'y' WHERE id = 1 RETURNING by"
        crowd.begin(lambda: db.ask("a", update, None, in_turn=True).fetchone())
        until(lambda: db._in_turn._led)

        assert db.ask("b", ADD, {"id": 2, "by": "x"}).fetchone()[0] == 2
        assert crowd.found == {}

    assert crowd.done() == [("y",)]


def test_a_group_gives_up_on_a_row_before_the_server_looks_for_a_deadlock_and_one_that_waits_for_its_turn_later(db):
    asked = "SELECT setting::int FROM pg_settings WHERE name = %(name)s"
    others, turn = (db.ask("a", asked, {"name": "lock_timeout"}, in_turn=one).fetchone()[0] for one in (False, True))

    assert 0 < others < turn < db.ask("a", asked, {"name": "deadlock_timeout"}).fetchone()[0]


@pytest.mark.parametrize("order", ["a", "z"])
def test_of_a_connection_that_is_cut_with_a_group_on_it_everybody_hears(db, order):
    crowd = Crowd(db)
    with gathered(db, crowd):
        crowd.ask(ADD, {"id": 1, "by": "x"}, order="m")
        crowd.ask("SELECT pg_terminate_backend(pg_backend_pid())", order=order)
        crowd.ask(ADD, {"id": 2, "by": "x"}, order="n")

    assert [type(one) for one in crowd.done()[1:]] == [StoreUnavailable] * 3
    assert kept(db) == []
    assert db.ask("case", ADD, {"id": 3, "by": "x"}).fetchone()[0] == 3


class Interrupting:
    """Lends out the connection of groups, but to the first two: a signal comes in between."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.times = 0

    def borrow(self):
        self.times += 1
        if self.times == 1:
            until(lambda: len(self.db._group._waiting) == 3)
        if self.times <= 2:
            raise KeyboardInterrupt
        return self.db._common.borrow()

    def give_back(self, lent, era):
        self.db._common.give_back(lent, era)


def test_an_interrupted_leader_leaves_nobody_behind(db):
    """Those that went with him hear that it is not known what became of it; who comes later goes on."""
    db._group = GroupCommit(Interrupting(db))
    crowd = Crowd(db)
    crowd.ask(ADD, {"id": 1, "by": "x"})
    until(lambda: db._group._led and not db._group._waiting)
    for number in (2, 3, 4):
        crowd.ask(ADD, {"id": number, "by": "x"})

    first, *others = (type(one) for one in crowd.done())

    assert first is KeyboardInterrupt
    assert sorted(one.__name__ for one in others) == ["KeyboardInterrupt", "StoreUnavailable", "StoreUnavailable"]
    assert db.ask("case", ADD, {"id": 5, "by": "x"}).fetchone()[0] == 5
    assert kept(db) == [5]


class Disturbed:
    """Whoever waits for others at it is interrupted."""

    def acquire(self, *, blocking=True, timeout=-1):
        if timeout > 0:
            raise KeyboardInterrupt
        return blocking

    def release(self):
        pass


def test_who_is_interrupted_while_others_are_waited_for_writes_nothing_and_is_in_nobodys_way(db):
    db._group = GroupCommit(db._common, gathering=3600, recently=3600, busy=0)
    db.ask("case", ADD, {"id": 1, "by": "x"})
    db._group._full = Disturbed()
    crowd = Crowd(db)
    crowd.ask(ADD, {"id": 2, "by": "x"})

    assert [type(one) for one in crowd.done()] == [KeyboardInterrupt]
    assert (db._group._led, db._group._waiting) == (False, [])
    db._group._gathering = 0
    assert db.ask("case", ADD, {"id": 3, "by": "x"}).fetchone()[0] == 3
    assert kept(db) == [1, 3]


def test_more_than_go_together_go_one_group_after_the_other(db):
    crowd = Crowd(db)
    with gathered(db, crowd):
        for number in range(MOST + 3):
            crowd.ask(ADD, {"id": number, "by": "x"})

    rows = crowd.done()[1:]

    assert [row[0] for row in rows] == list(range(MOST + 3))
    assert len({row[1] for row in rows}) == 2


def test_of_more_than_go_together_the_oldest_cases_go_first_and_whoever_leads(db):
    """Each once, whatever its place: the youngest that leads is not left behind, nor asked a second time."""
    crowd = Crowd(db)
    with gathered(db, crowd):
        crowd.ask(ADD, {"id": 900, "by": "x"}, order="case_900")
        until(lambda: len(db._group._waiting) == 1)
        for number in reversed(range(MOST + 2)):
            crowd.ask(ADD, {"id": number, "by": "x"}, order=f"case_{number:03}")

    went = dict(crowd.done()[1:])

    assert kept(db) == [*range(MOST + 2), 900]
    assert len(set(went.values())) == 2
    first = went[900]
    assert {number for number, group in went.items() if group == first} == {900, *range(MOST - 1)}


def test_who_is_alone_waits_for_nobody_and_hears_his_own_errors(db):
    db._group = GroupCommit(db._common, gathering=3600)

    assert db.ask("case", ADD, {"id": 1, "by": "x"}).fetchone()[0] == 1
    with pytest.raises(psycopg.errors.UniqueViolation) as refused:
        db.ask("case", ADD, {"id": 1, "by": "x"})
    assert refused.value.diag.constraint_name == "one_of_each"
    with pytest.raises(psycopg.DataError):
        db.ask("case", ADD, {"id": 2, "by": "\0"})


def test_where_others_ask_too_one_waits_for_them(db):
    db._group = GroupCommit(db._common, gathering=3600, recently=3600, busy=0)
    alone = db.ask("case", ADD, {"id": 1, "by": "x"}).fetchone()
    crowd = Crowd(db)
    for number in (2, 3):
        crowd.ask(ADD, {"id": number, "by": "x"})

    second, third = crowd.done()

    assert alone[1] != second[1] == third[1]


def test_who_waits_while_all_connections_are_left_gets_his_answer(db):
    crowd = Crowd(db)
    with gathered(db, crowd):
        for number in (1, 2, 3):
            crowd.ask(ADD, {"id": number, "by": "x"})
        db.dispose()

    assert [row[0] for row in crowd.done()[1:]] == kept(db) == [1, 2, 3]


def test_a_forked_process_asks_over_connections_of_its_own(db, on_postgresql):
    assert db.ask("case", ADD, {"id": 1, "by": "parent"}).fetchone()[0] == 1
    db.dispose()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            own = Database(on_postgresql, connections=2)
            code = 0 if own.ask("case", ADD, {"id": 2, "by": "child"}).fetchone()[0] == 2 else 1
        finally:
            # Whatever came of it, the child is no second run of the tests.
            os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert db.ask("case", ADD, {"id": 3, "by": "parent"}).fetchone()[0] == 3
    assert kept(db) == [1, 2, 3]
