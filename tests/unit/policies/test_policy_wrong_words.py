"""What a bundle may not say of people, limits, waivers and obligations: each thing with its place, before any of it is used."""

from __future__ import annotations

from typing import Any

import pytest
from policy_making import bundle, files, rule

from policies import loader
from policies.types import Outcome

LIMIT: dict[str, Any] = {"id": "l", "actions": "*", "window_minutes": 60, "max_count": 3, "over": "review"}
WAIVER: dict[str, Any] = {
    "id": "w",
    "rule": "look",
    "when": "true",
    "until": "2027-01-01T00:00:00Z",
    "owner": "Ana",
    "reason": "known",
}
CLIMBING = {"role": "lead", "ladder": [{"after_minutes": 5, "role": "boss"}]}
TWICE = {"role": "lead", "ladder": [{"after_minutes": 5, "role": "finance"}, {"after_minutes": 9, "role": "finance"}]}


def problems(*rules: dict[str, Any], layer: str = "platform", **more: Any) -> list[str]:
    said = rules or (rule("look", "review"), rule("no", "deny"))
    platform = bundle("platform", rule("never", "deny", "false"))
    made = [bundle("platform", *said, **more)] if layer == "platform" else [
        platform,
        bundle("own", *said, layer=layer, **more),
    ]  # fmt: skip
    return [f"{problem.path}: {problem.message}" for problem in loader.examine(files(*made)).problems]


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"stages": [[{"role": "lead"}], [{"role": "boss"}]]}, "stages[1][0].role: unknown role 'boss'"),
        ({"stages": [[{"role": "lead"}, {"role": "lead"}]]}, "stages[0][1].role: the role 'lead' is there twice"),
        ({"stages": [[]]}, "stages[0]: List should have at least 1 item"),
        ({"approvers": [{"role": "lead"}], "stages": [[{"role": "lead"}]]}, "stages: either approvers, side by side"),
        ({"approvers": [CLIMBING]}, "approvers[0].ladder[0].role: unknown role 'boss'"),
        ({"approvers": [TWICE]}, "approvers[0].ladder[1].role: the role 'finance' is there twice"),
        ({"exclude": ["author"]}, "exclude[0]: Input should be 'editor', 'initiator' or 'last_approver'"),
        ({"deadline_minutes": 0}, "deadline_minutes: Input should be greater than or equal to 1"),
        ({"canary": 101}, "canary: Input should be less than or equal to 100"),
        ({"canary": -1}, "canary: Input should be greater than or equal to 0"),
        ({"enforcement": "maybe"}, "enforcement: Input should be 'observe', 'warn' or 'enforce'"),
        ({"obligations": [{"kind": "pray"}]}, "obligations[0]: Input tag 'pray'"),
        ({"obligations": [{"kind": "notify", "role": "boss"}]}, "obligations[0].role: unknown role 'boss'"),
        ({"obligations": [{"kind": "delay"}]}, "obligations[0].delay.minutes: Field required"),
        ({"obligations": [{"kind": "sample", "percent": 5}]}, "obligations[0]: people look at all of it anyway"),
    ],
)
def test_a_review_that_cannot_be_meant_is_refused(said: dict[str, Any], where: str) -> None:
    found = problems(rule("look", "review", **said))

    assert [problem for problem in found if problem.startswith(f"rules[0].{where}")], found


@pytest.mark.parametrize("key", ["approvers", "stages", "exclude", "deadline_minutes"])
@pytest.mark.parametrize("outcome", ["allow", "notify", "deny"])
def test_only_a_review_asks_people(key: str, outcome: str) -> None:
    said = {
        "approvers": [{"role": "lead"}],
        "stages": [[{"role": "lead"}]],
        "exclude": ["editor"],
        "deadline_minutes": 5,
    }

    assert problems(rule("r", outcome, **{key: said[key]})) == [
        f"rules[0].{key}: only a review asks people, this rule says {outcome}"
    ]


def test_what_is_denied_obliges_to_nothing() -> None:
    assert problems(rule("no", "deny", obligations=[{"kind": "delay", "minutes": 5}])) == [
        "rules[0].obligations: nothing is done that is denied: there is nothing to oblige"
    ]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"max_count": None}, "limits[0]: limits nothing"),
        ({"max_minor": 5}, "limits[0]: max_minor and currency belong together"),
        ({"currency": "EUR"}, "limits[0]: max_minor and currency belong together"),
        ({"currency": "euro", "max_minor": 5}, "limits[0].currency: String should match"),
        ({"max_count": 0}, "limits[0].max_count: Input should be greater than or equal to 1"),
        ({"actions": ["refund"]}, "limits[0].actions: unknown action 'refund'"),
        ({"per": ["planet"]}, "limits[0].per[0]: Input should be 'customer'"),
        ({"per": ["kind", "kind"]}, "limits[0].per: the same thing is there twice"),
        ({"over": "allow"}, "limits[0].over: Input should be 'review' or 'deny'"),
        ({"over": "deny", "approvers": [{"role": "lead"}]}, "limits[0].approvers: only a review asks people"),
        ({"approvers": [{"role": "boss"}]}, "limits[0].approvers[0].role: unknown role 'boss'"),
        ({"id": "look"}, "limits[0].id: a rule is called 'look' too"),
        ({"window_minutes": 0}, "limits[0].window_minutes: Input should be greater"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(changes: dict[str, Any], where: str) -> None:
    found = problems(limits=[LIMIT | changes])

    assert [problem for problem in found if problem.startswith(where)], found


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"rule": "looks"}, "waivers[0].rule: there is no rule 'platform/looks' to waive"),
        ({"rule": "other/look"}, "waivers[0].rule: there is no rule 'other/look' to waive"),
        ({"rule": "no"}, "waivers[0].rule: 'platform/no' is what the platform denies: that cannot be waived"),
        ({"when": "amont > 5"}, "waivers[0].when: "),
        ({"until": "2027-01-01T00:00:00"}, "waivers[0].until: Input should have timezone info"),
        ({"until": "soon"}, "waivers[0].until: "),
        ({"owner": ""}, "waivers[0].owner: String should have at least 1 character"),
        ({"reason": None}, "waivers[0].reason: Input should be a valid string"),
    ],
)
def test_a_waiver_that_cannot_be_meant_is_refused(changes: dict[str, Any], where: str) -> None:
    found = problems(waivers=[WAIVER | changes])

    assert [problem for problem in found if problem.startswith(where)], found


