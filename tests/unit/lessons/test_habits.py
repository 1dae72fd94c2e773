"""What people keep changing is found, once it was often enough and nearly always; nothing is learned that could do harm."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.models.amendments import Amendment
from workers.lessons.habits import LEAST, found_in, lower_bound
from workers.store.examples import Example

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LETTER = "Hello,\nwe are on it.\nKind regards"


def example(number, base, made, *, kind="escalate_ticket", verdict=None, macro="complaint", **situation):
    verdict = verdict or ("rejected" if made is None else "approved" if base == made else "edited")
    return Example(
        id=f"act_{number}",
        case_id=f"case_{number}",
        customer="ana@example.com",
        domain="support",
        task="draft",
        kind=kind,
        intent="complaint",
        macro=macro,
        base=base,
        situation=situation,
        text="",
        proposed=base,
        verdict=verdict,
        made=made,
        diff=[],
        reason=None,
        person_id="per_1",
        groups=["support"],
        provider="local",
        model="m",
        decided_at=NOW,
    )


def many(times, base, made, **more):
    return [example(number, base, made, **more) for number in range(times)]


def team(name):
    return {"team": name, "note": "Please look."}


def refund(amount):
    return {"charge_id": "…", "amount_minor": amount, "currency": "EUR", "reason": "damaged"}


def test_what_everybody_changes_in_the_same_way_is_a_habit():
    [habit] = found_in(many(12, team("support"), team("returns")))

    assert (habit.change, habit.field, habit.after) == ("set", "team", "returns")
    assert (habit.times, habit.seen, habit.when) == (12, 12, ())
    assert "12 of 12 times" in habit.told


def test_too_few_teach_nothing():
    assert found_in(many(LEAST - 1, team("support"), team("returns"))) == []
    assert len(found_in(many(LEAST, team("support"), team("returns")))) == 1


def test_what_is_done_only_now_and_then_is_no_habit():
    mixed = many(12, team("support"), team("returns")) + many(8, team("support"), team("support"))

    assert found_in(mixed) == []


def test_a_habit_that_people_undo_again_fades():
    kept = many(20, team("support"), team("returns"))

    assert found_in(many(20, team("support"), team("support")) + kept) == []


def test_a_habit_holds_only_where_it_was_seen():
    gold = many(12, team("support"), team("vip"), tier="gold")
    others = many(40, team("support"), team("support"), tier="standard")

    [habit] = found_in(gold + others)

    assert habit.when == (("tier", "gold"),)
    assert (habit.times, habit.seen) == (12, 12)


def test_an_amount_that_is_always_halved_is_a_share_and_not_a_number():
    found = found_in(
        [example(n, refund(a), refund(a // 2), kind="refund_payment") for n, a in enumerate(range(1000, 2000, 100))]
    )

    [habit] = [one for one in found if one.field == "amount_minor"]

    assert (habit.change, habit.after) == ("scale", [1, 2])


@pytest.mark.parametrize(
    ("kind", "base", "made"),
    [
        ("refund_payment", refund(1000), refund(2000)),
        ("refund_payment", refund(1000), {**refund(1000), "charge_id": "ch_other"}),
        ("refund_payment", refund(1000), {**refund(1000), "currency": "USD"}),
        (
            "request_documents",
            {"to": "a@example.com", "subject": "Papers", "body": "Please."},
            {"to": "b@example.com", "subject": "Papers", "body": "Please."},
        ),
    ],
    ids=["a larger amount", "another charge", "another currency", "another recipient"],
)
def test_never_learned(kind, base, made):
    assert found_in(many(50, base, made, kind=kind)) == []


def test_a_line_that_is_always_worded_otherwise_is_a_habit_of_that_line():
    body = {"body": LETTER}
    [habit] = found_in(many(12, body, {"body": LETTER.replace("Kind", "Warm")}, kind="reply_to_customer"))

    assert (habit.change, habit.before, habit.after) == ("line", ["Kind regards"], ["Warm regards"])


def test_a_line_that_names_the_customer_is_not_learned():
    base, made = {"body": "Hello […],\nwe are on it."}, {"body": "Dear […],\nwe are on it."}

    assert found_in(many(12, base, made, kind="reply_to_customer")) == []


def test_what_is_always_rejected_is_left_and_a_letter_takes_its_whole_answer_with_it():
    [dropped] = found_in(many(12, team("support"), None))
    [set_aside] = found_in(many(12, {"body": LETTER}, None, kind="reply_to_customer"))

    assert (dropped.change, set_aside.change) == ("drop", "set_aside")


def test_a_request_for_changes_says_neither_yes_nor_no():
    assert found_in(many(50, team("support"), None, verdict="changes")) == []


def test_another_models_draft_says_nothing_about_the_standard_answer():
    assert found_in(many(50, None, team("returns"))) == []


@pytest.mark.parametrize(("times", "seen", "low"), [(0, 0, 0), (8, 8, 0.74), (19, 20, 0.79), (10, 20, 0.32)])
def test_the_lower_bound_is_wilsons(times, seen, low):
    assert lower_bound(times, seen) == pytest.approx(low, abs=0.02)


def test_a_habit_travels_as_plain_data():
    [habit] = found_in(many(12, team("support"), team("vip"), tier="gold") + many(40, team("x"), team("x"), tier="no"))

    assert Amendment.from_data(habit.as_data()) == habit
