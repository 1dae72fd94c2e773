"""The card: its order, what it shows beside the draft, what it escapes, and what happens when somebody was faster."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, update

from tests.integration.inbox.conftest import seen
from tests.kit.engine import refund, reply
from workers.store.records import ActionState
from workers.store.tables import steps

SECTIONS = ["what", "draft", "facts", "why", "sureness", "since", "deadline", "bar"]


def decide(client, action, button, **more):
    return client.post(f"/actions/{action.id}/decision", data={"decision": button, **seen(action), **more})


def edited(action, **changes):
    """The draft's form with some fields typed over."""
    shown = {"charge_id": "ch_1", "amount_minor": "40.00", "currency": "EUR", "reason": "damaged"} | changes
    return {"form": "draft"} | {f"arg.{name}": text for name, text in shown.items()}


def plain(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).replace("&#39;", "'").split())


def test_the_parts_stand_in_the_order_in_which_they_are_needed(site):
    page = site.signed_in().get(f"/actions/{site.drafted(refund())[0].id}").text

    places = [page.index(f'id="{name}"') for name in SECTIONS]

    assert places == sorted(places)


def test_the_card_shows_what_why_and_on_what_grounds(site):
    action = site.drafted(refund())[0]

    page = site.signed_in().get(f"/actions/{action.id}").text

    said = plain(page)
    assert action.sentence in said
    assert 'value="40.00"' in page
    assert "40.00 EUR is above 25.00" in said
    assert "support/refund-medium" in said
    assert f"{action.policy_hash[:12]}" in said
    assert "Amount 100.00 EUR" in said
    assert "My order is broken" in said
    assert "fetched just now" in said
    assert "Still needed: 1 of support" in said
    assert "Due in 7 days" in said
    assert "%" not in plain(page.split('id="sureness"')[1].split("</section>")[0])


def test_what_outsiders_wrote_is_text_and_nothing_else(site):
    evil = '<script>alert(1)</script><img src=x onerror=alert(2)> "onload="x" {{7*7}} </textarea><form action=//evil>'
    action = site.drafted(reply(evil), text=evil)[0]
    client = site.signed_in()

    for path in (f"/actions/{action.id}", f"/cases/{action.case_id}", "/", "/?tab=done", "/cases?q=%3Cscript%3E"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<form action=//evil" not in page
        assert "49" not in re.findall(r"onload=.{0,20}", page)


def test_long_text_is_folded_and_never_cut(site):
    text = "My order is broken. " * 200 + "The end of a long story."
    action = site.drafted(reply(), text=text)[0]

    page = site.signed_in().get(f"/actions/{action.id}").text

    assert '<details class="fold">' in page
    assert "The end of a long story." in page


def test_half_a_surrogate_pair_breaks_no_page(site):
    action = site.drafted(reply())[0]
    with site.engine.system.db.write() as tx:
        kept = tx.execute(select(steps.c.output).where(steps.c.gathered_at.is_not(None))).scalar_one()
        gathered = kept["gathered"]
        found = [{**fact, "data": {"name": "Hello \ud800 there"}} for fact in gathered["found"]]
        torn = {**kept, "gathered": {**gathered, "found": found}}
        tx.execute(update(steps).where(steps.c.gathered_at.is_not(None)).values(output=torn))

    answer = site.signed_in().get(f"/actions/{action.id}")

    assert answer.status_code == 200
    assert "Hello ? there" in answer.text


def test_a_time_of_another_zone_is_shown_as_the_utc_that_it_is_called(site):
    site.engine.model.drafts = [[reply()]]
    told = {"title": "Late", "text": "Where is it?", "ticket_id": "7", "requester_email": "ana@example.com"}
    told |= {"sent_at": "2026-10-25T02:30:00+09:00", "valid_until": "9999-12-31T23:59:59-14:00"}
    site.engine.event(data=told)
    site.engine.drain()

    page = site.signed_in().get(f"/actions/{site.engine.action('reply_to_customer').id}").text

    assert 'title="2026-10-24 17:30:00 UTC"' in page
    assert "02:30:00 UTC" not in page
    assert "9999-12-31T23:59:59-14:00" in page
    assert "23:59:59 UTC" not in page


def test_approving_leads_to_the_next_item_and_says_what_was_done(site):
    first, second = site.drafted(refund(), reply())
    client = site.signed_in()

    answer = decide(client, first, "approve")
    page = client.get(answer.headers["location"]).text

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"/actions/{second.id}?")
    assert f"Approved: {first.sentence}" in plain(page)


def test_after_the_last_item_comes_the_list(site):
    action = site.drafted(refund())[0]
    client = site.signed_in()

    answer = decide(
        client, action, "reject", picked=["The amount is wrong", "Looks like abuse"], reason="See the photo"
    )

    assert answer.headers["location"].startswith("/?")
    settled = site.engine.action("refund_payment")
    assert settled.state == ActionState.REJECTED
    assert settled.reason == "The amount is wrong. Looks like abuse. See the photo"
    assert "Nothing to decide" in client.get("/").text


def test_an_edit_is_saved_approved_and_shown_as_a_difference(site):
    action = site.drafted(refund())[0]
    client = site.signed_in()

    answer = decide(client, action, "approve_edited", **edited(action, amount_minor="45,50"))

    after = site.engine.action("refund_payment")
    page = client.get(f"/actions/{action.id}").text
    assert answer.status_code == 303
    assert (after.state, after.revision, after.arguments["amount_minor"]) == (ActionState.APPROVED, 2, 4550)
    assert re.search(r"<del>.*?40\.00</del>.*?<ins>.*?45\.50</ins>", page, re.DOTALL)
    assert "Revision 2 by ana@firm.example" in plain(page)


