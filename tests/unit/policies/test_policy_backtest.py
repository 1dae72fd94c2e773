"""A backtest judges kept decisions again and counts what differs, for whom, for how much, and with what end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from policy_making import AT, bundle, decide, policy, raw, rule
from pydantic import ValidationError
from test_policy_properties import SHIPPED, good_facts

from policies import backtest, engine, record
from policies.backtest import Became, Move, Recorded, Said
from policies.rules import Policy
from policies.types import Facts, Outcome, Requirement

SMALL = rule("small", "allow", "amount_minor <= 2500")
LARGE = rule("large", "review", "amount_minor > 2500", approvers=[{"role": "lead"}])
LIVE = policy(bundle("platform", SMALL, LARGE))
STRICTER = policy(bundle("platform", rule("small", "allow", "amount_minor <= 1000"), LARGE))
LOOSER = policy(bundle("platform", rule("small", "allow", "amount_minor <= 5000")))

ALLOW, REVIEW, DENY = Outcome.ALLOW, Outcome.REVIEW, Outcome.DENY


def kept(name: str, became: Became = Became.UNKNOWN, by: Policy = LIVE, **changes: Any) -> Recorded:
    return Recorded(name, json.dumps(record.to_json(decide(by, **changes))), became)


HISTORY = [
    kept("tiny", Became.AUTOMATIC, amount_minor=500),
    kept("small", Became.REVERSED, amount_minor=2000),
    kept("medium", Became.APPROVED, amount_minor=4000),
    kept("other", Became.REJECTED, amount_minor=5000, currency="USD"),
    kept("large", Became.APPROVED, amount_minor=90_000),
]


def test_the_same_policy_differs_in_nothing() -> None:
    report = backtest.run(LIVE, HISTORY)

    assert (report.judged, report.unreadable, report.differing, report.changes) == (5, 0, 0, ())
    assert report.moves == {Move(ALLOW, ALLOW): 2, Move(REVIEW, REVIEW): 3}
    assert report.before == report.after == {ALLOW: 2, REVIEW: 3}


def test_a_stricter_policy_asks_more_often() -> None:
    report = backtest.run(STRICTER, HISTORY)

    assert (report.to_review, report.no_longer_automatic, report.newly_automatic) == (1, 1, 0)
    assert [(change.id, change.amount_minor, change.became) for change in report.changes] == [
        ("small", 2000, Became.REVERSED)
    ]
    assert report.changes[0].reasons == ("No rule allows this by itself",)
    assert report.money["EUR", Move(ALLOW, REVIEW)] == backtest.Money(1, 2000)
    assert (report.let_through_before, report.let_through) == (1, 0)


def test_a_looser_policy_is_held_against_what_people_said() -> None:
    report = backtest.run(LOOSER, HISTORY)

    assert report.newly_automatic == 2
    assert report.let_through == 2, "one was reversed, one a person refused"
    assert (report.asked_for_nothing_before, report.asked_for_nothing) == (2, 1)
    assert report.agreement == pytest.approx(2 / 5)
    assert report.known[Became.REJECTED, Move(REVIEW, ALLOW)] == 1


def test_a_rule_is_told_what_it_newly_decides_and_what_it_lost() -> None:
    rules = backtest.run(LOOSER, HISTORY).rules

    small, large = rules["platform/small"], rules["platform/large"]
    assert (small.matched, small.decided_before, small.decided_after, small.gained) == (4, 2, 4, 2)
    assert (large.decided_before, large.decided_after, large.lost) == (3, 0, 3)


def test_who_is_asked_is_a_difference_too() -> None:
    two = policy(bundle("platform", SMALL, LARGE | {"approvers": [{"role": "lead", "n": 2}]}))

    report = backtest.run(two, HISTORY)

    assert (report.to_review, report.differing) == (0, 3)
    assert report.changes[0].before.asked == (Requirement("lead", 1),)
    assert report.changes[0].after.asked == (Requirement("lead", 2),)


def test_more_differ_than_are_shown() -> None:
    report = backtest.run(LOOSER, HISTORY, cap=1)

    assert (report.differing, len(report.changes)) == (3, 1)


def test_what_cannot_be_read_is_counted_and_stops_nothing() -> None:
    broken = [Recorded("a", "{"), Recorded("b", "[]"), Recorded("c", {"outcome": "perhaps"})]

    report = backtest.run(LIVE, [*broken, *HISTORY])

    assert (report.judged, report.unreadable, sum(report.moves.values())) == (8, 3, 5)


def test_facts_that_were_refused_stay_refused() -> None:
    was = engine.judge(LIVE, raw(currency=None), at=decide(LIVE).decided_at)

    report = backtest.run(LOOSER, [Recorded("x", record.to_json(was))])

    assert report.moves == {Move(REVIEW, REVIEW): 1}


def test_a_fact_that_is_none_any_more_never_helps() -> None:
    data = record.to_json(decide(LIVE, amount_minor=500))
    data["facts"]["colour"] = "green"

    assert backtest.again(LIVE, data).verdict.outcome is REVIEW


def test_progress_is_told_as_it_goes_and_at_the_end() -> None:
    heard: list[int] = []

    backtest.run(LIVE, HISTORY, progress=heard.append, every=2)

    assert heard == [2, 4, 5]


def test_the_report_is_plain_json() -> None:
    told = json.loads(json.dumps(backtest.run(LOOSER, HISTORY).as_json()))

    assert told["moves"] == {"allow>allow": 2, "review>allow": 2, "review>review": 1}
    assert told["known"]["rejected"] == {"review>allow": 1}
    assert told["money"]["USD"] == {"review>allow": {"count": 1, "minor": 5000}}
    assert told["kinds"] == {"support/refund_payment": told["moves"]}
    assert told["days"] == {"2026-11-20": told["moves"]}
    assert told["changes"][0]["after"] == {"outcome": "allow", "requirements": [], "rules": ["platform/small"]}


def test_what_a_shadow_policy_says_is_counted_without_judging_twice() -> None:
    tally = backtest.Tally(LOOSER)

    tally.compare("one", Said.of(decide(LIVE, amount_minor=4000).verdict), decide(LOOSER, amount_minor=4000))

    assert tally.report().newly_automatic == 1


@settings(max_examples=150, deadline=None)
@given(good_facts)
def test_kept_facts_are_read_as_strictly_as_json_is(facts: Facts) -> None:
    """The short way and the long way come to the same decision, bit for bit."""
    data = json.loads(json.dumps(record.to_json(engine.decide(SHIPPED, facts, at=AT))))

    again = backtest.again(SHIPPED, data)

    assert again == engine.decide(SHIPPED, record.facts_from_json(record.facts_of(data)), at=AT)
    assert again.facts == record.facts_to_json(facts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount_minor", 1.0), ("amount_minor", "1"), ("amount_minor", True), ("amount_minor", 2**63), ("currency", None),
        ("triage_confidence", "0.9"), ("triage_confidence", 1), ("reversible", 0), ("risk_flags", "x"), ("risk_flags", [1]),
        ("occurred_at", "yesterday"), ("occurred_at", "2026-11-20T12:00:00"), ("occurred_at", 5), ("currency", "a\x00b"),
    ],
)  # fmt: skip
def test_a_kept_fact_that_is_none_is_refused_both_ways(name: str, value: object) -> None:
    data = record.to_json(decide(LIVE, amount_minor=500))
    data["facts"][name] = value

    try:
        record.facts_from_json(record.facts_of(data))
    except ValidationError:
        taken = False
    else:
        taken = True

    again = backtest.again(LIVE, data)
    assert bool(again.answers) is taken
    assert taken or again.verdict.outcome is REVIEW
