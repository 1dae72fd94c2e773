"""A policy that people said yes to is followed by every process, whoever put it in force: real workers, one after the other."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.kit.governing import lay, written
from workers.governance import propose
from workers.inbox import service
from workers.inbox.words import Choice, Word
from workers.rulebook.book import EVERY_SECONDS, Book
from workers.store import actions, people, policy_sets
from workers.store.records import ActionState, CaseState

NO_TAGS = {
    "id": "no-tags",
    "actions": ["refund_payment", "add_tags"],
    "when": 'amount_minor == 1 || action_kind == "add_tags"',
    "outcome": "deny",
    "message": "We tag nothing any more",
}


@pytest.fixture
def workers(install, far_broker, tmp_path):
    made = install(far_broker)
    book = Book(made.system.db, lay(tmp_path / "policy", written()), clock=made.system.clock)
    book.begin()
    made.system = replace(made.system, rulebook=book)
    return made


def lead(workers, name):
    with workers.system.db.write() as tx:
        return people.add(
            tx,
            email=f"{name}@firm.example",
            name=name,
            password_hash="-",
            groups=("lead",),
            now=workers.system.clock(),
        )


def in_force(workers):
    with workers.system.db.read() as tx:
        return policy_sets.in_force(tx)


def test_what_was_approved_is_put_in_force_by_one_process_and_followed_by_the_other(workers):
    leads = [lead(workers, name) for name in ("ana", "ben", "cleo")]
    workers.start("worker", "--queues", "support", "--concurrency", "2")
    workers.start("worker", "--queues", "actions", "--concurrency", "2")
    workers.ticket()
    workers.until(lambda: workers.closed() == 1, "the first case is not worked")
    assert workers.tagged() == 1

    case = propose(workers.system, written(more=(NO_TAGS,)), "No tags.", "person:ana@firm.example")
    with workers.system.db.read() as tx:
        (action,) = actions.of_case(tx, case.id)
    for person in leads[1:]:
        service.decide(workers.system, person, action.id, Choice(Word.APPROVE, action.revision, action.digest))
    workers.until(lambda: in_force(workers).hash == action.arguments["hash"], "it is not put in force")
    time.sleep(2 * EVERY_SECONDS)
    subject = workers.ticket()
    workers.until(
        lambda: any(c.subject == subject and c.state == CaseState.CLOSED for c in workers.cases()), "not worked"
    )

    (second,) = [case for case in workers.cases() if case.subject == subject]
    with workers.system.db.read() as tx:
        (refused,) = actions.of_case(tx, second.id)
    assert (refused.state, refused.policy_hash) == (ActionState.DENIED, action.arguments["hash"])
    assert in_force(workers).by == "person:ben@firm.example, person:cleo@firm.example"
    assert workers.tagged() == 1
