"""docs/adding-an-agent.md, walked word for word on a copy of the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.walking import ROOT, blocks, passes_the_checks, run, walk

PAGE = ROOT / "docs" / "adding-an-agent.md"
#: what the walk imports beside the project
HERE = (Path(__file__).parent,)

WALK = """
import json, sys
from shop_in_memory import Event, Shop, gather
from integrations.base import EventType
from integrations.models.local import LocalModel
from workers.agents.roster import AGENTS
from workers.intake.receive import DOMAINS

agent, model, answers = AGENTS["returns"], LocalModel(), []
for text, email in json.loads(sys.argv[1]):
    data = {"title": "Return", "text": text, "requester_email": email}
    event = Event(EventType.RETURN_ANNOUNCED.value, "shop:ticket:7", data)
    triage = model.answer(agent.ask_triage([event])).output.model_dump(mode="json") | {"primary_field": agent.primary}
    found = gather(agent, Shop(), [event], triage)
    draft = model.answer(agent.ask_draft([event], triage, found.facts, None, [])).output.model_dump(mode="json")
    answers.append({"reason": triage["reason"], "missing": found.missing, "actions": draft["actions"]})
print(json.dumps({"domain": DOMAINS[EventType.RETURN_ANNOUNCED], "answers": answers}))
"""

THROUGH = """
import json, sqlite3, sys
from datetime import UTC, datetime
from pathlib import Path
from integrations.base import EventType, InboundEvent
from workers import pipeline, wiring
from workers.inbox import service
from workers.inbox.words import Choice, Word
from workers.intake.receive import Provenance, receive
from workers.queue import QUEUES
from workers.settings import Settings
from workers.store import actions, cases, people
from workers.store.schema import upgrade

data = Path(sys.argv[1])
system = wiring.build(Settings(_env_file=None, data=data, log_level="ERROR"), environment={})
upgrade(system.db)
# The sample company's customers; it is made when it is first asked.
from integrations.base import CrmReader
system.readers.find("sample", CrmReader).customer("nobody@example.com")
email = sqlite3.connect(data / "sample_company.db").execute("SELECT email FROM customers ORDER BY customer_id").fetchone()[0]
event = InboundEvent(
    source="shop", delivery_id="r1", type=EventType.RETURN_ANNOUNCED, vendor_type="return", subject="sample:ticket:7",
    occurred_at=datetime.now(UTC), data={"title": "Return", "text": "The boots are too small", "requester_email": email},
)
receive(system, [event], Provenance(door="test", raw=b"{}"))
with system.db.read() as tx:
    case = cases.listing(tx)[0]
pipeline.advance(system, case.id)
with system.db.write() as tx:
    lead = people.add(
        tx, email="lead@firm.example", name="Lead", password_hash="-", groups=("support", "lead"), now=system.clock()
    )
    [drafted] = actions.of_case(tx, case.id)
choice = Choice(Word.APPROVE, drafted.revision, drafted.digest)
decided = service.decide(system, lead, drafted.id, choice)
system.close()
print(json.dumps({
    "domain": case.domain, "queue": case.domain in QUEUES, "kind": drafted.kind, "drafted": drafted.state,
    "verdict": drafted.verdict["outcome"], "body": drafted.arguments["body"], "decided": decided.state,
    "by": decided.decided_by,
}))
"""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return walk(PAGE, tmp_path_factory.mktemp("project"))


def test_the_page_has_all_its_files() -> None:
    """Agent, prompt, macros, examples and the policy with its tests are new; four lists gain a line."""
    assert [(Path(path).name, kind) for path, kind, _ in blocks(PAGE)] == [
        ("returns.py", "python"),
        ("returns.md", "markdown"),
        ("returns.yaml", "yaml"),
        ("roster.py", "diff"),
        ("base.py", "diff"),
        ("receive.py", "diff"),
        ("queue.py", "diff"),
        ("returns.jsonl", "json"),
        ("returns.yaml", "yaml"),
        ("returns.test.yaml", "yaml"),
    ]


def test_the_new_agent_works(walked: Path) -> None:
    """It classifies, looks up, drafts a letter from records, and hands over what it does not know."""
    written = [["The boots are too small", "ana@example.com"], ["The boots are too small", "nobody@example.com"]]

    said: dict[str, Any] = json.loads(run(walked, "-c", WALK, json.dumps(written), beside=HERE))

    known, unknown = said["answers"]
    assert said["domain"] == "returns"
    assert (known["reason"], known["missing"]) == ("too_small", [])
    assert [action["kind"] for action in known["actions"]] == ["reply_to_customer"]
    assert known["actions"][0]["arguments"]["body"].splitlines()[0] == "Hello Ana,"
    assert known["actions"][0]["citations"] == ["shop:customer:cu_1"]
    assert unknown["missing"] == ["customer"]
    assert [action["kind"] for action in unknown["actions"]] == ["escalate_ticket"]


def test_an_event_is_taken_through_to_an_action_that_a_person_decided(walked: Path, tmp_path: Path) -> None:
    """Received, classified, looked up, drafted by the local model, judged by the policy, approved by a person."""
    said: dict[str, Any] = json.loads(run(walked, "-c", THROUGH, str(tmp_path / "data"), beside=HERE).splitlines()[-1])

    assert (said["domain"], said["queue"]) == ("returns", True)
    assert (said["kind"], said["drafted"], said["verdict"]) == ("reply_to_customer", "pending", "review")
    assert "Please send it back within 30 days." in said["body"]
    assert (said["decided"], said["by"]) == ("approved", "person:lead@firm.example")


def test_the_agent_on_the_page_is_typed(walked: Path) -> None:
    passes_the_checks(walked, "workers/agents/returns.py")
