"""What the pages of the policy say to people: words with places for values, money, pictures with figures at their side."""

from __future__ import annotations

import re

import pytest

from policies.loader import loads
from tests.integration.inbox.test_templates import problems
from tests.kit.earning import make_world
from tests.kit.engine import make_engine
from tests.kit.governing import govern, in_force, lay, written
from workers import web
from workers.inbox import changed_policy, curves
from workers.inbox.rendering import slots
from workers.store import actions, autonomy_watches

from .conftest import Web

BAN = {"id": "tiny", "actions": ["refund_payment"], "when": "amount_minor == 1", "outcome": "deny", "message": "No"}


@pytest.fixture
def house(tmp_path):
    engine = govern(make_engine(tmp_path), lay(tmp_path / "policy", written()))
    made = Web(engine, web.make_app(engine.system, webhooks={}))
    yield made
    for client in made.clients:
        client.close()
    engine.system.close()


def proposed(house):
    files = written(more=(BAN,))
    sent = house.signed_in().post(
        "/policy/proposals",
        data={"why": "Cents."},
        files=[("files", (name, text.encode(), "application/yaml")) for name, text in files.items()],
    )
    with house.engine.system.db.read() as tx:
        return actions.get(tx, sent.headers["location"].removeprefix("/actions/"))


def test_a_rules_words_show_where_values_are_filled_in(site):
    site.drafted()

    page = site.signed_in().get("/policy").text

    assert '<span class="slot">amount</span> is above 25.00' in page
    assert "{amount}" not in page


def test_what_stands_around_a_value_is_escaped():
    assert slots("<b> {amount_minor} </b>") == '&lt;b&gt; <span class="slot">amount minor</span> &lt;/b&gt;'


def test_what_roles_may_approve_is_told_as_money_and_together(site):
    page = site.signed_in().get("/policy").text

    assert (
        "finance and lead and risk_lead up to 1,000,000 minor units of any currency (10,000.00 EUR, 1,000,000 JPY)"
        in page
    )
    assert "support up to 200.00 EUR, 200.00 USD" in page


def test_one_minute_is_not_told_as_several(site):
    rule = (
        "{id: soon, actions: [refund_payment], when: 'amount_minor > 0', outcome: review, deadline_minutes: 1, "
        "approvers: [{role: lead, ladder: [{after_minutes: 1, role: finance}]}], message: Soon}"
    )
    head = "bundle: quick\nversion: 1\nlayer: platform\nenforcement: enforce\nroles: [lead, finance]\nactions: [refund_payment]\n"
    quick = loads({"quick.yaml": f"{head}rules: [{rule}]\n"}, run_tests=False)
    site.app.state.system = site.engine.system.under(quick)

    page = site.signed_in().get("/policy").text

    assert "or finance after 1 minute<" in page
    assert "within 1 minute, else" in page
    assert problems(page) == []


def test_the_tests_of_a_proposal_are_run_once_whoever_looks(house):
    action = proposed(house)
    which = (house.engine.system.db.url, action.arguments["hash"])
    first = house.signed_in("ben").get(f"/actions/{action.id}").text
    passed, failed = changed_policy._kept[which]
    assert (passed > 0, failed) == (True, 0)
    assert f"{passed} tests pass" in first

    changed_policy._kept[which] = (passed, 7)
    again = house.signed_in("cleo").get(f"/actions/{action.id}").text
    del changed_policy._kept[which]

    assert "7 of its tests fail" in again


def test_of_a_change_what_decides_is_shown_before_its_tests(house):
    action = proposed(house)

    card = house.signed_in("ben").get(f"/actions/{action.id}").text

    assert re.findall(r'<summary class="code">([^<]+)</summary>', card) == ["house.yaml", "house.test.yaml"]
    assert in_force(house.engine).hash == action.arguments["from_hash"]


def test_a_curve_says_how_high_it_is():
    svg = str(curves.suspicion([0.9, 0.05, 3.0], alarm=20, wrong=[3], label="x"))

    # 10 would be written over the alarm.
    assert re.findall(r"<text [^>]*>([^<]+)</text>", svg) == ["20", "0.1", "1"]


def test_the_bounds_say_what_was_asked_for_and_where_they_begin():
    svg = str(curves.bounds([(1, 0.05, 0.02), (200, 0.97, 0.96)], wanted=0.95, label="x"))

    said = re.findall(r"<text [^>]*>([^<]+)</text>", svg)
    assert said[0] == "95.0 %"
    assert len(said) == 2


@pytest.mark.parametrize(("peak", "marked"), [(19.9, False), (20.0, True)])
def test_a_rule_of_people_that_goes_wrong_is_marked_though_nothing_takes_it_back(tmp_path, peak, marked):
    world = make_world(tmp_path)
    site = Web(world.engine, web.make_app(world.engine.system, webhooks={}))
    with world.engine.system.db.write() as tx:
        autonomy_watches.begin(tx, "support/hand-over", tolerated=0.05, alpha=0.05, now=world.engine.clock())
        watch = autonomy_watches.watch(tx, "support/hand-over")
        autonomy_watches.reckoned(tx, watch, {"outcomes": 3, "wrong": 3, "peak": peak})

    page = site.signed_in().get("/policy/autonomy").text

    assert ("</span> Alarming</span>" in page) is marked
    assert problems(page) == []
    for client in site.clients:
        client.close()
    world.engine.system.close()
