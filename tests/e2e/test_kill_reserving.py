"""`kill -9` around a reservation: it is there with its action or not at all, so nothing is lost of a limit and nothing doubled.

The limit has room for one such refund. A reservation that outlived the process that made it would leave none.
"""

from __future__ import annotations

import json
import signal

import pytest
from sqlalchemy import select

from integrations.sample_company.cast import ANA
from tests.e2e.test_kill import DRAFT, TRIAGE, check
from tests.integration.limits.house import a_day, bundle
from tests.kit.installation import Installation
from tests.servers.messages_api import MessagesApi
from workers.conclusion import CRASH_POINTS
from workers.store.limit_tables import limit_holds

#: a policy that nobody tested is not taken up
TESTS = {
    "bundle": "house",
    "given": {
        "domain": "support",
        "action_kind": "refund_payment",
        "risk": "high",
        "reversible": False,
        "delivery": "idempotent",
        "has_amount": True,
        "currency": ANA.currency,
        "occurred_at": "2026-11-20T12:00:00Z",
    },
    "groups": [
        {
            "about": "refunds",
            "tests": [
                {
                    "name": "something",
                    "facts": {"amount_minor": 100},
                    "expect": {"outcome": "allow", "rules": ["pay"], "limits": ["a-day"]},
                },
                {"name": "nothing", "facts": {"amount_minor": 0}, "expect": {"outcome": "review", "rules": []}},
            ],
        }
    ],
}
#: where an answer has come and is not yet committed
UNRECORDED = {*CRASH_POINTS, "case.decide.committing"}


@pytest.fixture
def api():
    with MessagesApi() as server:
        server.answer(lambda request: DRAFT if "actions" in str(request["output_config"]) else TRIAGE)
        yield server


@pytest.fixture
def installation(tmp_path, api):
    policy = tmp_path / "policy"
    policy.mkdir()
    limit = {**a_day(7_000, "deny"), "currency": ANA.currency}
    (policy / "house.yaml").write_text(json.dumps(bundle(limit)))
    (policy / "house.test.yaml").write_text(json.dumps(TESTS))
    made = Installation(
        tmp_path / "data",
        ANTHROPIC_API_KEY="key",
        ANTHROPIC_BASE_URL=api.url,
        ANTHROPIC_MODEL="model-x",
        CASEWORKER_LEASE_SECONDS="30",
        CASEWORKER_LOOP_TURNS="0",
        CASEWORKER_POLICY_DIR=str(policy),
    )
    yield made
    made.close()


@pytest.mark.parametrize(
    "point", [*CRASH_POINTS, "case.decide.committing", "case.decide.committed", "action.attempt_committed"]
)
def test_killed_at(installation, api, point):
    installation.start(crash_at=point)
    subject = installation.ticket()
    with pytest.raises(ProcessLookupError) as died:
        installation.drive(subject)
    assert died.value.args == (-signal.SIGKILL,)

    installation.start()
    check(installation, subject, api, in_flight=1 if point in UNRECORDED else 0)

    with installation.db.read() as tx:
        assert tx.execute(select(limit_holds.c.minor)).scalars().all() == [4000]
