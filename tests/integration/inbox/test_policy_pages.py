"""The rules with their hits, and a verdict explained to the last rule and reached again on the spot."""

from __future__ import annotations

import json

from sqlalchemy import update

from policies.loader import loads
from tests.integration.inbox.test_templates import problems
from tests.integration.rehearsal.policies import files, policy
from tests.kit.engine import POLICY, refund, reply, tags
from tests.kit.revisions import in_rows
from workers.rehearsal.shadow import follow
from workers.store import actions, audit
from workers.store.tables import revisions


def tampered(site, action_id, change):
    with site.engine.system.db.write() as tx:
        where = revisions.c.action_id == action_id
        (revision,) = actions.revisions_of(tx, action_id)
        stored = json.loads(json.dumps(revision.record))
        in_rows(tx)
        tx.execute(update(revisions).where(where).values(record=change(stored)))


def test_every_rule_in_force_is_shown_with_its_condition_and_hits(site):
    action = site.drafted(tags())[0]
    bundle, rule = action.verdict["rules"][0].split("/")

    page = site.signed_in().get("/policy").text

    for each in POLICY.rules:
        assert f'id="{each.ref.replace("/", "-")}"' in page
    assert f'<a href="/policy/rules/{bundle}/{rule}" aria-label="{bundle}/{rule}: 1 matches">1</a>' in page
    assert problems(page) == []


def test_a_rule_that_can_do_nothing_is_marked(site):
    text = files("review")["tried.yaml"].replace('risk != "none"', "amount_minor > 5 && amount_minor < 3")
    idle = loads({"tried.yaml": text}, run_tests=False)
    site.app.state.system = site.engine.system.under(idle)

    page = site.signed_in().get("/policy").text

    assert "does nothing</span>" in page
    assert problems(page) == []


def test_a_rules_page_lists_what_it_matched(site):
    action = site.drafted(tags())[0]
    ref = action.verdict["rules"][0]

    page = site.signed_in().get(f"/policy/rules/{ref}").text

    assert f'href="/actions/{action.id}/explanation"' in page
    assert f"{site.engine.clock():%Y-%m-%d}: 1 matched, 1 decided" in page
    assert problems(page) == []


def test_a_rule_that_never_was_is_not_found(site):
    assert site.signed_in().get("/policy/rules/none/such").status_code == 404


def test_a_verdict_is_explained_to_the_last_rule(site):
    action = next(a for a in site.drafted(refund(), reply()) if a.kind == "refund_payment")
    asked = POLICY.route("support", "refund_payment").rules

    page = site.signed_in().get(f"/actions/{action.id}/explanation").text

    for rule in asked:
        assert rule.ref in page
    assert "The same</span> From the stored facts" in page
    assert POLICY.hash in page
    assert problems(page) == []


def test_a_changed_record_is_shown_as_such(site):
    action = site.drafted(tags())[0]
    tampered(site, action.id, lambda stored: {**stored, "reasons": ["<b>It was fine.</b>"]})

    page = site.signed_in().get(f"/actions/{action.id}/explanation").text

    assert "Not the same</span>" in page
    assert "&lt;b&gt;It was fine.&lt;/b&gt;" in page
    assert problems(page) == []


def test_each_revision_has_its_own(site):
    site.person("ana")
    action = site.drafted(refund())[0]
    edited = site.engine.decide(action, arguments={**action.arguments, "amount_minor": 2600}, by=site.person("ana"))

    first = site.signed_in().get(f"/actions/{action.id}/explanation?revision=1").text
    last = site.signed_in().get(f"/actions/{action.id}/explanation").text

    assert edited.revision == 2
    assert '<a href="/actions/' in first
    assert 'revision=1" aria-current' in first
    assert 'revision=2" aria-current' in last
    assert "Edited by person" in last
    assert site.signed_in().get(f"/actions/{action.id}/explanation?revision=9").status_code == 404


