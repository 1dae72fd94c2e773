"""What differs between two policies, and whether it may let through what was held back: when in doubt, it may."""

from __future__ import annotations

import pytest

from tests.unit.policies.policy_making import bundle, policy, rule
from workers.governance.differences import between, summary, texts

LEAD = [{"role": "lead"}]
BASE = (
    rule("keep", "review", "amount_minor > 5000", approvers=LEAD, exclude=["editor"]),
    rule("let", "allow", "amount_minor <= 5000", actions=["refund_payment", "add_tags"]),
)


def made(*rules, **more):
    return policy(bundle("house", *(rules or BASE), **more))


def changed(name, **more):
    return tuple({**each, **more} if each["id"] == name else each for each in BASE)


def without(name):
    return tuple(each for each in BASE if each["id"] != name)


def looser(after, before=None):
    return any(difference.looser for difference in between(before or made(), after))


TIGHTER = {
    "a ban is added": made(*BASE, rule("ban", "deny", "amount_minor == 1")),
    "somebody else is asked as well": made(*BASE, rule("more", "review", approvers=[{"role": "finance"}])),
    "a permission goes": made(*without("let")),
    "a permission becomes a question": made(*changed("let", outcome="review")),
    "a permission is for fewer kinds": made(*changed("let", actions=["add_tags"])),
    "a permission is tried on a few": made(*changed("let", canary=5.0)),
    "a permission is only observed": made(*changed("let", enforcement="observe")),
    "a question becomes a ban": made(*changed("keep", outcome="deny", approvers=[], exclude=[])),
    "two are asked where one was": made(*changed("keep", approvers=[{"role": "lead", "n": 2}])),
    "a second group is asked": made(*changed("keep", approvers=[*LEAD, {"role": "finance"}])),
    "more people are excluded": made(*changed("keep", exclude=["editor", "initiator"])),
    "it must be decided sooner": made(*changed("keep", deadline_minutes=60)),
    "the words are others": made(*changed("keep", message="Look twice")),
    "a permission that only observes is added": made(*BASE, rule("try", "allow", enforcement="observe")),
    "a limit is added": made(
        limits=[{"id": "day", "actions": "*", "window_minutes": 1440, "max_count": 5, "over": "review"}]
    ),
    "nothing matched is denied": made(defaults={"no_match": "deny"}),
    "a kind is never automatic": made(never_automatic=["refund_payment"]),
}
LOOSER = {
    "a permission is added": made(*BASE, rule("more", "allow")),
    "a question goes": made(*without("keep")),
    "a question becomes a permission": made(*changed("keep", outcome="allow", approvers=[], exclude=[])),
    "a question becomes a notice": made(*changed("keep", outcome="notify", approvers=[], exclude=[])),
    "its condition is another": made(*changed("keep", when="amount_minor > 4000")),
    "a permission's condition is another": made(*changed("let", when="amount_minor <= 4000")),
    "a permission is for more kinds": made(*changed("let", actions="*")),
    "nobody in particular is asked": made(*changed("keep", approvers=[])),
    "another group is asked instead": made(*changed("keep", approvers=[{"role": "support"}])),
    "a question is only observed": made(*changed("keep", enforcement="observe")),
    "nobody is excluded": made(*changed("keep", exclude=[])),
    "the bundle only warns": made(enforcement="warn"),
    "a kind becomes known": made(actions=["refund_payment", "add_tags", "close_ticket"]),
    "unknown kinds are looked at instead of denied": made(defaults={"unknown_action": "review"}),
    "a waiver is added": made(
        waivers=[
            {
                "id": "gift",
                "rule": "keep",
                "when": "customer_vip",
                "until": "2027-01-01T00:00:00Z",
                "owner": "ana@firm.example",
                "reason": "Until the shop is moved",
            }
        ]
    ),
}


@pytest.mark.parametrize("after", TIGHTER.values(), ids=TIGHTER)
def test_what_only_tightens_loosens_nothing(after):
    assert between(made(), after)
    assert not looser(after)


@pytest.mark.parametrize("after", LOOSER.values(), ids=LOOSER)
def test_what_may_let_more_through_loosens(after):
    assert looser(after)


LIMITED = {"id": "day", "actions": "*", "window_minutes": 1440, "max_count": 5, "over": "review"}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([], True),
        ([{**LIMITED, "max_count": 6}], True),
        ([{**LIMITED, "window_minutes": 60}], True),
        ([{**LIMITED, "max_count": 4}], False),
        ([LIMITED], False),
    ],
)
def test_a_limit_may_only_be_lowered(limits, expected):
    assert looser(made(limits=limits), made(limits=[LIMITED])) is expected


def test_what_may_no_longer_be_never_automatic_loosens():
    assert looser(made(), made(never_automatic=["refund_payment"]))


def test_a_bundle_that_goes_takes_what_it_held_back_with_it():
    other = bundle("other", rule("ban", "deny", "amount_minor == 1"), layer="domain")

    assert looser(made(), policy(bundle("house", *BASE), other))
    assert not looser(
        policy(bundle("house", *BASE), {**other, "actions": ["add_tags"]}),
        policy(bundle("house", *BASE), {**other, "actions": ["add_tags"], "rules": [rule("let", "allow")]}),
    )


def test_policies_that_mean_the_same_do_not_differ():
    assert between(made(), made(*reversed(BASE))) == ()
    assert summary(()) == "nothing that decides anything"


def test_a_change_is_told_in_words():
    after = made(*changed("keep", approvers=[{"role": "lead", "n": 2}]), never_automatic=["add_tags"])

    told = summary(between(made(), after))

    assert told == "changes “never automatic” of house; changes rule house/keep (who must say yes)"


def test_a_long_summary_says_how_much_it_leaves_out():
    many = tuple(rule(f"ban-with-a-long-name-{n}", "deny", f"amount_minor == {n}") for n in range(20))

    told = summary(between(made(), made(*BASE, *many)))

    assert len(told) <= 300
    assert told.startswith("adds rule house/ban-with-a-long-name-0 (deny); ")
    shown = told.count("adds rule")
    assert told.endswith(f"; and {20 - shown} more")


def test_files_are_compared_line_by_line():
    (file,) = texts({"a.yaml": "x\ny\n", "b.yaml": "same"}, {"a.yaml": "x\nz\n", "b.yaml": "same"})

    assert file.name == "a.yaml"
    assert [line for line in file.lines if line[0] in "+-"][2:] == ["-y", "+z"]
