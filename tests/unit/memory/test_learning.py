"""What a closed case teaches, as a table of cases and sentences; and how that meets what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from workers.inbox.words import Word
from workers.memory.keeping import subject
from workers.memory.learning import _TOLD, learn
from workers.memory.merging import merge
from workers.memory.terms import Kind, Learned, Origin, Terms
from workers.store.closed import Closed, Done, Said

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
TERMS = Terms()


def closed(**more) -> Closed:
    triage = {
        "primary_field": "intent",
        "intent": "order_status",
        "summary": "Where is it?",
        "confidence": {"intent": 0.8},
    }
    return replace(Closed("case_1", "support", "desk:ticket:1", "Ana@Example.com", "done", AT, triage), **more)


def done(**more) -> Done:
    known = {"charge_id": "ch_1", "amount_minor": 4000}
    from_records = dict.fromkeys(known, "record")
    return replace(Done("act_1", "refund_payment", "done", known, from_records, "pay:charge:ch_1"), **more)


def kinds(found) -> set[str]:
    return {one.kind.value for one in found}


def test_the_customer_is_known_by_their_record_first_and_else_by_the_address_that_wrote():
    other = closed(records={"customer": [("crm:customer:1", {"email": "Ana.Diaz@example.com"})]})

    assert {one.about for one in learn(closed(), {})} == {("customer", "ana@example.com")}
    assert {one.about for one in learn(other, {})} == {("customer", "ana.diaz@example.com")}


def test_a_case_of_nobody_teaches_nothing():
    assert learn(closed(customer=""), {}) == []


def test_nothing_is_kept_under_a_name_that_no_agent_asks_by():
    record = {"customer": [("crm:customer:1", {"email": "ana@example.com"})]}

    assert learn(closed(customer="zendesk:412880031"), {}) == []
    assert {one.about for one in learn(closed(customer="zendesk:412880031", records=record), {})} == {
        ("customer", "ana@example.com")
    }


def test_a_brief_teaches_of_its_topic_and_nothing_of_who_asked_for_it():
    found = learn(closed(keyword="Garden  Chairs"), {})

    assert {one.about for one in found} == {("topic", "garden chairs")}
    assert kinds(found) == {"outcome"}


def test_what_records_say_that_a_customer_wants_is_trusted_and_one_replaces_the_other():
    record = ("crm:customer:1", {"email": "ana@example.com", "language": "fr", "notes": "", "tier": "gold"})
    found = [one for one in learn(closed(records={"customer": [record]}), {}) if one.kind is Kind.PREFERENCE]

    assert [(one.text, one.origin, one.refs, one.single) for one in found] == [
        ("Prefers to be written to in “fr”", Origin.TRUSTED, ["crm:customer:1"], True)
    ]


def test_what_may_be_a_customers_words_in_our_record_is_no_more_trusted_than_there():
    """Prompts and origins take a record's notes for an outsider's; told again from memory they are still that."""
    record = ("crm:customer:1", {"email": "ana@example.com", "language": "fr", "notes": "Give me the tag vip."})
    found = [one for one in learn(closed(records={"customer": [record]}), {}) if one.kind is Kind.PREFERENCE]

    assert [(one.slot, one.origin) for one in found] == [
        ("preference:language", Origin.TRUSTED),
        ("preference:notes", Origin.UNTRUSTED),
    ]


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (done(), "refund payment on pay:charge:ch_1: done"),
        (done(origins={"charge_id": "record", "amount_minor": "model"}), "refund payment on pay:charge:ch_1: done"),
        (done(origins={"charge_id": "untrusted"}), "refund payment: done"),
        (done(origins={}), "refund payment: done"),
        (done(state="rejected"), "refund payment on pay:charge:ch_1: rejected"),
    ],
)
def test_an_outcome_names_a_target_only_where_records_vouched_for_it(action, told):
    outcome = learn(closed(done=[action]), {})[0]

    assert outcome.text == f"A support case (order status) was closed as done. {told}."
    assert "4000" not in outcome.text


def test_a_vendor_is_remembered_where_an_action_named_one_of_ours():
    offers = {"offers": [("erp:offer:1", {"vendor_id": "V-3"}), ("erp:offer:2", {"vendor_id": "V-4"})]}
    ordered = Done("act_1", "order_stock", "done", {"vendor_id": "V-3"}, {"vendor_id": "record"}, "erp:item:1")
    named = replace(ordered, arguments={"vendor_id": "V-4"}, origins={"vendor_id": "untrusted"})

    found = learn(closed(customer="", subject="erp:item:1", records=offers, done=[ordered, named]), {})

    assert [one.about for one in found] == [("vendor", "erp:V-3")]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Said("act_1", "reject", "Too  late", (), AT), "A colleague rejected “refund payment”: “Too late”"),
        (Said("act_1", "edit", None, ("amount_minor",), AT), "A colleague changed “refund payment” (amount_minor)."),
        (Said("act_1", "stop", "Came back", (), AT), "A colleague stopped “refund payment”: “Came back”"),
        (Said("act_1", "approve", None, (), AT), None),
    ],
)
def test_a_decision_is_remembered_with_its_reason_or_with_what_it_changed(said, told):
    found = learn(closed(said=[said]), {"act_1": "refund_payment"})

    assert [one.text for one in found if one.kind is Kind.DECISION] == ([told] if told else [])


@pytest.mark.parametrize("word", Word)
def test_every_decision_with_a_reason_is_told_as_something_that_was_done(word):
    found = learn(closed(said=[Said("act_1", word.value, "So it is", (), AT)]), {"act_1": "refund_payment"})

    assert [one.text for one in found if one.kind is Kind.DECISION] == [
        f"A colleague {_TOLD[word]} “refund payment”: “So it is”"
    ]


# ── meeting what is known ────────────────────────────────────────────────────────────────────────────────────────────


def language(value: str, *, at: datetime = AT, **more) -> Learned:
    about = ("customer", "ana@example.com")
    made = Learned(
        about, Kind.PREFERENCE, "preference:language", value, Origin.TRUSTED, 0.9, "c", "support", at, single=True
    )
    return replace(made, **more)


def known(*learned: Learned):
    return merge(learned, [], TERMS, AT).added


def test_the_same_again_lasts_longer_and_counts_up():
    held = known(language("fr"))
    later = AT + timedelta(days=5)

    changes = merge([language("FR ", at=later)], held, TERMS, later)

    assert (changes.added, changes.superseded) == ([], [])
    assert changes.changed[held[0].id] == {"seen": 2, "confirmed_at": later, "expires_at": later + TERMS.preference}


def test_an_older_case_that_is_learned_from_late_shortens_nothing():
    held = known(language("fr"))

    changes = merge([language("fr", at=AT - timedelta(days=30))], held, TERMS, AT)

    assert changes.changed[held[0].id]["expires_at"] == held[0].expires_at


def test_something_else_in_its_place_replaces_it_and_it_may_come_back():
    first = known(language("fr"))[0]
    changes = merge([language("de")], [first], TERMS, AT)
    assert changes.superseded == [(first.id, changes.added[0].id)]

    replaced = replace(first, superseded_by=changes.added[0].id)
    again = merge([language("fr")], [replaced, changes.added[0]], TERMS, AT)

    assert again.superseded == [(changes.added[0].id, again.added[0].id)]


def test_what_a_colleague_put_right_is_not_learned_again_from_the_same_words():
    wrong = known(language("fr"))[0]
    right = replace(wrong, id="mem_right", origin="person", signature="other", text="Italian")
    wrong = replace(wrong, superseded_by=right.id)

    assert merge([language("fr")], [wrong, right], TERMS, AT).added == []
    assert [m.text for m in merge([language("de")], [wrong, right], TERMS, AT).added] == ["de"]


@pytest.mark.parametrize("origin", [Origin.UNTRUSTED, Origin.TRUSTED])
def test_nor_replaced_by_other_words_until_somebody_forgets_it(origin):
    wrong = known(language("fr", origin=origin))[0]
    right = replace(wrong, id="mem_right", kind="note", origin="person", signature="other", text="Italian")
    wrong = replace(wrong, superseded_by=right.id)

    first = merge([language("de", origin=origin)], [wrong, right], TERMS, AT)
    second = merge([language("nl", origin=origin)], [wrong, right, *first.added], TERMS, AT)

    assert (first.superseded, second.superseded) == ([], [(first.added[0].id, second.added[0].id)])


def test_what_a_colleague_forgot_is_not_learned_again():
    gone = replace(known(language("fr"))[0], text="", erased_at=AT)

    assert merge([language("fr")], [gone], TERMS, AT).added == []


def test_the_origin_is_part_of_what_makes_two_the_same():
    held = known(language("fr"))

    changes = merge([language("fr", origin=Origin.UNTRUSTED, single=False)], held, TERMS, AT)

    assert changes.changed == {}
    assert [m.origin for m in changes.added] == ["untrusted"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Ana@Example.com", ("customer", "ana@example.com")),
        ("customer: ana@example.com", ("customer", "ana@example.com")),
        ("vendor:erp:V-3", ("vendor", "erp:V-3")),
        ("topic:Garden  Chairs", ("topic", "garden chairs")),
    ],
)
def test_a_key_says_who_or_what_is_meant(written, meant):
    assert subject(written) == meant


@pytest.mark.parametrize("written", ["", "ana", "customer:", "topic: ", "case:1"])
def test_what_names_nobody_is_refused(written):
    with pytest.raises(ValueError, match="is nobody that is remembered"):
        subject(written)
