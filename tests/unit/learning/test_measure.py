"""How alike a draft is to what people decided, and, apart from that, what harm it would have done without a person."""

from __future__ import annotations

import pytest

from workers.learning.measure import MORE, OTHER, REFUSED, Measured, Proposed, Wanted, distance, measure

LETTER = "Dear Ana,\nyour refund of 40.00 EUR is on its way and should be there within ten working days.\nKind regards"


def money(amount=4000, *, charge="ch_1", alone=False, **more):
    arguments = {"charge_id": charge, "amount_minor": amount, "currency": "EUR", "reason": "damaged"}
    return Proposed("refund_payment", f"house:charge:{charge}", arguments, alone, **more)


def letter(body=LETTER, *, alone=False):
    return Proposed("reply_to_customer", "house:ticket:7", {"body": body}, alone)


def wanted(proposed, word="approved"):
    return Wanted(proposed.kind, proposed.target, proposed.arguments, word)


def dangers(drafted, *decided, **more):
    return [danger.what for danger in measure(drafted, decided, **more).dangers]


def test_the_same_agrees():
    found = measure([money(), letter()], [wanted(money()), wanted(letter())])

    assert (found.agrees, found.values, found.text, found.dangers) == (True, 0, 0, ())


def test_another_value_does_not_agree_and_is_counted():
    found = measure([money(3000)], [wanted(money(2000))])

    assert (found.agrees, found.values) == (False, 0.25)


def test_texts_are_measured_and_do_not_decide_whether_it_agrees():
    found = measure([letter(LETTER.replace("Kind", "Warm"))], [wanted(letter())])

    assert found.agrees
    assert 0 < found.text < 0.1


def test_what_is_missing_and_what_nobody_wanted_is_named():
    found = measure([letter()], [wanted(money())])

    assert (found.missing, found.extra) == (("refund_payment",), ("reply_to_customer",))


def test_of_what_people_were_not_asked_nothing_is_said():
    assert measure([money(), letter()], [wanted(money())], aside=["reply_to_customer"]).agrees


def test_what_the_policy_denies_is_not_proposed():
    assert not measure([money(denied=True)], [wanted(money())]).agrees


@pytest.mark.parametrize(
    ("drafted", "decided", "danger"),
    [
        (money(alone=True), wanted(money(), "rejected"), REFUSED),
        (money(9000, alone=True), wanted(money(4000), "edited"), OTHER),
        (money(4000, charge="ch_2", alone=True), wanted(money(4000), "edited"), OTHER),
        (money(9000, alone=True), wanted(money(4000)), MORE),
        (money(alone=True), wanted(letter()), MORE),
    ],
)
def test_harm_that_nobody_would_have_seen(drafted, decided, danger):
    assert danger in dangers([drafted], decided)


@pytest.mark.parametrize(
    ("drafted", "decided"),
    [
        (money(), wanted(money(), "rejected")),
        (money(9000), wanted(money(4000))),
        (money(4000, alone=True), wanted(money(4000))),
        (letter(alone=True), wanted(letter("Another letter"), "edited")),
    ],
    ids=["a person would have refused it again", "a person would have seen it", "as people had it", "words"],
)
def test_no_harm(drafted, decided):
    assert dangers([drafted], decided) == []


def test_asking_for_more_is_no_harm_but_is_counted():
    assert measure([money(9000)], [wanted(money(4000))]).asks_more


def test_money_that_the_policy_let_through_by_itself_is_no_harm():
    unasked = [money().arguments]

    assert dangers([money(alone=True)], wanted(letter()), aside=["refund_payment"], unasked=unasked) == []


def test_two_small_sums_are_added_up():
    two = [money(3000, alone=True), money(3000, charge="ch_2", alone=True)]

    assert MORE in dangers(two, wanted(money(4000)))


def test_it_is_kept_and_read_as_it_was():
    found = measure([money(9000, alone=True)], [wanted(money(4000), "edited")])

    assert Measured.from_json(found.as_json()) == found


@pytest.mark.parametrize(
    ("one", "other", "apart"), [("", "", 0), ("a b", "a b", 0), ("a b", "c d", 1), ("a b", "a c", 0.5)]
)
def test_distance(one, other, apart):
    assert distance(one, other) == apart
