"""Decided cases against a changed model, prompt or policy: nothing outside is asked, nothing is done, the cost is on the bill."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from integrations.errors import Temporary
from integrations.models.base import Interrupted, ModelAnswer, Refused, Usage
from integrations.models.failures import Fruitless, Unavailable, Unserved
from policies.loader import load
from tests.kit.engine import POLICY, make_engine, refund, reply
from tests.servers.messages_api import MessagesApi
from workers.inbox.case_service import decide_case
from workers.learning import shadow
from workers.learning.candidate import Candidate
from workers.learning.measure import MORE, OTHER, REFUSED
from workers.learning.naming import Words, candidate
from workers.learning.replay import replay
from workers.learning.report import of_replay, of_shadow
from workers.store import actions, examples, shadows, steps

PAID = Usage("other", "other-1", 900, 90, 0, 0, 250, Decimal("0.0125"), "req_9", "end_turn")
#: lets everything run without a person
LOOSE = """
bundle: support
version: 1
about: Everything goes.
layer: domain
domain: support
enforcement: enforce
actions: [reply_to_customer, ask_customer, refund_payment, escalate_ticket, add_tags, close_ticket]
rules:
  - id: everything
    actions: [reply_to_customer, ask_customer, refund_payment, escalate_ticket, add_tags, close_ticket]
    when: "case_events > 0"
    outcome: allow
    message: "Whatever it is"
