"""Loading: a directory is a policy as a whole or not at all, and every problem is told at once with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from policy_making import bundle, files, outcome, policy, rule

from policies import loader
from policies.errors import PolicyError

TESTS_ALONE = """\
bundle: support
groups:
  - about: x
    tests: [{name: x, expect: {outcome: allow}}]
"""

BROKEN = """\
bundle: broken
version: 1
layer: domain
domain: support
enforcement: enforced
actions: [refund_payment]
rules:
  - id: one
    actions: [refund_payment]
    when: "true"
    outcome: allow
    messsage: typo
"""

WRONG = """\
bundle: wrong
version: 1
layer: platform
enforcement: enforce
roles: [lead]
actions: [refund_payment]
rules:
  - id: same
    actions: [refund_payment]
    when: "amont > 5"
    outcome: review
    approvers: [{role: leed}]
    message: "about {amont}"
  - id: same
    actions: [refund]
    when: >-
      amount_minor > 5
      || amount_minor > "5"
    outcome: allow
    approvers: [{role: lead}]
    message: fine
"""


def problems(made: dict[str, str]) -> list[str]:
    with pytest.raises(PolicyError) as error:
        loader.loads(made, run_tests=False)
    return [str(problem) for problem in error.value.problems]


def test_every_problem_of_every_file_is_told_at_once_with_its_line() -> None:
    found = problems({"b.yaml": BROKEN, "w.yaml": WRONG, "y.yaml": "a: [", "z.test.yaml": "bundle: wrong\n"})

    assert found == [
        "b.yaml:5: enforcement: Input should be 'observe', 'warn' or 'enforce'",
        "b.yaml:8: rules[0].message: Field required",
        "b.yaml:12: rules[0].messsage: there is no such key",
        "w.yaml:8: rules[0].id: the id 'same' is there twice",
        "w.yaml:10: rules[0].when: undeclared reference to 'amont' (column 1)",
        "w.yaml:12: rules[0].approvers[0].role: unknown role 'leed': a bundle of the layer platform declares it under 'roles'",
        "w.yaml:13: rules[0].message: {amont} is no fact: only {fact} and {amount}, {charge_amount}, {charge_refundable} can be filled in",
        "w.yaml:14: rules[1].id: the id 'same' is there twice",
        "w.yaml:15: rules[1].actions: unknown action 'refund': no bundle that could meet it declares it under 'actions'",
        "w.yaml:16: rules[1].when: found no matching overload for '_>_' applied to '(int, string)' (column 34)",
        "w.yaml:20: rules[1].approvers: only a review asks people, this rule says allow",
        "y.yaml:2: not YAML: did not find expected node content",
        "z.test.yaml:1: groups: Field required",
    ]


def test_the_error_can_be_read_as_it_is() -> None:
    with pytest.raises(PolicyError) as error:
        loader.loads({"b.yaml": BROKEN})

    first, *lines = str(error.value).splitlines()
    assert first == "3 problems in the policy"
    assert lines[0] == "  b.yaml:5: enforcement: Input should be 'observe', 'warn' or 'enforce'"


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ('currency.matches("(")', "no regular expression"),
        ('occurred_at.getHours("Nowhere/X") > 8', "local_hour"),
        ("(" * 33 + "true" + ")" * 33, "recursion limit"),
        ("true || " + " " * 2000, "2000 at most"),
        ("amont > 5", "undeclared"),
        ('amount_minor > "5"', "no matching overload"),
        ("amount_minor > 5.0", "no matching overload"),
        ("amount_minor + 1", "must be true or false"),
        ("1 / 0 > 1", "fails when tried on sample facts"),
        ('risk_flags[0] == "injection"', "fails when tried on sample facts"),
        ("100 / amount_minor > 1", "fails when tried on sample facts"),
    ],
)
def test_a_bad_condition_refuses_all_of_it_and_the_policy_in_force_stays(condition: str, why: str) -> None:
    in_force = policy(bundle("platform", rule("fine", "allow")))

    found = problems(
        files(bundle("platform", rule("fine", "allow")), bundle("org", rule("bad", "deny", condition), layer="org"))
    )

    assert len(found) == 1
    assert "rules[0].when" in found[0]
    assert why in found[0]
    assert outcome(in_force) == "allow"


def _changed(**more: Any) -> dict[str, Any]:
    return bundle("platform", rule("fine", "allow")) | more


@pytest.mark.parametrize(
    ("made", "where", "why"),
    [
        (_changed(version=0), "version", "greater than or equal to 1"),
        (_changed(version=True), "version", "valid integer"),
        (_changed(version="1"), "version", "valid integer"),
        (_changed(layer="global"), "layer", "platform"),
        (_changed(bundle="Platform!"), "bundle", "match pattern"),
        (_changed(domain="support"), "domain", "for every domain"),
        (_changed(rules=[]), "rules", "at least 1 item"),
        (_changed(facts={}), "facts", "no such key"),
        (_changed(defaults={"unknown_action": "allow"}), "defaults.unknown_action", "'review' or 'deny'"),
        (_changed(defaults={"no_match": "allow"}), "defaults.no_match", "'review' or 'deny'"),
        (_changed(defaults={"no_match": "notify"}), "defaults.no_match", "'review' or 'deny'"),
        (_changed(defaults={"rule_error": "allow"}), "defaults.rule_error", "'review' or 'deny'"),
        (_changed(defaults={"approvers": [{"role": "boss"}]}), "defaults.approvers[0].role", "unknown role"),
        (bundle("a", rule("fine", "allow"), layer="domain", domain=None), "layer", "needs a domain"),
        (bundle("a", rule("fine", "allow"), layer="domain", roles=["lead"]), "roles", "only the layer platform"),
        (bundle("a", rule("fine", "auto")), "rules[0].outcome", "'allow', 'notify', 'review' or 'deny'"),
        (bundle("a", rule("fine", "allow", actions=[])), "rules[0].actions", "at least 1 item"),
        (bundle("a", rule("fine", "allow", actions=["*", "add_tags"])), "rules[0].actions", "stands alone"),
        (bundle("a", rule("look", "review", approvers=[{"role": "lead", "n": 0}])), "rules[0].approvers[0].n", "greater"),
        (bundle("a", rule("look", "review", approvers=[{"role": "lead", "n": False}])), "rules[0].approvers[0].n", "integer"),
        (bundle("a", rule("look", "review", approvers=[{"role": ""}])), "rules[0].approvers[0].role", "match pattern"),
        (
            bundle("a", rule("look", "review", approvers=[{"role": "lead"}, {"role": "lead", "n": 2}])),
            "rules[0].approvers[1].role",
            "there twice",
        ),
        (bundle("a", rule("look", "deny", exclude=["editor"])), "rules[0].exclude", "only a review asks people"),
        (bundle("a", rule("look", "review", exclude=["everybody"])), "rules[0].exclude[0]", "'editor'"),
        (bundle("a", rule("fine", "allow", message="")), "rules[0].message", "at least 1 character"),
        (bundle("a", rule("fine", "allow", message="{amount")), "rules[0].message", "expected '}'"),
        (bundle("a", rule("fine", "allow", message="{amount:>10}")), "rules[0].message", "is no fact"),
        (bundle("a", rule("fine", "allow", message="{amount.__class__}")), "rules[0].message", "is no fact"),
        (bundle("a", rule("fine", "allow", message="two\nlines")), "rules[0].message", "match pattern"),
    ],
)  # fmt: skip
def test_a_bundle_that_says_what_it_may_not_is_refused(made: dict[str, Any], where: str, why: str) -> None:
    base = bundle("base", rule("fine", "allow"))

    found = problems(files(made, base))

    assert len(found) == 1
    assert f": {where}: " in found[0]
    assert why in found[0]


def test_two_bundles_of_one_name_are_refused() -> None:
    found = problems(files(bundle("twin", rule("a", "allow")), bundle("twin", rule("b", "deny"), layer="org")))

    assert [problem.split(": ", 1)[1] for problem in found] == ["bundle: another bundle is called 'twin' too"] * 2


def test_a_domain_may_not_speak_of_another_domains_actions_but_the_platform_may() -> None:
    platform = bundle("platform", rule("posts", "review", actions=["create_post_draft"]), actions=[])
    content = bundle("content", rule("p", "review"), layer="domain", domain="content", actions=["create_post_draft"])
    support = bundle("support", rule("posts", "allow", actions=["create_post_draft"]), layer="domain", actions=[])

    found = problems(files(platform, content, support))

    assert len(found) == 1
    assert "2-support.yaml:1: rules[0].actions: unknown action 'create_post_draft'" in found[0]


def test_what_a_policy_does_not_name_is_told() -> None:
    assert problems({"a.test.yaml": TESTS_ALONE}) == ["a.test.yaml:1: there are tests here, but no bundle"]
    assert problems({"a.yaml": b"\xff\xfe"})[0].startswith("a.yaml:1: not UTF-8")  # type: ignore[dict-item]
    assert problems({"a.yaml": ""})[0].startswith("a.yaml:1: Input should be")


def test_a_directory_without_policy_files_is_an_error(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(PolicyError, match="no policy files"):
            loader.load(directory)


def test_a_file_that_would_be_passed_over_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(json.dumps(bundle("platform", rule("fine", "allow"))))
    (tmp_path / "stricter.yml").write_text(json.dumps(bundle("org", rule("no", "deny"), layer="org")))

    with pytest.raises(PolicyError, match=r"stricter\.yml:1: policy files end in \.yaml"):
        loader.load(tmp_path, run_tests=False)


def test_the_hash_is_that_of_the_meaning() -> None:
    one, two = rule("a", "allow", actions=["add_tags", "refund_payment"]), rule("b", "deny", "customer_vip")
    made = policy(bundle("x", one, two), bundle("y", one, layer="org"))

    shuffled = rule("a", "allow", actions=["refund_payment", "add_tags"])
    same = policy(
        bundle("y", shuffled, layer="org"),
        bundle("x", two, one, about="in other words", actions=["add_tags", "refund_payment"]),
    )
    assert (same.name, same.hash) == (made.name, made.hash) == ("x@1 y@1", made.hash)
    assert len(made.hash) == 64

    others = [
        policy(bundle("x", one, two)),
        policy(bundle("x", one, two, version=2), bundle("y", one, layer="org")),
        policy(bundle("x", one, two, enforcement="warn"), bundle("y", one, layer="org")),
        policy(bundle("x", one, two | {"message": "other"}), bundle("y", one, layer="org")),
        policy(bundle("x", one, two | {"when": "customer_vip "}), bundle("y", one, layer="org")),
        policy(bundle("x", one, two, defaults={"no_match": "deny"}), bundle("y", one, layer="org")),
    ]
    assert len({made.hash, *(other.hash for other in others)}) == 1 + len(others)
