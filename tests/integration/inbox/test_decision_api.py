"""The decision endpoint against the approval failures that were seen in public (A1, A2, A7, A12, A13), and its answers."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import update

from tests.integration.inbox.conftest import seen
from tests.kit.engine import refund, reply
from workers.store.records import ActionState, CaseState
from workers.store.tables import actions as table


def path(action) -> str:
    return f"/api/v1/actions/{action.id}/decision"


@pytest.mark.parametrize(
    "word",
    [..., None, "", " ", "Approve", "APPROVE", "approved", "yes", "allow", True, 1, ["approve"], {"approve": True}],
    ids=repr,
)
def test_whatever_is_not_a_decision_is_refused_and_the_action_stays_open(site, word):
    """A1: a missing decision ran the tool as approved."""
    action = site.drafted(refund())[0]
    body = seen(action) if word is ... else {"decision": word, **seen(action)}

    answer = site.signed_in().post(path(action), json=body)

    assert answer.status_code == 422
    assert site.engine.action("refund_payment").state == ActionState.PENDING


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'"approve"',
        b'{"decision": "approve"}',
        b'{"decision": "approve", "revision": 1}',
        b'{"decision": "approve", "revision": "1", "digest": null}',
        b'{"decision": "approve", "revision": true, "digest": "%s"}' % (b"a" * 64),
        b'{"decision": "reject", "revision": 1, "digest": "\xff"}',
    ],
)
def test_a_body_that_names_no_revision_and_digest_is_refused(site, body):
    action = site.drafted(refund())[0]

    answer = site.signed_in().post(path(action), content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in (400, 422)
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_an_approval_is_carried_out_and_answered_with_the_action(site):
    action = site.drafted(refund())[0]

    answer = site.signed_in().post(path(action), json={"decision": "approve", **seen(action)})
    site.engine.drain()

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["decided_by"]) == ("approved", "person:ana@firm.example")
    assert site.engine.house.done("refund") == [4000]


@pytest.mark.parametrize(
    "changes",
    [
        {"arguments": {"charge_id": "ch_1", "amount_minor": 40000, "currency": "EUR", "reason": "damaged"}},
        {"arguments": {"charge_id": "ch_1", "amount_minor": 4000, "currency": "USD", "reason": "damaged"}},
        {"arguments": {"charge_id": "ch_1", "amount_minor": 4000, "currency": "EUR", "reason": "damaged "}},
        {"target": "house:charge:ch_2"},
        {"target_version": "v9"},
        {"kind": "add_tags", "arguments": {"tags": ["refund"]}},
        {"revision": 2},
        {"digest": "0" * 64},
    ],
    ids=repr,
)
def test_what_was_changed_after_the_approval_is_not_sent(site, changes):
    """A2: the person saw one thing and another ran."""
    action = site.drafted(refund())[0]
    site.signed_in().post(path(action), json={"decision": "approve", **seen(action)})

    with site.engine.system.db.write() as tx:
        tx.execute(update(table).where(table.c.id == action.id).values(**changes))
    site.engine.drain()

    assert site.engine.house.effects == []
    assert site.engine.actions()[0].state == ActionState.STALE


@pytest.mark.parametrize("wrong", [{"revision": 2}, {"digest": "f" * 64}], ids=repr)
def test_another_revision_or_digest_than_was_seen_is_a_conflict(site, wrong):
    action = site.drafted(refund())[0]

    answer = site.signed_in().post(path(action), json={"decision": "approve", **seen(action), **wrong})

    assert answer.status_code == 409
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_two_actions_of_one_kind_decided_in_reverse_order_keep_their_answers(site):
    """A7: parallel interrupts shared an id, and answers went to the wrong tool."""
    first, second = site.drafted(refund(4000, "ch_1"), refund(5000, "ch_1"))
    client = site.signed_in()

    refused = client.post(path(second), json={"decision": "reject", "reason": "no", **seen(second)})
    crossed = client.post(path(first), json={"decision": "approve", **seen(second)})
    approved = client.post(path(first), json={"decision": "approve", **seen(first)})
    site.engine.drain()

    assert [refused.status_code, crossed.status_code, approved.status_code] == [200, 409, 200]
    assert site.engine.house.done("refund") == [4000]
    assert [a.state for a in site.engine.actions()] == [ActionState.DONE, ActionState.REJECTED]


def test_whoever_edited_cannot_approve_where_the_policy_says_so(site):
    """A12: self-approval. Above 200.00 an editor is an author."""
    action = site.drafted(refund(3000))[0]
    editor = site.signed_in("ana")
    edited = {"charge_id": "ch_1", "amount_minor": 9000, "currency": "EUR", "reason": "damaged"}
    site.engine.house.refundable = 100_000
    large = site.drafted(refund(30_000), ticket="8", delivery="d2")[0]

    small_edit = editor.post(path(action), json={"decision": "approve", "arguments": edited, **seen(action)})
    own = {**edited, "amount_minor": 25_000}
    large_edit = editor.post(path(large), json={"decision": "approve", "arguments": own, **seen(large)}).json()
    again = editor.post(path(large), json={"decision": "approve", **{k: large_edit[k] for k in ("revision", "digest")}})
    other = site.signed_in("ben").post(
        path(large), json={"decision": "approve", **{k: large_edit[k] for k in ("revision", "digest")}}
    )

    assert small_edit.json()["state"] == "approved"
    assert (large_edit["state"], large_edit["revision"]) == ("pending", 2)
    assert again.status_code == 403
    assert other.json()["state"] == "approved"


def test_the_approver_is_who_signed_in_whatever_the_body_says(site):
    """A13: the grant was a plain string."""
    action = site.drafted(refund())[0]
    claimed = {"person": "ben@firm.example", "approved_by": "ben", "person_id": "person_1", "actor": "person:ben"}
    site.person("ben")

    answer = site.signed_in("ana").post(path(action), json={"decision": "approve", **claimed, **seen(action)})

    assert answer.json()["decided_by"] == "person:ana@firm.example"


def test_who_is_not_in_the_group_is_refused(site):
    action = site.drafted(refund())[0]

    answer = site.signed_in("eve", groups=("editor",)).post(path(action), json={"decision": "approve", **seen(action)})

    assert answer.status_code == 403
    assert "support" in answer.json()["detail"]
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_an_unknown_action_is_not_found(site):
    answer = site.signed_in().post(
        "/api/v1/actions/act_none/decision", json={"decision": "approve", "revision": 1, "digest": "0" * 64}
    )

    assert answer.status_code == 404


def test_the_second_to_decide_is_told_who_decided_what_and_when(site):
    action = site.drafted(refund())[0]
    site.signed_in("ana").post(path(action), json={"decision": "reject", "reason": "Not broken", **seen(action)})

    answer = site.signed_in("ben").post(path(action), json={"decision": "approve", **seen(action)})

    told = answer.json()
    assert answer.status_code == 409
    assert (told["state"], told["decision"], told["decided_by"]) == ("rejected", "reject", "person:ana@firm.example")
    assert told["decided_at"].startswith("2026-11-20T12:00:00")
    assert "ana@firm.example" in told["detail"]


@pytest.mark.parametrize("word", ["reject", "request_changes"])
@pytest.mark.parametrize("reason", [None, "", "   "])
def test_a_no_needs_a_reason(site, word, reason):
    action = site.drafted(refund())[0]

    answer = site.signed_in().post(path(action), json={"decision": word, "reason": reason, **seen(action)})

    assert answer.status_code == 422
    assert site.engine.action("refund_payment").state == ActionState.PENDING


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"], ids=ascii)
def test_text_that_no_database_keeps_is_refused(site, text):
    action = site.drafted(reply())[0]
    body = {"decision": "approve", "arguments": {"body": text}, **seen(action)}
    escaped = json.dumps(body)

    answer = site.signed_in().post(path(action), content=escaped, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert site.engine.action("reply_to_customer").state == ActionState.PENDING


def test_an_edit_that_does_not_fit_the_schema_is_refused(site):
    action = site.drafted(refund())[0]
    edited = {**action.arguments, "amount_minor": "4000"}

    answer = site.signed_in().post(path(action), json={"decision": "approve", "arguments": edited, **seen(action)})

    assert answer.status_code == 422
    assert "amount_minor" in answer.json()["detail"]


def test_a_snooze_ends_before_the_deadline_and_hides_the_action(site):
    action = site.drafted(refund())[0]
    client = site.signed_in()

    too_long = client.post(path(action), json={"decision": "snooze", "until": "2027-11-20T12:00:00Z", **seen(action)})
    naive = client.post(path(action), json={"decision": "snooze", "until": "2026-11-21T12:00:00", **seen(action)})
    taken = client.post(path(action), json={"decision": "snooze", "until": "2026-11-21T12:00:00Z", **seen(action)})

    assert [too_long.status_code, naive.status_code, taken.status_code] == [422, 422, 200]
    assert action.sentence not in client.get("/").text
    site.engine.clock.on(hours=25)
    assert action.sentence in site.signed_in("ben").get("/").text


def test_an_escalation_asks_one_more_group(site):
    action = site.drafted(reply())[0]

    answer = site.signed_in().post(path(action), json={"decision": "escalate", "group": "finance", **seen(action)})

    roles = [r["role"] for r in answer.json()["verdict"]["requirements"]]
    assert "finance" in roles
    assert answer.json()["revision"] == 2


def test_an_uncertain_action_can_be_done_again_by_whoever_approved_it_first(site):
    """The approval was used up by the attempt that it led to."""
    uncertain = site.uncertain()
    assert uncertain.state == ActionState.UNCERTAIN

    again = site.signed_in("ana").post(path(uncertain), json={"decision": "approve", **seen(uncertain)})
    site.engine.drain()

    assert again.status_code == 200
    assert site.engine.action("request_documents").state == ActionState.DONE
    assert len(site.engine.house.done("mail")) == 2


def test_a_yes_to_the_draft_is_no_yes_to_a_second_try(site):
    """Whoever still has the draft before their eyes does not know that it was tried: a second effect needs a yes of its own."""
    uncertain = site.uncertain()
    draft = {"revision": uncertain.revision, "digest": uncertain.digest}

    for late in ({}, {"state": "pending"}):
        for word in ("approve", "reject"):
            answer = site.signed_in("ana").post(
                path(uncertain), json={"decision": word, "reason": "ok", **draft, **late}
            )
            assert answer.status_code == 409
            assert "nobody can know whether it happened" in answer.json()["detail"]
    site.engine.drain()

    assert site.engine.action("request_documents").state == ActionState.UNCERTAIN
    assert len(site.engine.house.done("mail")) == 1


def test_a_yes_to_a_second_try_is_no_yes_to_a_draft(site):
    action = site.drafted(refund())[0]

    answer = site.signed_in().post(path(action), json={"decision": "approve", **seen(action), "state": "uncertain"})

    assert answer.status_code == 409
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_an_uncertain_action_can_be_confirmed(site):
    uncertain = site.uncertain()

    confirmed = site.signed_in().post(path(uncertain), json={"decision": "confirm", **seen(uncertain)})

    assert confirmed.status_code == 200
    assert len(site.engine.house.done("mail")) == 1
    assert site.engine.case().state == CaseState.CLOSED


def test_an_open_action_cannot_be_confirmed(site):
    action = site.drafted(refund())[0]

    answer = site.signed_in().post(path(action), json={"decision": "confirm", **seen(action)})

    assert answer.status_code == 422
    assert site.engine.action("refund_payment").state == ActionState.PENDING


@pytest.mark.parametrize(
    ("word", "state"),
    [("retry", CaseState.WORKING), ("take_over", CaseState.TAKEN_OVER), ("close", CaseState.CLOSED)],
)
def test_a_case_that_asks_for_a_person_can_be_decided(site, word, state):
    site.drafted(reply())
    case = site.engine.case()

    answer = site.signed_in().post(f"/api/v1/cases/{case.id}/decision", json={"decision": word, "reason": "so"})
    unknown = site.signed_in().post(f"/api/v1/cases/{case.id}/decision", json={"decision": "approve"})

    assert (answer.status_code, answer.json()["state"]) == (200, state.value)
    assert unknown.status_code == 422