def test_a_domain_may_waive_what_it_denies_itself_and_not_what_the_platform_does() -> None:
    own = rule("own-no", "deny")

    assert problems(own, layer="domain", waivers=[WAIVER | {"rule": "own-no"}]) == []
    assert problems(own, layer="domain", waivers=[WAIVER | {"rule": "platform/never"}]) == [
        "waivers[0].rule: 'platform/never' is what the platform denies: that cannot be waived"
    ]


@pytest.mark.parametrize("key", ["limits", "waivers"])
def test_an_id_is_there_once(key: str) -> None:
    one = {"limits": LIMIT, "waivers": WAIVER}[key]

    assert problems(**{key: [one, one]}) == [
        f"{key}[0].id: the id '{one['id']}' is there twice",
        f"{key}[1].id: the id '{one['id']}' is there twice",
    ]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("authority", [{"role": "lead", "up_to": {"EUR": 5}}], "says how much money a role may approve"),
        ("never_automatic", ["refund_payment"], "says what never runs by itself"),
        ("autonomy", {}, "says when autonomy is earned"),
    ],
)
def test_some_things_only_the_platform_says(key: str, value: Any, says: str) -> None:
    assert problems(layer="org", **{key: value}) == [f"{key}: only the layer platform {says}"]


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"authority": [{"role": "boss", "up_to": {"EUR": 5}}]}, "authority[0].role: unknown role 'boss'"),
        ({"authority": [{"role": "lead", "up_to": {}}]}, "authority[0].up_to: Dictionary should have at least 1 item"),
        ({"authority": [{"role": "lead", "up_to": {"euro": 5}}]}, "authority[0].up_to"),
        ({"authority": [{"role": "lead", "up_to": {"EUR": -5}}]}, "authority[0].up_to.EUR: Input should be greater"),
        (
            {"authority": [{"role": "lead", "up_to": {"EUR": 5}}] * 2},
            "authority[1].role: the role 'lead' is there twice",
        ),
        ({"never_automatic": ["refund"]}, "never_automatic: unknown action 'refund'"),
        ({"autonomy": {"alpha": 1.5}}, "autonomy.alpha: Input should be less than 1"),
        ({"autonomy": {"lower_bound": 98}}, "autonomy.lower_bound: Input should be less than or equal to 1"),
        ({"autonomy": {"luck": 1}}, "autonomy.luck: there is no such key"),
    ],
)
def test_what_the_platform_says_must_be_meant(more: dict[str, Any], where: str) -> None:
    found = problems(**more)

    assert [problem for problem in found if problem.startswith(where)], found


def test_all_of_it_is_told_at_once() -> None:
    wrong = rule("look", "review", stages=[[{"role": "boss"}]], obligations=[{"kind": "notify", "role": "nobody"}])

    found = problems(wrong, limits=[LIMIT | {"actions": ["refund"]}], waivers=[WAIVER | {"rule": "looks"}])

    assert len(found) == 4


def test_a_policy_has_another_hash_when_its_stages_change_places_and_none_when_a_default_is_written_out() -> None:
    def hash_of(**said: Any) -> str:
        loaded = loader.examine(files(bundle("platform", rule("look", "review", **said)))).policy
        assert loaded is not None
        return loaded.hash

    lead, finance = [{"role": "lead"}], [{"role": "finance"}]
    assert hash_of(stages=[lead, finance]) != hash_of(stages=[finance, lead])
    assert hash_of(stages=[lead, finance]) == hash_of(stages=[lead, finance], enforcement="enforce", canary=None)
    delay, told = {"kind": "delay", "minutes": 5}, {"kind": "notify", "role": "lead"}
    assert hash_of(obligations=[delay, told]) == hash_of(obligations=[told, delay])
    assert hash_of(obligations=[delay]) != hash_of(obligations=[delay | {"minutes": 6}])


def test_a_ladder_is_read_in_the_order_of_its_times() -> None:
    rungs = [{"after_minutes": 90, "role": "finance"}, {"after_minutes": 30, "role": "support"}]
    loaded = loader.examine(
        files(bundle("platform", rule("look", "review", approvers=[{"role": "lead", "ladder": rungs}])))
    )

    assert loaded.policy is not None
    [read] = loaded.policy.rules
    assert read.outcome is Outcome.REVIEW
    assert [(rung.after_minutes, rung.role) for rung in read.requirements[0].ladder] == [
        (30, "support"),
        (90, "finance"),
    ]
