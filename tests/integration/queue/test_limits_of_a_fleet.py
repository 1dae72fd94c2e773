"""How often a vendor may be called is one number for all processes that carry actions out, whichever broker keeps it."""

from __future__ import annotations

import pytest

from workers.store import inbox
from workers.store.records import ActionState

#: one call at first, and the next after an hour; what was about to be sent when the machine stood still is sent all the same
ONE = {
    "CASEWORKER_VENDOR_LIMITS": "sample=1/h",
    "CASEWORKER_LEASE_SECONDS": "300",
    "CASEWORKER_DEAD_AFTER_SECONDS": "300",
}


@pytest.fixture
def workers(install, far_broker):
    return install(far_broker, CASEWORKER_SWEEP_SECONDS="0.2")


def waiting(workers):
    """Why approved actions are not carried out yet."""
    with workers.system.db.read() as tx:
        found = inbox.list_actions(tx, states=(ActionState.APPROVED,), case_id=None, before=None, limit=10)
    return [action.waiting_for for action in found if action.waiting_for]


def test_what_one_worker_has_used_up_another_has_not_either(workers):
    workers.start("sweep")
    workers.start("worker", "--queues", "support")
    first = workers.start("worker", "--queues", "actions", **ONE)
    for _ in range(2):
        workers.ticket()
    workers.until(lambda: workers.tagged() + len(waiting(workers)) == 2, "not both were tried")
    first.kill()
    first.wait(60)
    workers.start("worker", "--queues", "actions", **ONE)
    workers.ticket()

    workers.until(lambda: len(waiting(workers)) == 2, "the second worker holds nothing back")

    assert workers.tagged() == 1, "that a target is looked at first keeps no action from being carried out"
    assert all("is called as often as it may be (1/h)" in why for why in waiting(workers))
