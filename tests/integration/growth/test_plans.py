"""A hundred thousand closed cases weigh nothing on the work of now: no statement reads its way through them.

Looked at are plans and the rows that they touched, never times. Everything runs as in production: the real pipeline, the
inbox, the sweeper; PostgreSQL explains each statement that it gets.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit import history
from tests.kit.engine import START, make_engine, refund, reply
from tests.kit.plans import watch
from tests.servers.postgres import Postgres, binaries
from workers.archive import monthly
from workers.inbox import lists, timeline
from workers.limits import counters
from workers.store import (
    actions,
    audit,
    autonomy_watches,
    cases,
    decided,
    due,
    events,
    examples,
    figures,
    inbox,
    processes,
    schema,
    shadow_verdicts,
    switches,
)
from workers.store import archive as store
from workers.store.database import Database

CLOSED = 100_000
#: what a statement of the flow may look at in one table; the pages of lists and batches are this long at most
A_FEW = 700
#: reading the newest cases in search of a text
RECENT = inbox.RECENT + A_FEW
BIG = set(history.FILLED)
AN_OLD = "case_00" + "50000".zfill(24)
AN_ACTION = "act_00" + "50000".zfill(24)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: `make test` installs it where it may")
    with Postgres() as server:
        url = server.database("plans")
        db = Database(url)
        schema.upgrade(db)
        folder = tmp_path_factory.mktemp("plans")
        history.fill(db, CLOSED, until=START - timedelta(days=40))
        db.dispose()
        made = make_engine(folder, url=url)
        yield made
        made.system.close()


def work(engine, ticket: str):
    """A case from its webhook to its end, with a decision by a person, a second message, and the sweeper on its heels."""
    engine.model.drafts = [[refund(), reply()]]
    engine.event(delivery=f"n{ticket}", ticket=ticket)
    engine.drain()
    engine.event(delivery=f"m{ticket}", ticket=ticket)
    engine.event(delivery=f"m{ticket}", ticket=ticket)
    engine.drain()
    for action in engine.actions():
        if action.state == "pending":
            engine.decide(action)
    engine.clock.on(hours=1)
    engine.sweep()
    return engine.case()


def test_the_way_of_a_case_touches_none_of_the_closed_ones(engine):
    with watch(engine.system.db) as plans:
        case = work(engine, "new1")

    assert case.closed_at is not None
    assert plans.sequential(BIG) == []
    assert plans.wide(A_FEW) == []
    assert {"uq_cases_open_subject", "pk_cases", "ix_events_case_id", "ix_actions_done_to"} <= plans.indexes()


def looking(engine):
    """Every question that is asked again and again, by name."""
    now, person = engine.clock(), engine.person()
    domains = ("support", "transactions")
    return {
        "due cases": lambda tx: due.due_cases(tx, now, 500, customer_cap=5, source_cap=50),
        "due actions": lambda tx: due.due_actions(tx, now, 500),
        "waiting": lambda tx: due.waiting(tx, now),
        "due, plainly": lambda tx: (cases.due(tx, now, 500), actions.due(tx, now, 500)),
        "an open subject": lambda tx: cases.find_open(tx, "support", "house:ticket:old5"),
        "who needs attention": cases.needing_attention,
        "what waits for people": lambda tx: inbox.waiting(tx, now=now, limit=lists.MOST_LOOKED_AT),
        "figures": lambda tx: figures.take(tx, now, since=datetime.now(UTC), seen_within=timedelta(seconds=10)),
        "put off": lambda tx: inbox.snoozed(tx, now=now),
        "done": inbox.finished,
        "done in a domain": lambda tx: inbox.finished(tx, domain="support"),
        "the inbox, mine": lambda tx: lists.load(tx, person, tab=lists.Tab.MINE, domain="", domains=domains, now=now),
        "the inbox, done": lambda tx: lists.load(tx, person, tab=lists.Tab.DONE, domain="", domains=domains, now=now),
        "a closed case's page": lambda tx: timeline.load(tx, AN_OLD),
        "newest cases": inbox.find_cases,
        "waiting cases": lambda tx: inbox.find_cases(tx, states=["waiting"]),
        "closed cases": lambda tx: inbox.find_cases(tx, states=["closed"], domain="support"),
        "the next page": lambda tx: inbox.find_cases(tx, before=AN_OLD),
        "pending actions": lambda tx: inbox.list_actions(tx, states=["pending"]),
        "actions of a case": lambda tx: inbox.list_actions(tx, case_id=AN_OLD),
        "the log's end": lambda tx: audit.since(tx, audit.last_id(tx) - 100),
        "a case's last change": lambda tx: inbox.last_change(tx, AN_OLD),
        "who works": lambda tx: (processes.all_of(tx), processes.holders(tx)),
        "how many stand where": actions.open_by_state,
        "what is under way": lambda tx: inbox.list_actions(tx, states=["executing"]),
        "what a switch would stop": switches.outgoing,
        "what is mine": lambda tx: processes.claimed_by(tx, "nobody:1:0"),
        "what the dead held": lambda tx: processes.free(tx, ["nobody:1:0"], now),
        "a redelivery": lambda tx: events.count_duplicate(tx, "house", "old77", None),
        "a redelivery by its body": lambda tx: events.count_duplicate(tx, "house", "other", "0" * 64),
        "what rules count": lambda tx: counters.read(tx, "support", "reply_to_customer", "customer7@example.com", now),
        "an action's revisions": lambda tx: actions.revisions_of(tx, AN_ACTION),
        "an action's records": lambda tx: decided.records_of(tx, AN_ACTION),
        "first judgements": lambda tx: decided.after(tx, AN_ACTION, until=now, limit=200),
        "what a shadow has not judged": lambda tx: shadow_verdicts.drafted(tx, "0" * 64, floor=AN_ACTION, limit=200),
        "what rules let through": lambda tx: autonomy_watches.passed(tx, AN_ACTION.replace("50000", "99900"), 200),
        "the same done before": lambda tx: actions.same_kind_and_target(tx, "reply_to_customer", "house:ticket:old9"),
    }


def test_what_is_asked_again_and_again_touches_a_few_rows(engine):
    touched = {}
    for name, ask in looking(engine).items():
        with watch(engine.system.db) as plans, engine.system.db.write() as tx:
            ask(tx)
        touched |= {f"{name}: {scan}": scan for scan in plans.sequential(BIG) + plans.wide(A_FEW)}

    assert list(touched) == []


@pytest.mark.parametrize(
    "words", ["old matter, number 99990", "customer7@example.com", "Customer7@Example.com", "house:ticket:old4", AN_OLD]
)
def test_finding_a_case_reads_the_newest_and_asks_indexes_for_the_rest(engine, words):
    with watch(engine.system.db) as plans, engine.system.db.read() as tx:
        found = inbox.find_cases(tx, text=words)

    assert found
    assert plans.sequential(BIG) == []
    assert plans.wide(RECENT) == []


def test_learning_at_the_start_of_a_process_is_bounded(engine):
    with watch(engine.system.db) as plans, engine.system.db.read() as tx:
        examples.confirmed(tx, limit=500)

    assert plans.wide(examples.RECENT + A_FEW) == []


def test_archiving_a_month_reads_that_month_alone_and_removing_checks_no_key_by_reading_a_table(engine, tmp_path):
    month = monthly.months(engine.system.db, before=engine.clock() - timedelta(days=31))[0]
    run = monthly.Run(engine.system.db, tmp_path, "operator:test", engine.clock)

    with watch(engine.system.db) as plans:
        with engine.system.db.write() as tx:
            page = store.ids(tx, month.begins, month.ends, after=None, limit=100)
            whole = store.whole(tx, [case_id for _, case_id in page])
        held = [monthly._exported(one) for one in whole]
        with engine.system.db.write() as tx:
            removed = store.remove(tx, "arch_none", held)

    assert run.folder == Path(tmp_path)
    assert removed == (100, 0)
    assert plans.sequential(BIG) == []
    assert plans.wide(A_FEW) == []