"""


class Other:
    """A second model that always drafts the same, and counts."""

    provider, name, uses_tools = "other", "other-1", False

    def __init__(self, *drafts, fault=None):
        self.drafts, self.fault, self.asked = drafts, fault, []

    def answer(self, request):
        self.asked.append(request)
        if self.fault is not None:
            raise self.fault
        drafted = {"summary": "Another.", "actions": list(self.drafts), "unsure": None}
        return ModelAnswer(request.output.model_validate(drafted), PAID)

    turn = answer


@pytest.fixture
def engine(tmp_path):
    made = make_engine(tmp_path)
    yield made
    made.system.close()


def decided(engine, *, edit=None, reject=False, ticket="7"):
    """A case with a refund and a letter, which people decided; closed."""
    engine.event(delivery=f"d{ticket}", ticket=ticket)
    engine.drain()
    for _ in range(4):
        pending = [action for action in engine.actions() if action.state == "pending"]
        for action in pending[:1]:
            money = action.kind == "refund_payment"
            if money and reject:
                engine.decide(action, "reject", reason="Not broken at all.")
            else:
                approve(engine, action, **({"arguments": {**action.arguments, **edit}} if money and edit else {}))
        engine.clock.on(hours=1)
        engine.sweep()
    if engine.case().attention:
        # The letter was withdrawn with the refund that it spoke of: a person has the last word.
        decide_case(engine.system, engine.person(), engine.case().id, "close", "Done by hand.")
    assert engine.case().state == "closed"
    return engine.case().id


def approve(engine, action, **more):
    """As many different people as are needed."""
    changed = engine.decide(action, by=engine.person("one"), **more)
    for name in ("two", "three"):
        if changed.state == "pending":
            changed = engine.decide(changed, by=engine.person(name))
    assert changed.state == "approved"


def tried(engine, model=None, policy=POLICY):
    changed = Candidate("it", policy, model)
    with engine.system.db.read() as tx:
        chosen = examples.decided_cases(tx, since=None, limit=10)
    found = replay(engine.system.db, engine.system.agents, changed, chosen, task="eval", clock=engine.clock, at_once=2)
    return list(found)


def billed(engine, case):
    with engine.system.db.read() as tx:
        return [(u.step, u.outcome, u.cost_usd) for u in steps.usage_of(tx, case) if u.provider == "other"]


def test_the_recorded_drafts_under_the_same_policy_are_what_they_were(engine):
    decided(engine)
    effects, reads = list(engine.house.effects), list(engine.house.reads)

    [one] = tried(engine)

    assert one.then == one.live
    assert one.live.agrees
    assert (engine.house.effects, engine.house.reads) == (effects, reads)
    assert len(engine.model.asked) == 2, "no model was asked again"


def test_another_model_gets_what_the_agent_had_read_and_is_compared_with_people(engine):
    case = decided(engine, edit={"amount_minor": 2000})
    other = Other(refund(2000), reply())
    facts = [piece.name for piece in engine.model.asked[-1].material]

    [one] = tried(engine, other)

    assert [piece.name for piece in other.asked[0].material] == facts
    assert other.asked[0].about.case_id == case
    assert (one.live.agrees, one.then.agrees) == (False, True)
    assert (one.cost_usd, one.usage.latency_ms) == (Decimal("0.0125"), 250)


def test_what_it_cost_stands_on_the_bill_of_its_case_and_nothing_else_changes(engine):
    case = decided(engine)
    with engine.system.db.read() as tx:
        before = actions.of_case(tx, case)

    tried(engine, Other(refund(9000)))

    with engine.system.db.read() as tx:
        assert [(u.step, u.cost_usd) for u in steps.usage_of(tx, case) if u.provider == "other"] == [
            ("eval", Decimal("0.012500"))
        ]
        assert actions.of_case(tx, case) == before


def test_a_policy_that_would_have_paid_what_people_refused_is_dangerous(engine, loose):
    decided(engine, reject=True)

    [one] = tried(engine, policy=loose)

    assert [danger.what for danger in one.live.dangers] == []
    assert REFUSED in [danger.what for danger in one.then.dangers]


def test_a_model_that_would_have_paid_more_under_it_is_dangerous_too(engine, loose):
    decided(engine, edit={"amount_minor": 1000})

    [one] = tried(engine, Other(refund(3000)), policy=loose)

    assert {MORE, OTHER} <= {danger.what for danger in one.then.dangers}


def test_a_model_that_declines_is_paid_for_and_counts_as_no_agreement(engine):
    case = decided(engine)

    [one] = tried(engine, Other(fault=Refused("No.", usage=PAID)))

    assert (one.then, one.error) == (None, "No.")
    assert billed(engine, case) == [("eval", "failed", Decimal("0.012500"))]
    report = of_replay("it", [one])
    assert (report.failed, report.then.agreement) == (1, 0)


@pytest.mark.parametrize(
    "fault",
    [
        Interrupted("Cut off.", usage=PAID),
        Unavailable("Nobody answers.", retry_after=None, earlier=(PAID,)),
        Fruitless("Nothing of use.", earlier=(PAID,)),
        Unserved("The key is refused.", earlier=(PAID,)),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_what_was_paid_for_in_vain_stands_on_the_bill_however_it_ended(engine, fault):
    case = decided(engine)

    [one] = tried(engine, Other(fault=fault))

    assert billed(engine, case) == [("eval", "failed", Decimal("0.012500"))]
    assert of_replay("it", [one]).cost_usd == Decimal("0.0125")


def test_a_case_that_nobody_decided_is_no_past(engine):
    engine.event()
    engine.drain()

    assert tried(engine) == []


def test_the_report_says_it_in_a_table_and_in_markdown(engine, loose):
    decided(engine, reject=True)
    report = of_replay("it", tried(engine, policy=loose))

    assert ("DANGEROUS drafts", "0", "1") in report.rows()
    assert "| DANGEROUS drafts | 0 | 1 |" in report.markdown()


def test_the_shadow_answers_once_and_touches_nothing(engine):
    case = decided(engine)
    other, words = Other(refund(4000), reply()), Words("other/other-1")
    second = Candidate(words.name, POLICY, other)
    with engine.system.db.read() as tx:
        before = actions.of_case(tx, case)

    counted = [shadow.follow(engine.system, second, words) for _ in range(3)]

    with engine.system.db.read() as tx:
        [kept] = shadows.listing(tx, candidate=words.name)
        assert actions.of_case(tx, case) == before
    assert counted == [1, 0, 0]
    assert len(other.asked) == 1
    assert of_shadow(words.name, [kept]).then.agreement == 1


def test_a_candidate_elsewhere_is_told_no_more_than_the_live_model_would_be(engine):
    """Over HTTP: the address that the customer wrote has become a placeholder on the way."""
    engine.event(text="Broken. Write to ana.private@example.com please.")
    engine.drain()
    for kind in ("refund_payment", "reply_to_customer"):
        approve(engine, engine.action(kind))
        engine.clock.on(hours=1)
        engine.sweep()
    with MessagesApi() as api:
        api.answer(lambda _: {"summary": "Another.", "actions": [refund(2000)], "unsure": None})
        env = {"ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": api.url}
        words = Words("anthropic/some-model")

        [one] = tried(engine, candidate(engine.system, words, environment=env).model)

        told = json.dumps(api.requests)
    assert (one.error, one.usage.model) == (None, "some-model")
    assert "Broken. Write to" in told
    assert "ana.private@example.com" not in told


def test_a_shadow_takes_its_share_and_no_more(engine):
    for number in range(6):
        decided(engine, ticket=str(number + 1))
    other, words = Other(reply()), Words("other/other-1", share=50)
    with engine.system.db.read() as tx:
        expected = [case for case in examples.decided_cases(tx, since=None, limit=10) if words.takes(case)]

    shadow.follow(engine.system, Candidate(words.name, POLICY, other), words)

    assert sorted(request.about.case_id for request in other.asked) == sorted(expected)


def test_a_shadow_that_was_away_comes_back_to_what_it_missed(engine):
    decided(engine)
    words = Words("other/other-1")
    away = Candidate(words.name, POLICY, Other(fault=Temporary("Overloaded.")))
    assert shadow.follow(engine.system, away, words) == 0

    assert shadow.follow(engine.system, replace(away, model=Other(reply())), words) == 1


def test_who_is_forgotten_leaves_nothing_in_the_shadow(engine):
    decided(engine)
    words = Words("other/other-1")
    second = Candidate(words.name, POLICY, Other(reply("Hello Ana")))
    shadow.follow(engine.system, second, words)

    with engine.system.db.write() as tx:
        assert examples.forget(tx, "ana@example.com") == 1
    with engine.system.db.read() as tx:
        [kept] = shadows.listing(tx)

    assert (kept.output, kept.measured, kept.live, kept.customer) == (None, None, None, "")
    assert shadow.follow(engine.system, second, words) == 0


@pytest.fixture
def loose(tmp_path):
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "support.yaml").write_text(LOOSE)
    return load(folder, run_tests=False)
