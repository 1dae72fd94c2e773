"""What holds for every policy and all facts, tried on random ones."""

from __future__ import annotations

import json
from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_making import AT, FAILS, bundle, files, policy, raw

from policies import engine, loader, record
from policies.types import DecisionRecord, Facts, Outcome

SHIPPED = loader.load(loader.SHIPPED, run_tests=False)
ROUNDS = settings(max_examples=150, deadline=None)

WORDS = (
    "refund_payment", "add_tags", "hold_charge", "support", "transactions", "content", "EUR", "USD", "JPY", "high",
    "low", "injection", "legal_threat", "amount_minor", "charge_id", "negative", "positive", "",
)  # fmt: skip
texts = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8)
times = st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-11))))
_VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.sampled_from([0, 1, 3, 7, 50, 80, 2500, 20001, 100001]) | st.integers(-(2**63), 2**63 - 1),
    float: st.sampled_from([0.0, 0.8, 1.0]) | st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
}
values = {
    name: times if name == "occurred_at" else _VALUES.get(info.annotation, st.lists(texts, max_size=4))
    for name, info in Facts.model_fields.items()
}
good_facts = st.fixed_dictionaries({}, optional=values).map(lambda changes: Facts.model_validate(raw(**changes)))

CONDITIONS = (
    "true",
    "false",
    "amount_minor > 2500",
    "amount_minor <= 2500 && triage_confidence >= 0.8",
    'currency in ["EUR", "USD"]',
    '"injection" in risk_flags',
    'risk_flags.exists(flag, flag.startsWith("legal"))',
    "customer_vip || !reversible",
    FAILS,
    "amount_minor + charge_amount_minor > 0",
    "occurred_at.getHours() > 12",
)
approvers = st.dictionaries(st.sampled_from(["support", "lead", "finance"]), st.integers(1, 3), max_size=2)


@st.composite
def rules(
    draw: st.DrawFn, name: str, *, outcomes: tuple[str, ...] = ("allow", "notify", "review", "deny")
) -> dict[str, Any]:
    said = draw(st.sampled_from(outcomes))
    made: dict[str, Any] = {
        "id": name,
        "actions": draw(st.sampled_from(["*", ["refund_payment"], ["add_tags"]])),
        "when": draw(st.sampled_from(CONDITIONS)),
        "outcome": said,
        "message": f"{name} of {{amount}}",
    }
    if said == "review":
        made["approvers"] = [{"role": role, "n": n} for role, n in draw(approvers).items()]
        made["exclude"] = draw(st.sampled_from([[], ["editor"]]))
    return made


@st.composite
def bundles(draw: st.DrawFn, *, enforcement: tuple[str, ...] = ("enforce",)) -> list[dict[str, Any]]:
    """A platform and at most one bundle of each narrower layer, with rules that may fail."""
    made = []
    for layer in ("platform", *draw(st.sets(st.sampled_from(["org", "domain", "agent"]), max_size=2))):
        said = [draw(rules(f"{layer}-{place}")) for place in range(draw(st.integers(1, 4)))]
        made.append(bundle(layer, *said, layer=layer, enforcement=draw(st.sampled_from(enforcement))))
    return made


def asked(decided: DecisionRecord) -> dict[str, int]:
    return {requirement.role: requirement.n for requirement in decided.verdict.requirements}


@ROUNDS
@given(st.data(), bundles(), good_facts)
def test_adding_a_rule_never_loosens(data: st.DataObject, made: list[dict[str, Any]], facts: Facts) -> None:
    """Only one thing does by design: the first rule to allow what no rule spoke of."""
    before = engine.decide(policy(*made), facts, at=AT)
    place = data.draw(st.integers(0, len(made) - 1))
    added = data.draw(rules("added"))
    more = [item | {"rules": [*item["rules"], added]} if index == place else item for index, item in enumerate(made)]

    after = engine.decide(policy(*more), facts, at=AT)

    nobody_spoke = before.verdict.outcome is Outcome.REVIEW and not before.verdict.rules
    if not (added["outcome"] == "allow" and nobody_spoke):
        assert after.verdict.outcome >= before.verdict.outcome
    if after.verdict.outcome is Outcome.REVIEW and before.verdict.rules:
        assert set(before.verdict.exclude) <= set(after.verdict.exclude)
        for role, n in asked(before).items():
            assert asked(after).get(role, 0) >= n or not role


