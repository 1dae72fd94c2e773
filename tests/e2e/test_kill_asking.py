"""`kill -9` while one agent asks another over true HTTP: no question is asked twice, no answer lost, nobody waits for ever."""

from __future__ import annotations

import json
import signal

import pytest

from integrations.sample_company.cast import ANA
from tests.e2e.test_kill import DRAFT, TRIAGE
from tests.e2e.test_kill_looking_up import PLAN
from tests.kit.installation import Installation
from tests.servers.messages_api import Blocks, MessagesApi
from workers.pipeline import ASK_POINTS
from workers.store import children, proof

CHARGE = f"sample:charge:{ANA.charge_id}"
ANSWER = {"finding": "It does not look stolen.", "confidence": 0.9, "citations": [CHARGE], "unsure": None}
FLAGGED = {
    "summary": "A question about a charge",
    "language": "en",
    "risk_flags": [],
    "abstain": False,
    "typology": "unusual_but_legit",
    "review_level": "investigate",
    "urgency": "normal",
    "entities": {},
    "confidence": {"typology": 0.9, "review_level": 0.9, "urgency": 0.9},
}
#: triage, plan, the turn that asks, the draft; and for the other triage, plan, the answer
CALLS = 7


def _script(request):
    asked = json.dumps(request.get("output_config", ""))
    if "would_change" in asked:
        return PLAN
    if "finding" in asked:
        return ANSWER
    if "typology" in asked:
        return FLAGGED
    if "actions" not in asked:
        return TRIAGE
    if any("tool_result" in json.dumps(message["content"]) for message in request["messages"]):
        return DRAFT
    question = {"agent": "transactions", "question": "Does this charge look stolen?", "subject": CHARGE}
    return Blocks([{"type": "tool_use", "id": "toolu_1", "name": "ask_agent", "input": question}], "tool_use")


@pytest.fixture
def api():
    with MessagesApi() as server:
        server.answer(_script)
        yield server


@pytest.fixture
def installation(tmp_path, api):
    made = Installation(
        tmp_path / "data",
        ANTHROPIC_API_KEY="key",
        ANTHROPIC_BASE_URL=api.url,
        ANTHROPIC_MODEL="model-x",
        CASEWORKER_LEASE_SECONDS="30",
    )
    yield made
    made.close()


@pytest.mark.parametrize("point", ASK_POINTS)
def test_killed_at(installation, api, point):
    installation.start(crash_at=point)
    subject = installation.ticket()
    with pytest.raises(ProcessLookupError) as died:  # else the point is listed, but no case passes it
        installation.drive(subject)
    assert died.value.args == (-signal.SIGKILL,)

    installation.start()
    case = installation.drive(subject)

    assert case.outcome == "done"
    with installation.db.read() as tx:
        (question,) = children.of_case(tx, case.id)
    assert (question.state, question.answer["answer"]["finding"]) == ("answered", "It does not look stolen.")
    assert [fact["ref"] for fact in question.answer["facts"]] == [CHARGE]
    in_flight = 1 if point in ("case.answer.called", "case.answer.committing") else 0
    assert len(api.requests) - CALLS <= in_flight, "a recorded model call was repeated"
    with installation.db.read() as tx:
        assert proof.verify(tx) == []
