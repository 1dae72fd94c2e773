"""However much a stranger has an agent write, no rule misses what it looks at: lists of facts have an end, and what is strict comes first."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from policies.loader import loads
from policies.types import MAX_ITEMS, Outcome
from workers.actions.catalogue import CATALOGUE
from workers.circumstances import Circumstances
from workers.judgement import Judged, Matter, judge
from workers.store.records import Switch

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SURE = {"confidence": {"kind": 1.0}, "primary_field": "kind", "abstain": False, "risk_flags": []}
KINDS = ["create_post_draft"]
TITLE = "Said by a stranger, word by word"


class _Case:
    id, domain, source, subject, customer, events_total, round = "case_1", "content", "site", "site:request:1", "", 1, 1


class _Event:
    def __init__(self) -> None:
        self.data = {"title": "A message", "text": TITLE}


def judged(when: str, *, outcome: str = "allow", thrown: tuple[Switch, ...] = (), **arguments: Any) -> Judged:
    rule = {"id": "ask", "actions": KINDS, "when": when, "outcome": outcome, "message": "It is asked"}
    allow = {"id": "go", "actions": KINDS, "when": "true", "outcome": "allow", "message": "It may go"}
    bundle = {"bundle": "house", "version": 1, "layer": "platform", "enforcement": "enforce", "actions": KINDS}
    policy = loads({"house.yaml": json.dumps({**bundle, "rules": [rule, allow]})}, run_tests=False)
    case: Any = _Case()
    event: Any = _Event()
    matter = Matter(case, [event], [], SURE, (), ("m", "m"))
    return judge(
        policy,
        matter,
        CATALOGUE["create_post_draft"],
        arguments,
        target="site:request:1",
        target_version="",
        revision=1,
        confidence=1.0,
        repeats=False,
        edited=False,
        now=NOW,
        circumstances=Circumstances("UTC", thrown),
    )


@pytest.mark.parametrize(
    "when", ['"title" in untrusted_arguments', 'untrusted_arguments.exists(path, path.startsWith("internal"))']
)
@pytest.mark.parametrize("many", [1, MAX_ITEMS + 1])
def test_a_rule_sees_where_an_argument_comes_from_whatever_stands_before_it(when, many):
    found = judged(when, outcome="deny", claims_to_check=[TITLE] * many, internal_links=[TITLE] * many, title=TITLE)

    assert found.record.verdict.outcome is Outcome.DENY
    assert len(found.record.facts["untrusted_arguments"]) <= MAX_ITEMS


@pytest.mark.parametrize("others", [0, MAX_ITEMS])
def test_a_suspended_rule_allows_nothing_however_many_are_suspended(others):
    scopes = [*(f"rule:another/r{number}" for number in range(others)), "rule:house/go", "rule:house/ask"]
    thrown = tuple(Switch(scope, "why", "person:ana", NOW) for scope in scopes)

    assert judged("true", thrown=thrown, title=TITLE).record.verdict.outcome is Outcome.REVIEW
