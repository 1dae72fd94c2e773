"""Obligations beyond the straight way: the house's clock, counters, edits, uncertain ends, every mask, samples and canaries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.conditions import drawn
from tests.kit.engine import documents, refund, reply
from tests.kit.house import timed_out
from tests.kit.rules import asking
from workers.actions.catalogue import CATALOGUE
from workers.store import actions, notices
from workers.store.records import ActionState


@pytest.fixture
def judged(engine, tmp_path):
    """The action that the agent proposes, under a policy of one such rule."""

    def draft(*proposals, ticket="7", **rule):
        engine.system = engine.system.under(asking(tmp_path, **rule))
        engine.model.drafts = [list(proposals)]
        engine.clock.on(minutes=1)
        engine.event(ticket=ticket, delivery=f"d{ticket}")
        engine.drain()
        return engine.actions()[0]

    return draft


def answered(engine, action):
    """What the one rule answered, with the values that it saw."""
    with engine.system.db.read() as tx:
        return actions.revisions_of(tx, action.id)[-1].record


@pytest.mark.parametrize(("zone", "hour", "outcome"), [("Europe/Berlin", 13, "review"), ("UTC", 12, "deny")])
def test_a_rule_on_the_hour_goes_by_the_clock_of_the_house(engine, judged, zone, hour, outcome):
    """It is noon in UTC, and one o'clock in Berlin."""
    settings = engine.system.settings.model_copy(update={"time_zone": zone})
    engine.system = replace(engine.system, settings=settings)

    action = judged(refund(), when="local_hour != 13", outcome="deny")

    facts = answered(engine, action)["facts"]
    assert (facts["local_hour"], facts.get("time_zone", "UTC"), facts["local_date"]) == (hour, zone, "2026-11-20")
    assert action.verdict["outcome"] == outcome


def test_a_rule_that_names_a_counter_sees_what_was_done_before(engine, judged):
    rule = {"when": "kind_count_24h >= 2", "outcome": "deny"}
    outcomes = []
    for ticket in ("1", "2", "3"):
        action = judged(refund(100), ticket=ticket, **rule)
        outcomes.append(action.verdict["outcome"])
        if action.state == ActionState.PENDING:
            engine.decide(action)
            engine.drain()
        engine.clock.on(minutes=1)

    assert outcomes == ["review", "review", "deny"]
    engine.clock.on(hours=25)
    assert judged(refund(100), ticket="4", **rule).verdict["outcome"] == "review"


def test_an_edit_by_which_it_can_be_met_no_more_refuses_the_action(engine, judged):
    """With what must be said at its end, the longest text that the form takes is too long."""
    action = judged(reply(), obligations=[{"kind": "disclose", "text": "Drafted by a machine. " * 20}])
    schema = CATALOGUE[action.kind].arguments.model_json_schema()
    longest = schema["properties"]["body"]["maxLength"]

    edited = engine.decide(action, arguments={"body": "x" * longest})

    assert (edited.state, edited.revision) == (ActionState.DENIED, 2)
    assert "does not fit" in edited.reason
    engine.drain()
    assert engine.house.effects == []


def test_who_is_told_is_told_when_a_person_finds_that_it_was_done(engine, judged):
    judged(documents(), obligations=[{"kind": "notify", "role": "lead"}])
    lead = engine.person("lee", groups=("lead",))
    engine.clock.on(minutes=1)
    engine.decide(engine.action("request_documents"))
    engine.house.after.append(timed_out(maybe_done=True))
    engine.drain()
    uncertain = engine.action("request_documents")
    assert uncertain.state == ActionState.UNCERTAIN

    def unread():
        with engine.system.db.read() as tx:
            return notices.unread_of(tx, lead, engine.clock())

    assert unread() == 0
    engine.clock.on(minutes=1)
    engine.decide(uncertain, "confirm")
    assert unread() == 1


@pytest.mark.parametrize(
    ("what", "value", "sign"),
    [
        ("iban", "DE89 3704 0044 0532 0130 00", "[IBAN]"),
        ("phone", "+49 30 901820", "[telephone number]"),
        ("email", "bo@elsewhere.example", "[e-mail address]"),
        ("national_id", "123-45-6789", "[national ID]"),
    ],
)
def test_each_class_is_masked_and_only_where_it_is_asked_for(judged, what, value, sign):
    others = [one for one in ("iban", "phone", "email", "national_id") if one != what]

    action = judged(reply(f"We have SSN {value} on file."), obligations=[{"kind": "mask", "what": [what]}])
    left = judged(reply("Hello Ana."), ticket="8", obligations=[{"kind": "mask", "what": others}])

    assert value not in action.arguments["body"]
    assert sign in action.arguments["body"]
    assert left.arguments["body"] == "Hello Ana."
    assert "changed" not in left.verdict


def test_all_are_marked_as_read_at_once_and_what_comes_later_is_new(engine, judged):
    action = judged(refund())
    lead = engine.person("lee", groups=("lead",))

    def tell(role):
        engine.clock.on(minutes=10)
        with engine.system.db.write() as tx:
            notices.add(tx, action_id=action.id, case_id=action.case_id, told={role: "outcome"}, now=engine.clock())

    def unread():
        with engine.system.db.read() as tx:
            return notices.unread_of(tx, lead, engine.clock())

    tell("lead")
    with engine.system.db.write() as tx:
        who = notices.reader(tx, lead, engine.clock())
        assert notices.mark_all_read(tx, who, engine.clock(), engine.clock()) == 1
    assert unread() == 0
    engine.clock.on(minutes=5)
    with engine.system.db.write() as tx:
        notices.add(tx, action_id=action.id, case_id=action.case_id, told={"lead": "rung"}, now=engine.clock())
    assert unread() == 1
    engine.clock.on(days=31)
    assert unread() == 0


def test_a_sample_is_looked_at_and_the_rest_runs_by_itself(engine, judged):
    """Which cases are drawn is settled by their ids alone, so it is known beforehand of each."""
    rule = {"outcome": "allow", "obligations": [{"kind": "sample", "percent": 50, "role": "lead"}]}
    seen = {}
    for number in range(6):
        action = judged(refund(100), ticket=str(20 + number), **rule)
        seen[action.case_id] = action.verdict["outcome"]

    assert seen == {case: "review" if drawn("sample:house/ask", case, 50) else "allow" for case in seen}


def test_a_canary_counts_for_the_cases_that_are_drawn_and_for_no_other(engine, judged):
    seen = {}
    for number in range(6):
        action = judged(refund(100), ticket=str(40 + number), outcome="deny", canary=50)
        seen[action.case_id] = action.verdict["outcome"]

    assert seen == {case: "deny" if drawn("house/ask", case, 50) else "review" for case in seen}
