"""What was approved can be stopped until it goes out: through the page, the API and the command line, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.inbox.conftest import Web, seen
from tests.integration.limits.house import a_day, within
from tests.kit.engine import refund, reply
from tests.kit.rules import asking
from workers import execute, switchboard, web
from workers.inbox.words import AlreadyDecided, NotAllowed
from workers.store import actions, audit, flow
from workers.store.records import ActionState, CaseState

DELAY = [{"kind": "delay", "minutes": 30}]


@pytest.fixture
def site(engine):
    made = Web(engine, web.make_app(engine.system, webhooks={}))
    yield made
    for client in made.clients:
        client.close()


@pytest.fixture
def cooling(site, tmp_path):
    """An approved refund that goes out in half an hour."""

    def approve(*drafts, **rule):
        policy = asking(tmp_path, **{"obligations": DELAY, "approvers": [{"role": "finance"}], **rule})
        site.engine.system = site.engine.system.under(policy)
        site.app.state.system = site.engine.system
        action = site.drafted(*(drafts or [refund()]))[0]
        if action.state == ActionState.PENDING:
            action = site.engine.decide(action, by=site.person("fin", groups=("finance",)))
        assert action.state == ActionState.APPROVED
        return action

    return approve


def comes_to_nothing(site):
    site.engine.clock.on(minutes=31)
    site.engine.sweep()
    return site.engine.house.effects == []


def test_the_page_stops_it_and_nothing_goes_out(site, cooling):
    action = cooling()
    client = site.signed_in("fin", groups=("finance",))

    card = client.get(f"/actions/{action.id}").text
    assert 'data-countdown="1800"' in card
    assert 'value="stop"' in card
    answer = client.post(
        f"/actions/{action.id}/decision", data={"decision": "stop", "reason": "The goods came back", **seen(action)}
    )

    stopped = site.engine.action("refund_payment")
    assert answer.status_code == 303
    assert (stopped.state, stopped.reason) == (ActionState.REJECTED, "The goods came back")
    assert (stopped.decided_by, stopped.wake_at) == ("person:fin@firm.example", None)
    assert site.engine.case().state == CaseState.CLOSED
    with site.engine.system.db.read() as tx:
        last = actions.decisions_of(tx, action.id)[-1]
        log = audit.of_chain(tx, action.case_id)
    assert (last.decision, last.channel, last.reason) == ("stop", "page", "The goods came back")
    assert any(entry.verb == "decided" and entry.data["decision"] == "stop" for entry in log)
    assert comes_to_nothing(site)


def test_a_program_stops_it_and_a_second_stop_is_told_who_was_first(site, cooling):
    action = cooling()
    program = site.with_token("decide", person=site.person("fin", groups=("finance",)))
    path, body = f"/api/v1/actions/{action.id}/decision", {"decision": "stop", "reason": "no", **seen(action)}

    first, second = program.post(path, json=body), program.post(path, json=body)

    assert (first.status_code, first.json()["state"]) == (200, "rejected")
    assert (second.status_code, second.json()["decision"]) == (409, "stop")
    assert comes_to_nothing(site)


def test_a_stop_needs_a_reason_and_what_was_seen(site, cooling):
    action = cooling()
    program = site.with_token("decide", person=site.person("fin", groups=("finance",)))
    path = f"/api/v1/actions/{action.id}/decision"

    no_reason = program.post(path, json={"decision": "stop", **seen(action)})
    another = program.post(path, json={"decision": "stop", "reason": "no", **seen(action), "digest": "f" * 64})

    assert (no_reason.status_code, another.status_code) == (422, 409)
    assert "changed since you opened it" in another.json()["detail"]
    assert site.engine.action("refund_payment").state == ActionState.APPROVED


def test_who_was_not_asked_cannot_stop_it_and_a_lead_can(site, cooling):
    action = cooling()
    outsider, lead = site.person("sue", groups=("support",)), site.person("lea", groups=("lead",))

    with pytest.raises(NotAllowed):
        site.engine.decide(action, "stop", by=outsider, reason="no")
    assert 'value="stop"' not in site.signed_in("sue").get(f"/actions/{action.id}").text
    site.engine.decide(action, "stop", by=lead, reason="no")

    assert comes_to_nothing(site)


def test_what_a_rule_allowed_by_itself_can_be_stopped_by_anybody(site, cooling):
    action = cooling(outcome="allow", approvers=[])
    assert action.decided_by.startswith("policy:")

    site.engine.decide(action, "stop", by=site.person("sue", groups=("support",)), reason="Not this one")

    assert comes_to_nothing(site)


def test_what_rests_on_it_is_withdrawn(site, cooling):
    cooling(refund(), reply())
    first, second = site.engine.actions()
    assert list(second.rests_on) == [first.id]

    site.engine.decide(first, "stop", by=site.person("fin", groups=("finance",)), reason="no")

    assert site.engine.action("reply_to_customer").state == ActionState.CANCELLED
    assert comes_to_nothing(site)


def test_a_draft_that_still_waits_is_rejected_not_stopped(site):
    action = site.drafted(refund())[0]

    with pytest.raises(AlreadyDecided, match="reject it instead"):
        site.engine.decide(action, "stop", reason="no")

    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_what_is_under_way_can_be_stopped_no_longer(site, cooling):
    """The one who carries it out was first: the stop is told so, and changes nothing."""
    action = cooling()
    site.engine.clock.on(minutes=31)
    program = site.with_token("decide", person=site.person("fin", groups=("finance",)))
    answers = []

    def meanwhile():
        body = {"decision": "stop", "reason": "no", **seen(action)}
        answers.append(program.post(f"/api/v1/actions/{action.id}/decision", json=body))

    site.engine.house.during_write = meanwhile
    site.engine.sweep()

    assert [answer.status_code for answer in answers] == [409]
    assert "already under way" in answers[0].json()["detail"]
    assert site.engine.house.done("refund") == [4000]
    assert site.engine.action("refund_payment").state == ActionState.DONE


def test_who_is_about_to_carry_it_out_when_it_is_stopped_does_not(site, cooling):
    """The stop was first: whoever had read the action as approved cannot begin any more."""
    action = cooling()
    site.engine.clock.on(minutes=31)
    snapshot = flow.snapshot(site.engine.system.db, action.id)
    site.engine.decide(action, "stop", by=site.person("fin", groups=("finance",)), reason="no")

    execute._begin(site.engine.system, site.engine.writers, snapshot)

    assert site.engine.house.effects == []
    assert site.engine.action("refund_payment").state == ActionState.REJECTED


def test_the_list_shows_what_is_about_to_go_out_and_what_goes_at_once_is_not_in_it(site, cooling):
    action = cooling()
    client = site.signed_in("fin", groups=("finance",))

    shown = client.get("/?tab=leaving").text
    assert f'href="/actions/{action.id}?tab=leaving"' in shown
    assert "It can still be stopped" in shown
    site.engine.clock.on(minutes=31)
    site.engine.sweep()

    assert "Nothing is about to go out" in client.get("/?tab=leaving&domain=support").text


def test_an_open_card_of_an_approved_action_is_locked_once_it_is_stopped(site, cooling):
    action = cooling()
    client = site.signed_in("fin", groups=("finance",))
    address = f"/actions/{action.id}/changes?revision=1&digest={action.digest}&state=approved"

    before = client.get(address).text
    site.engine.decide(action, "stop", by=site.person("fin"), reason="no")

    assert "data-locked" not in before
    assert "data-locked" in client.get(address).text
    assert action.wake_at == action.decided_at + timedelta(minutes=30)


def test_the_card_says_what_the_policy_changed_and_obliges_to(site, tmp_path):
    obligations = [*DELAY, {"kind": "mask", "what": ["card"]}]
    site.engine.system = site.engine.system.under(asking(tmp_path, obligations=obligations))
    site.app.state.system = site.engine.system
    action = site.drafted(reply("Your card 4242 4242 4242 4242 was charged."))[0]

    card = site.signed_in().get(f"/actions/{action.id}").text
    verdict = site.with_token("read").get(f"/api/v1/actions/{action.id}").json()["verdict"]

    assert "Changed by the policy" in card
    assert "Masked in the body: 1 card number" in card
    assert "Wait 30 minutes" in card
    assert verdict["changed"] == ["Masked in the body: 1 card number"]
    assert [one["kind"] for one in verdict["obligations"]] == ["delay", "mask"]


def test_the_timeline_tells_of_the_switch_that_holds_a_case_back_and_of_no_other(site, cooling):
    action = cooling()
    with site.engine.system.db.write() as tx:
        for scope in ("action:refund_payment", "domain:transactions", "rule:house/other"):
            switchboard.throw(tx, scope, reason="Too many", actor="person:lea@firm.example", now=site.engine.clock())

    entries = site.with_token("read").get(f"/api/v1/cases/{action.case_id}/timeline").json()["entries"]

    told = [(e["title"], e["text"], e["ref"]) for e in entries if e["kind"] == "switch"]
    assert told == [("The switch “action:refund_payment” holds this back", "Too many", action.id)]


def test_the_timeline_tells_of_a_limit_that_was_reached(site):
    policy = within(a_day(None, max_count=1))
    site.engine.system = site.engine.system.under(policy)
    site.app.state.system = site.engine.system
    site.drafted(refund(100), ticket="1", delivery="a")
    site.engine.clock.on(minutes=1)
    action = site.drafted(refund(100), ticket="2", delivery="b")[0]

    entries = site.with_token("read").get(f"/api/v1/cases/{action.case_id}/timeline").json()["entries"]

    assert [e["title"] for e in entries if e["kind"] == "limit"] == ["The limit house/a-day was reached"]
