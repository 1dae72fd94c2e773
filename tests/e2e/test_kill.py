"""`kill -9` at every step boundary and in the middle of each outside call; then it is started again.

No event is lost, no recorded model call repeated, no effect at the sample company doubled. The points come from the code
that passes them, so a new step cannot be forgotten.
"""

from __future__ import annotations

import signal

import pytest

from integrations.sample_company.cast import ANA
from integrations.sample_company.faults import Fault as Weather
from tests.kit.installation import Installation
from tests.kit.workers import TRIAGE
from tests.servers.messages_api import MessagesApi
from workers.execute import CRASH_POINTS as ACTION_POINTS
from workers.pipeline import CALLING
from workers.pipeline import CRASH_POINTS as CASE_POINTS
from workers.store.records import ActionState

#: where an answer has come and is not yet committed: that one call, and no other, may be asked again
UNRECORDED = {f"case.{step}.{when}" for step in (*CALLING, "decide") for when in ("called", "committing")}
CHARGE = f"sample:charge:{ANA.charge_id}"
DRAFT = {
    "summary": "Refund and say so",
    "unsure": None,
    "actions": [
        {
            "kind": "refund_payment",
            "arguments": {
                "charge_id": ANA.charge_id,
                "amount_minor": 4000,
                "currency": ANA.currency,
                "reason": "torn",
            },
            "rationale": "It arrived torn.",
            "citations": [],
            "confidence": 0.95,
        },
        {
            "kind": "reply_to_customer",
            "arguments": {"body": "Hello Ana, we have refunded you."},
            "rationale": "To tell her.",
            "citations": [],
            "confidence": 0.95,
        },
    ],
}


@pytest.fixture
def api():
    with MessagesApi() as server:
        server.answer(lambda request: DRAFT if "actions" in str(request["output_config"]) else TRIAGE)
        yield server


@pytest.fixture
def installation(tmp_path, api):
    made = Installation(
        tmp_path / "data",
        ANTHROPIC_API_KEY="key",
        ANTHROPIC_BASE_URL=api.url,
        ANTHROPIC_MODEL="model-x",
        CASEWORKER_LEASE_SECONDS="30",
        CASEWORKER_LOOP_TURNS="0",
    )
    yield made
    made.close()


def check(installation, subject, api, *, in_flight=1):
    """What must hold in the end, wherever it died."""
    case = installation.drive(subject)
    effects = installation.company.effects

    assert case.outcome == "done"
    assert [e.amount_minor for e in effects("refund") if e.target == CHARGE] == [4000]
    assert len([e for e in effects("reply") if e.target == subject]) == 1
    assert installation.recorded_calls(subject) == 2
    assert len(api.requests) - 2 <= in_flight, "a recorded model call was repeated"
    assert installation.broken_audit() == []


@pytest.mark.parametrize("point", [*CASE_POINTS, *ACTION_POINTS])
def test_killed_at(installation, api, point):
    installation.start(crash_at=point)
    subject = installation.ticket()
    with pytest.raises(ProcessLookupError) as died:  # else the point is listed, but a whole case does not pass it
        installation.drive(subject)
    assert died.value.args == (-signal.SIGKILL,)

    installation.start()
    check(installation, subject, api, in_flight=1 if point in UNRECORDED else 0)


@pytest.mark.parametrize("task", ["triage", "draft"])
def test_killed_while_the_model_thinks(installation, api, task):
    installation.start()
    installation.ready()
    wanted = 1 if task == "triage" else 2
    subject = installation.ticket()
    installation.until(lambda: len(api.requests) >= wanted - 1, "the model is not asked")
    api.delay = 1.0
    installation.until(lambda: len(api.requests) >= wanted, "the model is not asked")
    installation.kill()
    api.delay = 0.0

    installation.start()
    check(installation, subject, api)


@pytest.mark.parametrize("operation", ["ticket", "customer", "refund", "reply"])
def test_killed_while_the_sample_company_is_slow(installation, api, operation):
    installation.start()
    installation.ready()
    installation.company.weather.fail_next(operation, Weather.SLOW, seconds=2.0)
    subject = installation.ticket()
    if operation in ("refund", "reply"):
        installation.until(lambda: len(installation.actions(subject)) == 2, "nothing was drafted")
        for action in installation.actions(subject):
            installation.approve(action)
    state = ActionState.EXECUTING if operation in ("refund", "reply") else None
    installation.until(lambda: not installation.company.weather.forecast(), "the weather was not drawn")
    if state is not None:
        installation.until(
            lambda: any(a.state == state for a in installation.actions(subject)), "nothing is being carried out"
        )
    installation.kill()

    installation.start()
    check(installation, subject, api, in_flight=0)
