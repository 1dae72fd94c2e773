"""The full language on random policies: a rule more never loosens anything, order means nothing, errors never allow."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_making import AT, FAILS, bundle, facts, policy

from policies import engine, record
from policies.approvals import Approval, Asked, tally
from policies.limits import Reserved, tightened
from policies.obligations import Cap, Delay, Mask, Obligation
from policies.types import DecisionRecord, Facts, Outcome

# Derandomised: the same tries each time, so that what passes here passes anywhere.
ROUNDS = settings(max_examples=40, deadline=None, derandomize=True)

ROLES = ("support", "lead", "finance")
CONDITIONS = ("true", "false", "customer_vip", "amount_minor > 2500", 'currency == "EUR"', FAILS, "kind_count_24h > 2")

roles = st.sampled_from(ROLES)
rungs = st.lists(st.tuples(st.integers(1, 90), roles), max_size=2, unique_by=lambda rung: rung[1])


@st.composite
def approvers(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for role in draw(st.lists(roles, min_size=1, max_size=2, unique=True)):
        ladder = [{"after_minutes": m, "role": to} for m, to in draw(rungs) if to != role]
        made.append({"role": role, "n": draw(st.integers(1, 2)), "ladder": ladder})
    return made


obligations = st.one_of(
    st.integers(1, 90).map(lambda minutes: {"kind": "delay", "minutes": minutes}),
    st.integers(1, 5000).map(lambda most: {"kind": "cap", "amount_minor": most, "currency": "EUR"}),
    st.lists(st.sampled_from(["card", "iban", "email"]), min_size=1).map(lambda what: {"kind": "mask", "what": what}),
    st.sampled_from(["Hello", "Bye"]).map(lambda text: {"kind": "disclose", "text": text}),
    roles.map(lambda role: {"kind": "notify", "role": role}),
)
samples = st.integers(1, 100).map(lambda percent: {"kind": "sample", "percent": percent})


@st.composite
def rules(draw: st.DrawFn, name: str) -> dict[str, Any]:
    said = draw(st.sampled_from(["allow", "notify", "review", "deny"]))
    made: dict[str, Any] = {
        "id": name,
        "actions": draw(st.sampled_from(["*", ["refund_payment"]])),
        "when": draw(st.sampled_from(CONDITIONS)),
        "outcome": said,
        "message": name,
        "enforcement": draw(st.sampled_from(["enforce", "enforce", "warn", "observe"])),
        "canary": draw(st.none() | st.integers(0, 100)),
    }
    if said == "review":
        made |= draw(
            st.one_of(
                st.just({}),
                approvers().map(lambda said: {"approvers": said}),
                st.lists(approvers(), min_size=1, max_size=3).map(lambda said: {"stages": said}),
            )
        )
        made["exclude"] = draw(st.lists(st.sampled_from(["editor", "initiator", "last_approver"]), unique=True))
        made["deadline_minutes"] = draw(st.none() | st.integers(1, 500))
    if said != "deny":
        allowed = obligations if said == "review" else obligations | samples
        made["obligations"] = draw(st.lists(allowed, max_size=2))
    return made


limits = st.fixed_dictionaries(
    {
        "window_minutes": st.integers(1, 100),
        "max_count": st.integers(1, 5),
        "over": st.sampled_from(["review", "deny"]),
        "per": st.lists(st.sampled_from(["customer", "kind"]), unique=True),
    }
)


@st.composite
def bundles(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for layer in ("platform", *draw(st.sets(st.sampled_from(["org", "domain"])))):
        said = [draw(rules(f"{layer}-{place}")) for place in range(draw(st.integers(1, 4)))]
        more: dict[str, Any] = {
            "limits": [
                {"id": f"{layer}-limit-{place}", "actions": "*", **limit}
                for place, limit in enumerate(draw(st.lists(limits, max_size=2)))
            ]
        }
        if layer == "platform":
            top = st.sampled_from([0, 2000, 2600])
            more["authority"] = [
                {"role": role, "up_to": {"EUR": draw(top)}} for role in draw(st.lists(roles, max_size=2, unique=True))
            ]
            more["never_automatic"] = draw(st.sampled_from([[], [], ["refund_payment"]]))
        made.append(bundle(layer, *said, layer=layer, **more))
    return made


some_facts = st.fixed_dictionaries(
    {},
    optional={
        "amount_minor": st.sampled_from([0, 2000, 2600]),
        "customer_vip": st.booleans(),
        "case_events": st.sampled_from([1, 7]),
        "draw": st.sampled_from(["", "case_1", "case_2", "case_3"]),
        "has_counters": st.just(True),
        "kind_count_24h": st.integers(0, 4),
        "thrown_switches": st.lists(st.sampled_from(["all", "rule:platform/platform-0", "rule:org/org-0"]), max_size=2),
    },
).map(lambda changes: facts(**changes))


def covered(before: Obligation, after: tuple[Obligation, ...]) -> bool:
    """Whether whoever meets what is asked afterwards meets this too."""
    for said in after:
        match before, said:
            case Delay(), Delay():
                return said.minutes >= before.minutes
            case Cap(), Cap() if said.currency == before.currency:
                return said.amount_minor <= before.amount_minor
            case Mask(), Mask():
                return set(said.what) >= set(before.what)
    return before in after


def suffices(asked: DecisionRecord, people: list[Approval]) -> bool:
    return not tally(Asked.of(asked.verdict, AT), people).missing


@ROUNDS
@given(st.data(), bundles(), some_facts)
def test_a_rule_more_never_loosens_anything(data: st.DataObject, made: list[dict[str, Any]], given_: Facts) -> None:
    """Only one thing does by design: the first rule to speak of what no rule spoke of."""
    before = engine.decide(policy(*made), given_, at=AT)
    place = data.draw(st.integers(0, len(made) - 1))
    added = data.draw(rules("added"))
    more = [item | {"rules": [*item["rules"], added]} if index == place else item for index, item in enumerate(made)]

    after = engine.decide(policy(*more), given_, at=AT)

    spoken = before.verdict.rules or before.verdict.outcome is Outcome.DENY
    if spoken:
        assert after.verdict.outcome >= before.verdict.outcome
    if after.verdict.outcome is Outcome.DENY:
        return
    # People answer for money by the table, which no rule changes.
    assert after.verdict.authorised == before.verdict.authorised
    assert all(covered(obligation, after.verdict.obligations) for obligation in before.verdict.obligations)
    assert before.uses == after.uses
    if spoken and after.verdict.outcome is Outcome.REVIEW is before.verdict.outcome:
        assert set(before.verdict.exclude) <= set(after.verdict.exclude)
        if before.verdict.deadline_minutes is not None:
            assert after.verdict.deadline_minutes is not None
            assert after.verdict.deadline_minutes <= before.verdict.deadline_minutes
        groups = data.draw(st.lists(st.frozensets(roles, min_size=1), max_size=8))
        people = [Approval(f"p{number}", of, at=AT) for number, of in enumerate(groups)]
        if suffices(after, people):
            assert suffices(before, list(tally(Asked.of(after.verdict, AT), people).approvals))


@ROUNDS
@given(st.data(), bundles(), some_facts)
def test_the_order_of_everything_means_nothing(data: st.DataObject, made: list[dict[str, Any]], given_: Facts) -> None:
    shuffled = data.draw(
        st.permutations(
            [
                item
                | {
                    key: data.draw(st.permutations(item[key]))
                    for key in ("rules", "limits", "authority")
                    if item.get(key)
                }
                for item in made
            ]
        )
    )

    one, other = policy(*made), policy(*shuffled)

    assert engine.decide(other, given_, at=AT) == engine.decide(one, given_, at=AT)
    assert other.hash == one.hash


@ROUNDS
@given(bundles(), some_facts)
def test_only_a_rule_that_counts_allows_and_no_error_does(made: list[dict[str, Any]], given_: Facts) -> None:
    loaded = policy(*made)

    decided = engine.decide(loaded, given_, at=AT)

    if decided.verdict.outcome <= Outcome.NOTIFY:
        counting = [a for a in decided.answers if a.enforcement == "enforce" and a.set_aside is None]
        assert any(answer.matched and answer.outcome is Outcome.ALLOW for answer in counting)
        assert not any(answer.error for answer in counting)
        assert "refund_payment" not in loaded.never_automatic
        assert "all" not in given_.thrown_switches
        assert decided.verdict.requirements == ()


@ROUNDS
@given(st.data(), bundles(), some_facts)
def test_what_limits_come_to_only_tightens_and_every_record_can_be_stored(
    data: st.DataObject, made: list[dict[str, Any]], given_: Facts
) -> None:
    decided = engine.decide(policy(*made), given_, at=AT, trace=data.draw(st.booleans()))
    held = [data.draw(st.booleans()) for _ in decided.uses]
    tried = [Reserved(u.limit.ref, u.key, 1, 0, ok) for u, ok in zip(decided.uses, held, strict=True)]

    after = tightened(decided, tried)

    assert after.verdict.outcome >= decided.verdict.outcome
    assert all(held) == (after.verdict == decided.verdict)
    for each in (decided, after):
        assert record.from_json(json.loads(json.dumps(record.to_json(each)))) == each
        assert record.verdict_of(json.loads(json.dumps(record.verdict_json(each.verdict)))) == each.verdict