def test_edits_are_never_approved_by_the_button_that_approves_as_drafted(site):
    action = site.drafted(refund())[0]

    answer = decide(site.signed_in(), action, "approve", **edited(action, amount_minor="90.00"))

    assert answer.status_code == 422
    assert 'value="90.00"' in answer.text
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_a_wrong_edit_comes_back_with_what_was_typed(site):
    action = site.drafted(refund())[0]

    answer = decide(site.signed_in(), action, "approve_edited", **edited(action, amount_minor="4o", reason="Torn"))

    assert answer.status_code == 422
    assert 'value="4o"' in answer.text
    assert 'value="Torn"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_an_edit_that_needs_somebody_else_waits_and_says_so(site):
    site.engine.house.refundable = 100_000
    action = site.drafted(refund(30_000))[0]
    client = site.signed_in()

    shown = client.post(f"/actions/{action.id}/preview", data=edited(action, amount_minor="250.00")).text
    answer = decide(client, action, "approve_edited", **edited(action, amount_minor="250.00"))
    page = plain(client.get(answer.headers["location"]).text)

    assert "somebody else approves" in plain(shown)
    assert "Saved as revision 2, which waits for somebody else: Refund 250.00 EUR" in page
    assert "You edited this draft" in plain(client.get(f"/actions/{action.id}").text)


def test_the_slower_of_two_is_told_on_the_card_and_loses_no_words(site):
    action = site.drafted(refund())[0]
    decide(site.signed_in("ana"), action, "reject", reason="Not broken")

    answer = decide(site.signed_in("ben"), action, "approve_edited", **edited(action, reason="Torn at the seam"))

    said = plain(answer.text)
    assert answer.status_code == 409
    assert "Already decided: ana@firm.example chose “reject”" in said
    assert "Torn at the seam" in said
    assert 'id="approve"' not in answer.text
    assert site.engine.house.effects == []


def test_an_open_card_learns_what_happened_to_it(site):
    action = site.drafted(refund())[0]
    client = site.signed_in("ben")
    address = f"/actions/{action.id}/changes?since=0&revision={action.revision}&digest={action.digest}"
    since = int(re.search(r"since=(\d+)", client.get(f"/actions/{action.id}").text).group(1))

    quiet = client.get(address.replace("since=0", f"since={since}")).text
    decide(site.signed_in("ana"), action, "reject", reason="no")
    told = client.get(address).text

    assert "data-locked" not in quiet
    assert plain(quiet) == ""
    assert "data-locked" in told
    assert "ana@firm.example chose “reject”" in plain(told)


def test_a_message_that_joins_the_case_locks_the_open_card(site):
    action = site.drafted(refund())[0]
    client = site.signed_in()
    site.engine.event(delivery="d2", text="Please do not refund, I was wrong")

    told = client.get(f"/actions/{action.id}/changes?since=0&revision=1&digest={action.digest}").text
    answer = decide(client, action, "approve")

    assert "data-locked" in told
    assert "A new message came in." in plain(told)
    assert answer.status_code == 409


def test_who_may_not_decide_sees_why_instead_of_buttons(site):
    action = site.drafted(refund())[0]

    page = site.signed_in("eve", groups=("editor",)).get(f"/actions/{action.id}").text

    assert "This needs somebody of: support. You are in: editor." in plain(page)
    assert "data-decides" not in page


def test_the_first_of_two_yeses_is_counted_and_shown(site):
    site.engine.house.refundable = 1_000_000
    action = site.drafted(refund(200_000))[0]
    client = site.signed_in("ana", groups=("lead",))
    site.person("bo", groups=("finance",))
    before = plain(client.get("/?tab=all").text)

    answer = decide(client, action, "approve")

    assert "0 of 2 approved" in before
    assert "Still needed: 1 of finance" in plain(client.get(answer.headers["location"]).text)
    assert "1 of 2 approved" in plain(client.get("/?tab=all").text)
    assert "Nothing waits for you" in plain(client.get("/").text)
    assert "You have approved this already" in plain(client.get(f"/actions/{action.id}").text)


@pytest.mark.parametrize(
    ("button", "state"),
    [("confirm", ActionState.DONE), ("again", ActionState.APPROVED), ("leave", ActionState.FAILED)],
)
def test_an_uncertain_action_offers_what_a_person_can_find_out(site, button, state):
    action = site.uncertain()
    client = site.signed_in()
    page = plain(client.get(f"/actions/{action.id}").text)

    answer = decide(client, action, button)

    assert all(words in page for words in ("It happened", "Do it again", "leave it"))
    assert answer.status_code == 303
    assert site.engine.action("request_documents").state == state


@pytest.mark.parametrize("button", ["", "yes", "Approve", "APPROVE", "approve "])
def test_an_unknown_button_decides_nothing(site, button):
    action = site.drafted(refund())[0]

    answer = decide(site.signed_in(), action, button)

    assert answer.status_code == 422
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_snoozing_escalating_and_taking_over_work_from_the_card(site):
    first, second = site.drafted(refund(), reply())
    client = site.signed_in()

    until = re.search(r'<option value="([^"]+)">for an hour', client.get(f"/actions/{first.id}").text).group(1)
    assert decide(client, first, "snooze", until=until).status_code == 303
    assert first.sentence not in client.get("/").text
    assert decide(client, second, "escalate", group="finance").status_code == 303
    taken = decide(client, site.engine.action("reply_to_customer"), "take_over")

    assert taken.status_code == 303
    assert site.engine.case().state == "taken_over"
    assert {a.state for a in site.engine.actions()} == {ActionState.CANCELLED}
