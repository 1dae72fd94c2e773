"""Another policy on the past, and the past reached again, from the command line."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests.integration.rehearsal.policies import files, policy
from workers.rehearsal.shadow import follow
from workers.settings import SHIPPED_POLICY
from workers.store import audit, policy_sets


@pytest.fixture
def tried(tmp_path):
    """A folder with a policy that answers everything alike."""

    def folder(outcome):
        made = tmp_path / outcome
        made.mkdir()
        for name, text in files(outcome).items():
            (made / name).write_text(text)
            # What counts in a folder has its tests beside it.
            (made / name.replace(".yaml", ".test.yaml")).write_text(json.dumps(_suite(outcome)))
        return str(made)

    return folder


def _suite(outcome):
    facts = {
        "action_kind": "add_tags",
        "domain": "support",
        "risk": "low",
        "reversible": True,
        "delivery": "idempotent",
        "occurred_at": "2026-11-20T12:00:00Z",
    }
    tests = [
        {"name": "all", "facts": {}, "expect": {"outcome": outcome, "rules": ["everything"]}},
        {"name": "but for this", "facts": {"risk": "none"}, "expect": {"outcome": "review", "rules": []}},
    ]
    return {"bundle": "tried", "given": facts, "groups": [{"about": "everything", "tests": tests}]}


def stored(waiting, action_id, change):
    with sqlite3.connect(waiting.system.settings.data / "caseworker.db") as db:
        (text,) = db.execute("SELECT record FROM revisions WHERE action_id = ?", [action_id]).fetchone()
        assert change(text) != text
        db.execute("UPDATE revisions SET record = ? WHERE action_id = ?", [change(text), action_id])


def test_the_same_policy_changes_nothing(caseworker, waiting):
    ran = caseworker("policy", "backtest", "--bundle", str(SHIPPED_POLICY))

    assert (ran.status, ran.out.splitlines()[0]) == (0, "All 2 would be judged as they were.")


def test_what_another_would_change_is_told_with_rules_and_actions(caseworker, waiting, tried):
    ran = caseworker("policy", "backtest", "--bundle", tried("deny"))

    assert ran.status == 0
    assert "2 of 2 would be judged differently" in ran.out
    assert "+2 denied" in ran.out
    assert "tried/everything" in ran.out
    for action in waiting.actions():
        assert action.id in ran.out


def test_programs_get_the_whole_report(caseworker, waiting, tried):
    found = caseworker("policy", "backtest", "--bundle", tried("deny"), "--since", "30d", "--json").json

    assert (found["judged"], found["differing"], found["archived"]) == (2, 2, 0)
    assert found["after"] == {"deny": 2}
    assert {change["id"] for change in found["changes"]} == {action.id for action in waiting.actions()}
    assert {change["after"]["outcome"] for change in found["changes"]} == {"deny"}


def test_one_kind_and_a_few_can_be_asked_for(caseworker, waiting, tried):
    folder = tried("deny")

    assert (
        caseworker("policy", "backtest", "--bundle", folder, "--kind", "refund_payment", "--json").json["judged"] == 1
    )
    assert caseworker("policy", "backtest", "--bundle", folder, "--limit", "1", "--json").json["judged"] == 1
    assert caseworker("policy", "backtest", "--bundle", folder, "--domain", "content", "--json").json["judged"] == 0


def test_letting_through_what_people_refused_ends_in_status_1(caseworker, waiting, tried):
    refused = next(action for action in waiting.actions() if action.state == "pending")
    waiting.decide(refused, "reject", reason="No.")

    ran = caseworker("policy", "backtest", "--bundle", tried("allow"))

    assert ran.status == 1
    assert "1 rejected" in ran.out
    assert "Let through although a person was needed: 0 as it was, 1 under the other policy." in ran.out


def test_the_report_is_written_as_a_page_too(caseworker, waiting, tried, tmp_path):
    page = tmp_path / "report.html"

    ran = caseworker("policy", "backtest", "--bundle", tried("deny"), "--html", str(page))

    text = page.read_text()
    assert str(page) in ran.out
    assert "2 of 2 would be judged differently" in text
    assert '<svg class="lanes"' in text
    assert "<script" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say which policy to try"),
        (("--bundle", "nowhere"), "no policy files"),
        (("--bundle", str(SHIPPED_POLICY), "--since", "lately"), "'lately' is no day"),
        (("--bundle", str(SHIPPED_POLICY), "--html", "no/such/folder.html"), "cannot be written"),
    ],
)
def test_what_cannot_be_tried_is_said_in_one_line(caseworker, waiting, arguments, said):
    ran = caseworker("policy", "backtest", *arguments)

    assert ran.status == 2
    assert said in ran.err


def test_a_decision_is_reached_again(caseworker, waiting):
    ran = caseworker("policy", "replay", waiting.action("refund_payment").id)

    assert ran.status == 0
    assert "the same, bit for bit" in ran.out


def test_a_changed_record_is_told_and_ends_in_status_1(caseworker, waiting):
    target = waiting.action("refund_payment")
    stored(waiting, target.id, lambda text: text.replace('"40', '"41', 1).replace("of 40", "of 41", 1))

    ran = caseworker("policy", "replay", target.id)

    assert ran.status == 1
    assert "NOT the same" in ran.out
    assert "stored" in ran.out


def test_all_of_them_are_counted(caseworker, waiting):
    stored(
        waiting, waiting.action("reply_to_customer").id, lambda text: text.replace('"reasons": ["', '"reasons": ["~', 1)
    )

    ran = caseworker("policy", "replay", "--all")
    found = caseworker("policy", "replay", "--all", "--since", "1d", "--json").json

    assert ran.status == 1
    assert "2 decisions: 1 the same bit for bit, 1 different, 0 cannot be reached again." in ran.out
    assert found["counts"] == {"same": 1, "different": 1, "unknown": 0}
    assert found["records"] == {"as_written": 1, "changed": 1, "no_digest": 0, "erased": 0}
    assert found["decisions"][0]["differences"][0].startswith("reasons[0]: stored")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name one action, or say --all."),
        (("act_none",), "There is no action 'act_none'"),
        (("act_none", "--all"), "Name one action, or say --all."),
    ],
)
def test_what_cannot_be_reached_is_said_in_one_line(caseworker, waiting, arguments, said):
    ran = caseworker("policy", "replay", *arguments)

    assert ran.status == 2
    assert said in ran.err


def test_what_a_shadow_says_is_compared_with_what_was_decided(caseworker, waiting):
    follow(waiting.system, policy("deny"))

    ran = caseworker("policy", "shadow")
    found = caseworker("policy", "shadow", policy("deny").hash[:8], "--days", "7", "--json").json

    assert "judged 2 decisions in 30 days" in ran.out
    assert "2 differ" in ran.out
    assert {one["action_id"] for one in found["differences"]} == {action.id for action in waiting.actions()}
    assert {one["would_be"] for one in found["differences"]} == {"deny"}


def test_a_proposed_policy_is_followed_and_left_again(caseworker, waiting):
    tried = policy("deny")
    now = waiting.clock()
    with waiting.system.db.write() as tx:
        policy_sets.add(tx, tried.hash, name=tried.name, files=files("deny"), by="person:ana", why="To see.", now=now)

    begun = caseworker("policy", "shadow", "--begin", tried.hash[:8])
    twice = caseworker("policy", "shadow", "--begin", tried.hash[:8])
    ended = caseworker("policy", "shadow", "--end", tried.hash[:8])

    assert "is followed from now on, and decides nothing" in begun.out
    assert (twice.status, ended.status) == (2, 0)
    assert "it has to be proposed" in twice.err
    with waiting.system.db.read() as tx:
        assert policy_sets.get(tx, tried.hash).state == "proposed"
        verbs = [entry.verb for entry in audit.of_chain(tx, audit.SYSTEM)]
    assert verbs[-2:] == ["policy_shadow_begun", "policy_shadow_ended"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "No shadow has judged anything yet"),
        (("--begin", "abc"), "0 policies are kept whose hash begins with 'abc'"),
        (("--begin", ""), "name exactly one"),
        (("--begin", "a", "--end", "b"), "not both at once"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(caseworker, waiting, arguments, said):
    ran = caseworker("policy", "shadow", *arguments)

    assert ran.status == 2
    assert said in ran.err
