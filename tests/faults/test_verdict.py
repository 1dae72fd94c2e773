"""The judge can say no: for every promise there is evidence that breaks it, and evidence like it that does not."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.faults import script, verdict
from tests.faults.chaos import Happening
from tests.faults.driver import Journal
from tests.faults.verdict import Evidence

CASE = "case_1"
ARGUMENTS = script.proposal("7", "refund_payment")["arguments"]
AT = 1_000.0


def action(name: str, **but: Any) -> dict[str, Any]:
    usual = {
        "id": name,
        "case_id": CASE,
        "kind": "refund_payment",
        "state": "done",
        "reason": None,
        "arguments": ARGUMENTS,
        "digest": "d",
        "approved_digest": "d",
        "decided_by": "person:casey@firm.example",
        "verdict": {"outcome": "review"},
        "settled_at": datetime.now(UTC),
    }
    return {**usual, **but}


def effect(key: str, kind: str = "refund", answer: str = "well", what: Any = ARGUMENTS) -> dict[str, Any]:
    return {"at": AT, "key": key, "kind": kind, "ref": f"sample:{kind}:7", "what": json.dumps(what), "answer": answer}


def call(request_id: str, began: float, digest: str = "x", caller: str = "think-1.77") -> dict[str, Any]:
    timed = {"began": began, "ended": began + 0.2}
    return {
        "id": request_id,
        "ticket": "7",
        "task": "triage",
        "digest": digest,
        "caller": caller,
        "status": 200,
        **timed,
    }


def usage(request_id: str, at: float) -> dict[str, Any]:
    when = datetime.fromtimestamp(at, UTC)
    return {"request_id": request_id, "case_id": CASE, "round": 1, "step": "triage", "at": when}


def evidence(
    *, actions: Any = (), effects: Any = (), calls: Any = (), usage: Any = (), timeline: Any = (), **case: Any
) -> Evidence:
    """One ticket, accepted, worked and closed; and what a test adds."""
    row = {
        "id": CASE,
        "state": "closed",
        "subject": "sample:ticket:7",
        "events_total": 1,
        "events_worked": 1,
        "attention": None,
        "step": "decided",
        "wake_at": None,
        "waiting_for": None,
        "claimed_by": None,
    }
    journal = Journal(accepted={"dlv-7-1": "7"}, said={(a["id"], "d"): ["approve"] for a in actions})
    stored = [{"delivery_id": "dlv-7-1", "case_id": CASE}]
    by_action = defaultdict(list)
    for one in effects:
        by_action[one["key"]].append(one)
    return Evidence(
        journal,
        list(timeline),
        {CASE: {**row, **case}},
        stored,
        {a["id"]: a for a in actions},
        [],
        [],
        list(usage),
        list(effects),
        list(calls),
        {},
        [],
        by_action,
    )


def broken(seen: Evidence) -> set[str]:
    return {name for name, promise in verdict.PROMISES.items() if promise(seen)}


def test_a_case_as_it_should_be_breaks_nothing() -> None:
    seen = evidence(
        actions=[action("act_1")], effects=[effect("act_1")], calls=[call("req_1", AT)], usage=[usage("req_1", AT + 1)]
    )

    assert broken(seen) == set()


BROKEN = [
    ("events lost", replace(evidence(), events=[])),
    ("events lost", evidence(events_worked=0)),
    ("effects doubled", evidence(actions=[action("act_1")], effects=[effect("act_1"), effect("act_1")])),
    (
        "effects doubled",
        evidence(actions=[action("act_1"), action("act_2")], effects=[effect("act_1"), effect("act_2")]),
    ),
    ("told otherwise than it was", evidence(actions=[action("act_1")])),
    ("told otherwise than it was", evidence(actions=[action("act_1", state="stale")], effects=[effect("act_1")])),
    (
        "sent otherwise than approved",
        evidence(actions=[action("act_1")], effects=[effect("act_1", what={**ARGUMENTS, "amount_minor": 9999})]),
    ),
    (
        "sent otherwise than approved",
        evidence(actions=[action("act_1", approved_digest="e")], effects=[effect("act_1")]),
    ),
    ("cases stuck", evidence(state="waiting", wake_at="later")),
    ("recorded calls repeated", evidence(calls=[call("req_1", AT), call("req_2", AT + 5)], usage=[usage("req_1", AT)])),
    ("recorded calls repeated", evidence(calls=[call("req_1", AT)])),
    ("audit log broken", replace(evidence(), broken_audit=["case_1: entry 3"])),
]


@pytest.mark.parametrize(("promise", "seen"), BROKEN)
def test_what_breaks_a_promise_is_named(promise: str, seen: Evidence) -> None:
    assert broken(seen) == {promise}


def test_a_call_in_flight_when_its_process_was_killed_may_be_lost() -> None:
    """Of exactly that process: another one's death excuses nothing."""
    killed = Happening(AT + 0.1, "kill", "think-1", 77, AT + 1)

    assert broken(evidence(calls=[call("req_1", AT)], timeline=[killed])) == set()
    assert broken(evidence(calls=[call("req_1", AT, caller="think-2.78")], timeline=[killed])) != set()


@pytest.mark.parametrize(
    ("stopped", "answer", "known"),
    [
        (Happening(AT + 1, "stop", "act-1", 77, AT + 14), "late", True),
        (Happening(AT + 1, "stop", "act-1", 77, AT + 14), "cut", False),
        (Happening(AT + 2, "stop", "act-1", 77, AT + 14), "late", False),
        (Happening(AT - 9, "stop", "act-1", 77, AT + 2), "late", False),
        (Happening(AT + 1, "stop", "think-1", 77, AT + 14), "late", False),
    ],
)
def test_whoever_stood_still_while_his_patience_ran_out_has_heard_a_late_answer(stopped, answer, known) -> None:
    mail = action("act_1", kind="request_documents")
    seen = evidence(actions=[mail], effects=[effect("act_1", "mail", answer)], timeline=[stopped])

    assert bool(verdict.told_as_it_was(seen)) != known


def test_two_cases_about_one_ticket_may_each_pay() -> None:
    """Only within one case is a second refund a doubled one: people approved the other knowing of the first."""
    seen = evidence(
        actions=[action("act_1"), action("act_2", case_id="case_2")], effects=[effect("act_1"), effect("act_2")]
    )
    seen.cases["case_2"] = {**seen.cases[CASE], "id": "case_2", "events_total": 0, "events_worked": 0}

    assert broken(seen) == set()
