"""What people keep changing, the local model does by itself; the policy judges it as ever, and people can undo it."""

from __future__ import annotations

from workers.lessons.habits import LEAST
from workers.store import examples

from .test_examples import NOW, WAS


def correct(pupil, times):
    """The operator words the last line otherwise wherever it stands there. How often that was needed."""
    needed = 0
    for _ in range(times):
        pupil.case()
        action = pupil.engine.action("reply_to_customer")
        body = action.arguments["body"]
        needed += WAS in body
        pupil.engine.decide(action, arguments={"body": body.replace(WAS, NOW)} if WAS in body else None)
        pupil.learn()
    return needed


def test_after_enough_corrections_the_mistake_is_not_made_again(pupil):
    assert correct(pupil, LEAST) == LEAST

    assert correct(pupil, 12) == 0


def test_the_card_says_why_the_draft_is_not_the_standard_one(pupil):
    correct(pupil, LEAST)
    pupil.case()

    assert f"People did so {LEAST} of {LEAST} times." in pupil.engine.action("reply_to_customer").rationale


def test_a_learned_draft_still_waits_for_people(pupil):
    correct(pupil, LEAST)
    pupil.case()

    action = pupil.engine.action("reply_to_customer")
    assert NOW in action.arguments["body"]
    assert (action.state, action.decided_by) == ("pending", None)


def test_what_people_undo_again_is_unlearned(pupil):
    correct(pupil, LEAST)
    for _ in range(3):
        pupil.case()
        action = pupil.engine.action("reply_to_customer")
        pupil.engine.decide(action, arguments={"body": action.arguments["body"].replace(NOW, WAS)})
        pupil.learn()

    pupil.case()

    assert WAS in pupil.engine.action("reply_to_customer").arguments["body"]


def test_forgetting_takes_the_habit_along(pupil):
    correct(pupil, LEAST)
    with pupil.system.db.write() as tx:
        examples.forget(tx, "ana@example.com")

    pupil.case()

    assert WAS in pupil.engine.action("reply_to_customer").arguments["body"]
