"""A decision is reached again bit for bit, and whatever was changed in its record is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from policies import engine as engine_of_rules
from policies.record import kept_json
from policies.types import MUST_STATE
from tests.integration.rehearsal.policies import policy
from tests.integration.rehearsal.stored import kept, known, limited_to_one_a_day, tampered
from tests.kit.engine import POLICY, tags
from workers.rehearsal.replay import Result, replay
from workers.store import decided
from workers.store.decided import Kept

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_every_decision_is_reached_again_bit_for_bit(made):
    found = [replay(one, known) for one in decided.records(made.system.db)]

    assert len(found) == 4
    assert {one.result for one in found} == {Result.SAME}


def test_so_is_an_edited_and_an_escalated_one(made):
    made.person("ana")
    drafted = made.action("refund_payment")
    asked = made.decide(drafted, "escalate", group="finance", reason="Please look.")
    made.decide(asked, arguments={**drafted.arguments, "amount_minor": 2600})

    found = [(replay(one, known), one.author) for one in kept(made, drafted.id)]

    assert [one.result for one, _ in found] == [Result.SAME] * 3
    assert [author for _, author in found][1:] == ["escalation", "person:ana@firm.example"]


def one_byte(text):
    return chr(ord(text[0]) ^ 1) + text[1:]


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("reasons[0]", lambda stored: stored["reasons"].__setitem__(0, one_byte(stored["reasons"][0]))),
        ("outcome", lambda stored: stored.__setitem__("outcome", "notify")),
        ("facts", lambda stored: stored["facts"].__setitem__("amount_minor", 4001)),
        ("answers[0].when", lambda stored: stored["answers"][0].__setitem__("when", "true")),
        ("engine", lambda stored: stored.__setitem__("engine", one_byte(stored["engine"]))),
        ("unmatched", lambda stored: stored["unmatched"].pop()),
    ],
)
def test_one_changed_byte_is_told(made, place, change):
    def changed(stored):
        change(stored)
        return stored

    target = made.action("refund_payment")
    tampered(made, target.id, changed)

    (found,) = [replay(one, known) for one in kept(made, target.id)]

    assert found.result is Result.DIFFERENT
    assert found.differences
    if place != "facts":
        assert any(told.startswith(place) for told in found.differences)


def test_a_policy_that_is_not_kept_is_said_and_never_passed_over(made):
    other = policy("deny")

    (found,) = [replay(one, {other.hash: other}.get) for one in kept(made, made.action("add_tags").id)]

    assert found.result is Result.UNKNOWN
    assert "is not kept here" in found.reason


def test_a_record_that_is_none_is_told_as_such(made):
    target = made.action("add_tags")
    tampered(made, target.id, lambda _: {})

    (found,) = [replay(replace(one, digest=None), known) for one in kept(made, target.id)]

    assert (found.result, found.reason) == (Result.UNKNOWN, "The record cannot be read.")


def test_refused_facts_of_before_a_fact_had_to_be_stated_lead_to_the_same_again():
    stated = {"action_kind": "add_tags", "domain": "support", "has_amount": "yes", "occurred_at": AT}
    of_then = {**dict.fromkeys(MUST_STATE[None], False), **stated, "thrown_switches": []}
    refused = engine_of_rules.judge(POLICY, of_then, at=AT)
    stored = kept_json(refused)
    del stored["facts"]["thrown_switches"]

    again = replay(Kept("act_1", 1, "agent:support", AT, json.dumps(stored)), known)

    assert "usual_left_out" not in stored
    assert (again.result, again.differences) == (Result.SAME, ())


def test_what_a_limit_made_stricter_is_reached_again_with_what_the_limit_said(engine):
    limited = limited_to_one_a_day(engine, 3)

    kept_all = list(decided.records(engine.system.db))
    outcomes = [json.loads(one.record)["outcome"] for one in reversed(kept_all)]

    assert outcomes == ["allow", "review", "review"]
    assert {replay(one, {limited.hash: limited}.get).result for one in kept_all} == {Result.SAME}


def test_what_a_limit_said_is_part_of_what_is_compared(engine):
    engine.model.drafts = [[tags()]]
    engine.event()
    engine.drain()
    target = engine.action("add_tags")
    tampered(engine, target.id, lambda stored: {**stored, "unmet": ["It cannot be said here."]})

    (found,) = [replay(one, known) for one in kept(engine, target.id)]

    assert found.result is Result.DIFFERENT
    assert any(told.startswith("outcome: ") for told in found.differences)
