"""Decisions at the same instant over real connections: one wins, everybody else is told who (A5)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.integration.inbox.conftest import seen
from tests.kit.engine import refund, reply
from tests.servers.inbox import serving
from workers.store.records import ActionState

MANY = 20


@pytest.fixture
def address(site):
    with serving(site.engine.system) as address:
        yield address


def at_once(address, calls):
    """Send all requests at the same moment; the answers, in order."""
    together = threading.Barrier(len(calls))

    def send(call):
        token, path, body = call
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=120) as client:
            together.wait()
            return client.post(path, json=body)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(send, calls))


def test_of_twenty_identical_approvals_one_counts(site, address):
    action = site.drafted(refund())[0]
    token, _ = site.token("decide", person=site.person("ana"))

    answers = at_once(
        address,
        [(token, f"/api/v1/actions/{action.id}/decision", {"decision": "approve", **seen(action)})] * MANY,
    )
    site.engine.drain()

    assert sorted(a.status_code for a in answers) == [200] + [409] * (MANY - 1)
    assert {a.json()["decided_by"] for a in answers} == {"person:ana@firm.example"}
    assert site.engine.house.done("refund") == [4000]


def test_of_an_approval_and_a_rejection_one_stands(site, address):
    ana, ben = (site.token("decide", person=site.person(name))[0] for name in ("ana", "ben"))
    for round_ in range(5):
        action = site.drafted(reply(), ticket=f"t{round_}", delivery=f"d{round_}")[0]
        path = f"/api/v1/actions/{action.id}/decision"

        answers = at_once(
            address,
            [
                (ana, path, {"decision": "approve", **seen(action)}),
                (ben, path, {"decision": "reject", "reason": "no", **seen(action)}),
            ],
        )

        lost = next(a for a in answers if a.status_code == 409).json()
        state = site.engine.actions()[0].state
        assert sorted(a.status_code for a in answers) == [200, 409]
        assert (lost["decision"], state) in {("approve", ActionState.APPROVED), ("reject", ActionState.REJECTED)}
        assert (
            lost["decided_by"]
            == {"approve": "person:ana@firm.example", "reject": "person:ben@firm.example"}[lost["decision"]]
        )
