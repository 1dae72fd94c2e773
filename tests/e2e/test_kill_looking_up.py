"""`kill -9` while an agent plans and looks things up over true HTTP: nothing that was recorded is asked for twice."""

from __future__ import annotations

import json
import signal

import pytest

from integrations.sample_company.cast import ANA
from tests.e2e.test_kill import DRAFT, TRIAGE
from tests.kit.installation import Installation
from tests.servers.messages_api import Blocks, MessagesApi
from workers.pipeline import LOOP_POINTS
from workers.store import cases, steps

PLAN = {
    "goal": "Ana gets back what the torn cover cost.",
    "steps": [{"what": "What else she ordered", "tool": "find_order", "why": "It may be the wrong order"}],
    "would_change": "An earlier refund",
}
#: triage, plan, two turns with look-ups, the draft
CALLS = 5
#: where an answer of the model has come and is not yet committed
UNRECORDED = {f"case.{name}.{when}" for name in ("plan", "turn") for when in ("called", "committing")}


def _uses(number, **calls):
    blocks = [
        {"type": "tool_use", "id": f"toolu_{number}_{i}", "name": name, "input": arguments}
        for i, (name, arguments) in enumerate(calls.items())
    ]
    return Blocks([{"type": "text", "text": "Let me look."}, *blocks], "tool_use")


def _script(request):
    asked = json.dumps(request.get("output_config", ""))
    if "would_change" in asked:
        return PLAN
    if "actions" not in asked:
        return TRIAGE
    results = sum("tool_result" in json.dumps(message["content"]) for message in request["messages"])
    if results == 0:
        return _uses(1, find_order={"number": ANA.order_number}, search_help={"query": "torn rain cover"})
    return _uses(2, read_earlier_tickets={}) if results == 1 else DRAFT


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


def recorded(installation, subject):
    with installation.db.read() as tx:
        return [step.name for step in steps.of_case(tx, cases.on_subject(tx, subject).id)]


@pytest.mark.parametrize("point", LOOP_POINTS)
def test_killed_at(installation, api, point):
    installation.start(crash_at=point)
    subject = installation.ticket()
    with pytest.raises(ProcessLookupError) as died:  # else the point is listed, but no case passes it
        installation.drive(subject)
    assert died.value.args == (-signal.SIGKILL,)

    installation.start()
    case = installation.drive(subject)

    assert case.outcome == "done"
    assert installation.recorded_calls(subject) == CALLS
    assert len(api.requests) - CALLS <= (1 if point in UNRECORDED else 0), "a recorded model call was repeated"
    looked_up = ["turn-1", "turn-1.1", "turn-1.2", "turn-2", "turn-2.1"]
    assert sorted(recorded(installation, subject)) == sorted(["triage", "gather", "plan", *looked_up, "draft"])
    assert installation.broken_audit() == []