@ROUNDS
@given(st.data(), bundles(enforcement=("enforce", "warn", "observe")), good_facts)
def test_the_order_of_files_and_rules_changes_nothing(
    data: st.DataObject, made: list[dict[str, Any]], facts: Facts
) -> None:
    shuffled = data.draw(
        st.permutations([item | {"rules": data.draw(st.permutations(item["rules"]))} for item in made])
    )

    assert engine.decide(policy(*shuffled), facts, at=AT) == engine.decide(policy(*made), facts, at=AT)


@ROUNDS
@given(bundles(), good_facts)
def test_a_rule_error_never_allows(made: list[dict[str, Any]], facts: Facts) -> None:
    broken = {"id": "broken", "actions": "*", "when": FAILS, "outcome": "allow", "message": "broken"}
    made[0]["rules"].append(broken)

    decided = engine.decide(policy(*made), facts.model_copy(update={"case_events": 7}), at=AT)

    assert decided.verdict.outcome >= Outcome.REVIEW
    assert [answer.rule for answer in decided.answers if answer.rule == "broken" and answer.matched is None]


@ROUNDS
@given(bundles(enforcement=("enforce", "warn", "observe")), good_facts)
def test_allow_always_comes_from_a_matching_enforced_allow_rule(made: list[dict[str, Any]], facts: Facts) -> None:
    decided = engine.decide(policy(*made), facts, at=AT)

    matched = [a for a in decided.answers if a.matched and a.enforcement == "enforce"]
    failed = [a for a in decided.answers if a.error and a.enforcement == "enforce"]
    if decided.verdict.outcome <= Outcome.NOTIFY:
        assert any(answer.outcome is Outcome.ALLOW for answer in matched)
        assert not failed
        assert decided.verdict.requirements == ()
    assert decided.verdict.outcome >= max((answer.outcome for answer in matched), default=Outcome.REVIEW)
    assert bool(decided.verdict.requirements) == (decided.verdict.outcome is Outcome.REVIEW)
    assert decided.verdict.reasons


anything = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.binary(max_size=5) | st.datetimes()
    | st.text(st.characters(), max_size=8) | st.lists(st.text(st.characters(), max_size=3) | st.integers(), max_size=3)
    | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)
)  # fmt: skip
raw_facts = st.dictionaries(st.sampled_from(sorted(Facts.model_fields)) | st.text(max_size=4), anything, max_size=6)


@settings(max_examples=400, deadline=None)
@given(raw_facts, st.booleans())
def test_whatever_the_facts_are_judging_them_raises_nothing(odd: dict[str, Any], whole: bool) -> None:
    stated = raw(**odd) if whole else odd

    decided = engine.judge(SHIPPED, stated, at=AT)

    stored = json.dumps(record.to_json(decided), allow_nan=False, ensure_ascii=False).encode()
    assert record.from_json(json.loads(stored)) == decided
    if not decided.answers:
        assert decided.verdict.outcome >= Outcome.REVIEW


@settings(max_examples=300, deadline=None)
@given(good_facts)
def test_the_shipped_policy_holds_its_promises_for_all_facts(facts: Facts) -> None:
    verdict = engine.decide(SHIPPED, facts, at=AT).verdict

    if verdict.outcome <= Outcome.NOTIFY and facts.action_kind == "refund_payment":
        assert 0 < facts.amount_minor <= min(2500, facts.charge_refundable_minor)
        assert facts.domain == "support"
        assert facts.target_is_record
        assert facts.target_of_customer
        assert facts.currency == facts.charge_currency
        assert not facts.charge_disputed
        assert not facts.risk_flags
        assert not facts.missing_context
    if facts.amount_minor > 1_000_000:
        assert verdict.outcome is Outcome.DENY
    if facts.action_kind in {"reply_to_customer", "ask_customer", "create_post_draft", "release_charge"}:
        assert verdict.outcome >= Outcome.REVIEW
    if "injection" in facts.risk_flags and not facts.reversible:
        assert verdict.outcome >= Outcome.REVIEW


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_spoilt_policy_file_is_refused_or_loaded_never_a_crash(data: st.DataObject) -> None:
    [(name, text)] = files(
        bundle("platform", *[{"id": "a", "actions": "*", "when": "true", "outcome": "allow", "message": "m"}])
    ).items()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 10)))
    spoilt = (
        text[:start]
        + data.draw(st.text(max_size=6) | st.sampled_from(['"', "{", "]", "&a ", "*a", "null", "[["]))
        + text[end:]
    )

    loaded = loader.examine({name: spoilt})

    assert (loaded.policy is None) == bool(loaded.problems)
    assert loaded.policy is None or loaded.policy.rules