def test_a_changed_fact_that_no_rule_uses_is_shown_as_such(site):
    action = site.drafted(tags())[0]
    before = site.signed_in().get(f"/actions/{action.id}/explanation").text
    tampered(site, action.id, lambda stored: {**stored, "facts": {**stored["facts"], "language": "tlh"}})

    page = site.signed_in().get(f"/actions/{action.id}/explanation").text

    assert "As it was written when it was judged" in before
    assert "lead to the same again, but something in it was changed" in page
    assert "The stored record is not the one that was written when it was judged." in page
    assert problems(page) == []


def test_what_was_erased_is_said_to_be(site):
    action = site.drafted(tags())[0]
    tampered(site, action.id, lambda _: {})
    emptied = site.signed_in().get(f"/actions/{action.id}/explanation")
    with site.engine.system.db.write() as tx:
        audit.append(tx, action.case_id, site.engine.clock(), audit.Note("lead", "erased", {"case": action.case_id}))

    erased = site.signed_in().get(f"/actions/{action.id}/explanation")

    assert (emptied.status_code, erased.status_code) == (410, 410)
    assert "is not the one that was written" in emptied.text
    assert "was erased" not in emptied.text
    assert "was erased" in erased.text


def test_programs_can_have_a_decision_reached_again(site):
    action = site.drafted(tags())[0]
    client = site.with_token("read")

    same = client.get(f"/api/v1/actions/{action.id}/replay").json()
    tampered(site, action.id, lambda stored: {**stored, "outcome": "deny"})
    different = client.get(f"/api/v1/actions/{action.id}/replay").json()

    assert (same["result"], same["differences"], same["record"]) == ("same", [], "as_written")
    assert (different["result"], different["record"]) == ("different", "changed")
    assert different["differences"][0].startswith('outcome: stored "deny"')
    assert client.get("/api/v1/actions/act_none/replay").status_code == 404


def test_strangers_see_none_of_it(site):
    action = site.drafted(tags())[0]

    for address in ("/policy", "/policy/rules/a/b", f"/actions/{action.id}/explanation"):
        assert site.anonymous().get(address).headers["location"].startswith("/sign-in")
    assert site.anonymous().get(f"/api/v1/actions/{action.id}/replay").status_code == 401


def test_a_shadow_is_compared_day_by_day(site):
    action = site.drafted(tags())[0]
    follow(site.engine.system, policy("deny"))

    page = site.signed_in().get("/policy/shadow?days=7").text

    assert f"{site.engine.clock():%Y-%m-%d}: 1 differ, 0 the same" in page
    assert f'href="/actions/{action.id}/explanation?revision=1"' in page
    assert "<b>deny</b>" in page
    assert page.count('<rect class="day"') == 7
    assert problems(page) == []


def test_where_no_shadow_is_set_the_page_says_how(site):
    page = site.signed_in().get("/policy/shadow").text

    assert "CASEWORKER_POLICY_SHADOW_DIR" in page
    assert 'href="/policy/shadow" aria-current="page"' in page
    assert problems(page) == []


def test_programs_read_rules_a_verdict_and_shadows(site):
    action = site.drafted(tags())[0]
    follow(site.engine.system, policy("deny"))
    client = site.with_token("read")

    rules = client.get("/api/v1/policy/rules").json()
    told = client.get(f"/api/v1/actions/{action.id}/explanation").json()
    (shadow,) = client.get("/api/v1/policy/shadow?days=7").json()["shadows"]

    deciding = action.verdict["rules"][0]
    assert {one["rule"]: one["matched"] for one in rules["rules"]}[deciding] == 1
    assert rules["policy_hash"] == told["policy_hash"] == POLICY.hash
    assert [one["ref"] for one in told["rules"] if one["decided"]] == [deciding]
    assert {one["standing"] for one in told["rules"]} == {"counts", "silent"}
    assert shadow["moves"] == [["allow", "deny", 1]]
    assert [one["action_id"] for one in shadow["differences"]] == [action.id]
