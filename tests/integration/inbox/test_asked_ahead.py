"""The thread that reads requests asks the database without waiting; whoever hears the answer finds what he would have asked himself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.inbox.conftest import Web
from tests.integration.inbox.test_straight import path, program, site, yes
from tests.kit.engine import make_engine, refund
from workers import web
from workers.access import hash_token
from workers.inbox import straight
from workers.store import asking

__all__ = ["program", "site"]


@pytest.fixture
def known(tmp_path, on_postgresql):
    """A database with a token and an action, and what both are asked by."""
    engine = make_engine(tmp_path, url=on_postgresql)
    inbox = Web(engine, web.make_app(engine.system, webhooks={}))
    plain, _ = inbox.token("decide", person=inbox.person("ana"))
    action = inbox.drafted(refund())[0]
    yield engine.system.db, hash_token(plain), action.id
    engine.system.close()


def lent_out(db) -> int:
    """How many places are taken."""
    return 30 - db._lending._places._value


def test_what_is_heard_is_what_would_have_been_asked(known):
    plain = asking.at_once(*known)

    asked = asking.ahead(*known)
    assert asked is not None
    assert lent_out(known[0]) == 1
    heard = asking.at_once(*known, asked)

    assert heard == plain
    assert None not in plain
    assert lent_out(known[0]) == 0


def test_another_thread_may_hear_it(known):
    plain, asked = asking.at_once(*known), asking.ahead(*known)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asking.at_once, *known, asked).result(60) == plain


def test_nothing_is_asked_where_that_would_take_a_journey(known):
    db = known[0]
    db._lending.dispose()
    assert asking.ahead(*known) is None, "it opened a connection"

    with db.direct() as one:
        one.execute("SELECT 1")
    assert asking.ahead(*known) is None, "it prepared a statement"

    assert lent_out(db) == 0
    assert asking.at_once(*known)[1] is not None


def test_what_is_asked_of_a_connection_that_has_died_is_asked_again(known):
    db = known[0]
    plain = asking.at_once(*known)
    with db.write() as tx:
        ended = tx.exec_driver_sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        ).scalar_one()
    assert ended > 0

    assert asking.at_once(*known, asking.ahead(*known)) == plain
    assert lent_out(db) == 0


def test_a_statement_that_the_server_has_forgotten_is_prepared_again(known):
    db = known[0]
    plain = asking.at_once(*known)
    with db.direct() as one:
        one.execute("DEALLOCATE ALL")

    assert asking.at_once(*known, asking.ahead(*known)) == plain
    assert asking.ahead(*known)() is not None
    assert lent_out(db) == 0


def test_where_all_places_are_taken_nothing_is_asked(known):
    db = known[0]
    asking.at_once(*known)
    taken = [db._lending._places.acquire(blocking=False) for _ in range(30)]
    assert all(taken)
    try:
        assert asking.ahead(*known) is None
    finally:
        for _ in taken:
            db._lending._places.release()
    assert asking.ahead(*known)() is not None


def test_only_a_few_are_asked_ahead_and_all_are_answered(site, program, monkeypatch):
    """Whoever comes when threads are busy asks for himself, so that no connection waits for a thread."""
    ahead, at_once = asking.ahead, asking.at_once
    tried, enough = [], threading.Barrier(straight.FEW + 1)

    def asked_ahead(*given):
        tried.append(given)
        return ahead(*given)

    def all_there(*given):
        enough.wait(60)
        return at_once(*given)

    monkeypatch.setattr(straight.asking, "ahead", asked_ahead)
    monkeypatch.setattr(straight.asking, "at_once", all_there)
    drafted = [site.drafted(refund(), ticket=str(n), delivery=f"d{n}")[-1] for n in range(straight.FEW + 1)]

    with ThreadPoolExecutor(len(drafted)) as pool:
        answers = list(pool.map(lambda action: program.post(path(action), json=yes(action)), drafted))

    assert [answer.status_code for answer in answers] == [200] * len(drafted)
    assert len(tried) == straight.FEW
