"""Each proposal that people decide becomes one example, with what they made of it; and goes with its customer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.integration.rehearsal.policies import small_alone
from tests.kit.engine import make_engine, refund
from tests.kit.pupil import PRAISE
from workers import switchboard
from workers.autonomy.keeping import keep
from workers.learning.collect import collect
from workers.store import autonomy, examples
from workers.store.tables import steps

WAS = "Enjoy the time outside."
NOW = "See you out there soon."


def kept(pupil):
    with pupil.system.db.read() as tx:
        return {one.kind: one for one in examples.of_domain(tx, "support", 100)}


def decide(pupil, kind, word="approve", **more):
    return pupil.engine.decide(pupil.engine.action(kind), word, **more)


def reworded(pupil):
    body = pupil.engine.action("reply_to_customer").arguments["body"]
    assert WAS in body
    return {"body": body.replace(WAS, NOW)}


def test_what_people_made_of_a_draft_is_kept_once(either):
    either.case()
    decide(either, "reply_to_customer", arguments=reworded(either))
    decide(either, "close_ticket", "reject", reason="Ana may write again.")

    assert (either.learn(), either.learn()) == (2, 0)

    found = kept(either)
    reply, close = found["reply_to_customer"], found["close_ticket"]
    assert (reply.verdict, reply.macro, reply.intent) == ("edited", "praise", "praise")
    assert reply.made["body"] == reply.base["body"].replace(WAS, NOW)
    assert reply.diff[0]["by_hand"] == NOW
    assert reply.groups == ["support", "lead", "finance", "risk"]
    assert (close.verdict, close.made) == ("rejected", None)
    assert close.reason == "[…] may write again."


def test_what_was_left_as_it_was_is_kept_as_that(pupil):
    pupil.case()
    decide(pupil, "reply_to_customer")

    pupil.learn()

    reply = kept(pupil)["reply_to_customer"]
    assert (reply.verdict, reply.diff) == ("approved", [])
    assert reply.made == reply.proposed


def test_an_edit_that_needed_nobody_else_is_kept_as_that(tmp_path):
    """A rule let through what the edit had made of it; the draft was not good as it was."""
    engine = make_engine(tmp_path)
    engine.system = engine.system.under(small_alone())
    engine.model.drafts = [[refund(4000)]]
    engine.event()
    engine.drain()
    large = engine.action("refund_payment")
    engine.decide(large, arguments={**large.arguments, "amount_minor": 1500})
    assert engine.action("refund_payment").decided_by == "policy:support/small"

    assert (collect(engine.system), collect(engine.system), keep(engine.system)) == (1, 0, 1)

    with engine.system.db.read() as tx:
        [one] = examples.of_domain(tx, "support", 10)
        [decided] = autonomy.decided(tx, "support", "refund_payment", engine.clock() - timedelta(hours=1), 10)
    engine.system.close()
    assert (one.verdict, one.proposed["amount_minor"], one.made["amount_minor"]) == ("edited", 4000, 1500)
    assert decided.verdict == "edited", "and speaks against letting such drafts run by themselves"


def test_a_wish_for_changes_is_kept_with_its_words(pupil):
    pupil.case()
    decide(pupil, "reply_to_customer", "request_changes", reason="Shorter, please.")

    pupil.learn()

    assert kept(pupil)["reply_to_customer"].verdict == "changes"
    assert kept(pupil)["reply_to_customer"].reason == "Shorter, please."


@pytest.mark.parametrize("seen_between", [True, False])
def test_what_was_approved_and_stopped_before_it_went_out_is_kept_as_rejected(either, seen_between):
    with either.system.db.write() as tx:
        switchboard.throw(tx, "all", reason="Amiss.", actor="person:ana@firm.example", now=either.engine.clock())
    either.system.switchboard.forget()
    either.case()
    decide(either, "reply_to_customer")
    assert not seen_between or either.learn() == 1

    either.engine.clock.on(minutes=2)
    decide(either, "reply_to_customer", "stop", reason="Not to them.")

    assert (either.learn(), either.learn()) == (1, 0)
    reply = kept(either)["reply_to_customer"]
    assert (reply.verdict, reply.made, reply.reason) == ("rejected", None, "Not to them.")


def test_what_the_policy_let_through_alone_teaches_nothing(pupil):
    pupil.case("Where is my parcel?")

    assert pupil.engine.action("escalate_ticket").decided_by.startswith("policy:")
    assert pupil.learn() == 0


def test_an_example_waits_until_the_last_needed_person_has_decided(pupil):
    """Half an approval says nothing yet."""
    pupil.case()
    pupil.engine.decide(pupil.engine.action("reply_to_customer"), "escalate", group="finance")
    pupil.engine.decide(pupil.engine.action("reply_to_customer"), by=pupil.engine.person("bo", groups=("support",)))
    assert pupil.learn() == 0

    pupil.engine.decide(pupil.engine.action("reply_to_customer"), by=pupil.engine.person("cy", groups=("finance",)))

    assert pupil.learn() == 1


def test_an_example_names_nobody(pupil):
    pupil.case(f"{PRAISE} Ana Diaz, 0171 2345678, ana@example.com, order NW-10432")
    decide(pupil, "reply_to_customer")

    pupil.learn()

    reply = kept(pupil)["reply_to_customer"]
    told = f"{reply.text} {reply.proposed} {reply.made} {reply.base}"
    assert "wonderful" in told
    assert [word for word in ("Ana", "Diaz", "2345678", "example.com", "10432") if word in told] == []


def test_who_is_forgotten_is_forgotten_here(either):
    either.case()
    decide(either, "reply_to_customer")
    either.learn()

    with either.system.db.write() as tx:
        assert examples.forget(tx, "somebody@else.example") == 0
        assert examples.forget(tx, "Ana@Example.com ") == 1

    assert kept(either) == {}
    assert either.learn() == 0, "what was erased is not collected again"


def test_nothing_is_collected_from_a_case_that_was_erased_and_others_still_are(pupil):
    pupil.case()
    decide(pupil, "reply_to_customer")
    erased = pupil.engine.case().id
    with pupil.system.db.write() as tx:
        tx.execute(update(steps).where(steps.c.case_id == erased).values(output={}))
    pupil.case()
    decide(pupil, "reply_to_customer")

    assert pupil.learn() == 1
    assert kept(pupil)["reply_to_customer"].case_id != erased
