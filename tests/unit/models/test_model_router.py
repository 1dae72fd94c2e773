"""A request goes to the first route that applies and on where that fails, says so, and loses nothing that was paid for."""

from __future__ import annotations

import logging

import pytest

from integrations.errors import LeftAlone, Permanent, Postponed, Temporary
from integrations.models.base import InvalidOutput, Refused, ToolResult, ToolUse, Turn, Unanswered
from integrations.models.failures import Declined, Fruitless, NoRoute, Unavailable, Unserved, paid
from tests.unit.models.routed import Clock, Learner, Scripted, request, router, seat, usage

DOWN = "The model's service is not available (529)."


def two(*script, **route):
    first, second = Scripted("alpha", script=list(script)), Scripted("beta")
    return first, second, router(seat(first, **route), seat(second))


def test_the_first_that_can_answers_and_nobody_else_is_asked():
    first, second, asking = two()

    found = asking.answer(request())

    assert (found.output.by, found.earlier, found.remarks) == ("alpha", (), ())
    assert (len(first.asked), len(second.asked)) == (1, 0)


def test_one_that_is_down_is_tried_once_more_and_then_the_next_answers_and_says_so():
    first, second, asking = two(Temporary(DOWN), Temporary(DOWN))

    found = asking.answer(request())

    assert found.output.by == "beta"
    assert found.remarks == (
        "alpha did not answer (The model's service is not available (529)); beta/m answered instead.",
    )
    assert (len(first.asked), len(second.asked)) == (2, 1)


@pytest.mark.parametrize(
    ("error", "took", "slept"),
    [
        (Temporary(DOWN), 0.0, [0.5]),
        (Temporary(DOWN), 2.1, []),
        (Temporary(DOWN, retry_after=1.5), 0.0, [1.75]),
        (Temporary(DOWN, retry_after=1.5), 30.0, [1.75]),
        (Temporary(DOWN, retry_after=2.5), 0.0, []),
        (Postponed("As often as it may be.", retry_after=0.4), 0.0, []),
        (LeftAlone("Left alone.", retry_after=0.4), 0.0, []),
        (Permanent("Bad key."), 0.0, []),
        (InvalidOutput("No form."), 0.0, []),
    ],
)
def test_a_second_try_comes_only_where_a_moment_may_help(error, took, slept):
    clock, first, second = Clock(), Scripted("alpha"), Scripted("beta")
    first.script = [clock.passes(took, error)]

    found = router(seat(first), seat(second), clock=clock).answer(request())

    assert clock.slept == slept
    assert found.output.by == ("alpha" if slept else "beta")
    assert found.remarks == () if slept else len(found.remarks) == 1


def test_what_the_failed_ones_cost_comes_along_with_the_answer():
    wrong = InvalidOutput("It does not fit.", usage=usage("alpha", cost="0.07"))
    _, _, asking = two(wrong)

    found = asking.answer(request())

    assert [(used.provider, str(used.cost_usd)) for used in found.earlier] == [("alpha", "0.07")]
    assert found.usage.provider == "beta"
    assert found.remarks[0].startswith("alpha gave an answer that does not fit (It does not fit); beta/m answered")


def test_a_refusal_is_left_to_a_person_unless_the_route_says_otherwise():
    refusal = Refused("It declined.", usage=usage("alpha"))

    _, second, asking = two(refusal)
    with pytest.raises(Refused) as raised:
        asking.answer(request())
    _, _, going_on = two(refusal, on_refusal="next")

    assert second.asked == []
    assert [used.provider for used in paid(raised.value)] == ["alpha"]
    assert going_on.answer(request()).output.by == "beta"


def test_a_refusal_after_a_failure_is_still_a_refusal_with_all_that_was_paid():
    first = Scripted("alpha", script=[InvalidOutput("No form.", usage=usage("alpha"))])
    second = Scripted("beta", script=[Refused("It declined.", usage=usage("beta"))])
    third = Scripted("gamma")

    with pytest.raises(Declined, match=r"beta declined \(It declined\)\. A person must look") as raised:
        router(seat(first), seat(second), seat(third)).answer(request())

    assert [used.provider for used in paid(raised.value)] == ["alpha", "beta"]
    assert third.asked == []


def test_a_key_that_is_refused_is_said_loudly_once_a_minute_while_others_answer(caplog):
    clock, first, second = Clock(), Scripted("alpha"), Scripted("beta")
    asking = router(seat(first), seat(second), clock=clock)
    caplog.set_level(logging.ERROR)

    for later in (0.0, 30.0, 31.0):
        clock.now += later
        first.script = [Permanent("The service refused our key: check ALPHA_API_KEY.")]
        assert asking.answer(request()).remarks[0].startswith("alpha cannot serve us (The service refused our key")

    assert [record.getMessage() for record in caplog.records] == [
        "model_cannot_serve route=alpha reason=The service refused our key: check ALPHA_API_KEY."
    ] * 2


@pytest.mark.parametrize(
    ("errors", "kind", "waits"),
    [
        ([Permanent("Bad key."), LeftAlone("Away.", retry_after=9.0)], Unavailable, 9.0),
        ([Temporary("Slow.", retry_after=40.0), LeftAlone("Away.", retry_after=9.0)], Unavailable, 9.0),
        ([Postponed("Soon.", retry_after=3.0), InvalidOutput("No form.")], Unavailable, 3.0),
        ([InvalidOutput("No form."), Permanent("Bad key.")], Unserved, None),
        ([InvalidOutput("No form."), InvalidOutput("No form.")], Fruitless, None),
    ],
)
def test_where_nobody_answers_the_most_hopeful_error_is_raised(errors, kind, waits):
    seats = [seat(Scripted(name, script=[error])) for name, error in zip(("alpha", "beta"), errors, strict=True)]

    with pytest.raises(kind) as raised:
        router(*seats).answer(request())

    assert getattr(raised.value, "retry_after", None) == waits
    assert "alpha" in str(raised.value)
    assert "beta" in str(raised.value)
    assert isinstance(raised.value, Unanswered) == (kind is Fruitless)


def test_a_single_route_fails_as_its_model_does():
    error = InvalidOutput("No form.", usage=usage("alpha"))

    with pytest.raises(InvalidOutput) as raised:
        router(seat(Scripted("alpha", script=[error]))).answer(request())

    assert raised.value is error


def test_all_that_was_paid_for_in_vain_comes_along_with_the_error():
    errors = [InvalidOutput("No form.", usage=usage(name)) for name in ("alpha", "beta")]
    seats = [seat(Scripted(error.usage.provider, script=[error])) for error in errors]

    with pytest.raises(Fruitless) as raised:
        router(*seats).answer(request())

    assert [used.provider for used in paid(raised.value)] == ["alpha", "beta"]


def test_what_is_no_failure_of_a_model_is_not_hidden_by_the_next():
    _, second, asking = two(ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        asking.answer(request())
    assert second.asked == []


def test_a_last_resort_serves_in_an_outage_and_not_where_patience_is_asked_for():
    def fresh(*script):
        local = Scripted("local", uses_tools=False)
        return local, router(seat(Scripted("alpha", script=list(script))), seat(local, last_resort=True))

    _, outage = fresh(LeftAlone("Left alone for a while.", retry_after=4.0))
    busy_local, busy = fresh(Temporary("Slow down.", retry_after=20.0))
    _, quota = fresh(Temporary("Come back in an hour.", retry_after=3600.0))

    assert outage.answer(request()).output.by == "local"
    assert quota.answer(request()).output.by == "local"
    with pytest.raises(Temporary) as raised:
        busy.answer(request())
    assert raised.value.retry_after == 20.0
    assert busy_local.asked == []


def test_after_so_long_nobody_is_asked_any_more_but_a_last_resort():
    clock = Clock()
    first, second, local = Scripted("alpha"), Scripted("beta"), Scripted("local")
    first.script = [clock.passes(61.0, Temporary("Too slow."))]
    asking = router(seat(first), seat(second), seat(local, last_resort=True), clock=clock, longest=60.0)

    assert asking.answer(request()).output.by == "local"
    assert second.asked == []


def test_routes_are_passed_over_whose_conditions_do_not_hold():
    german, large, rest = Scripted("alpha"), Scripted("beta"), Scripted("gamma")
    asking = router(
        seat(german, when={"language": "de"}),
        seat(large, when={"min_chars": 1000}),
        seat(rest, when={"domain": "support"}),
    )

    assert asking.answer(request(language="de")).output.by == "alpha"
    assert asking.answer(request(language="en")).output.by == "gamma"
    with pytest.raises(NoRoute, match="No route of the task “draft” applies to this case"):
        asking.answer(request(domain="content"))
    with pytest.raises(NoRoute, match="No model does the task “judge”"):
        asking.answer(request("judge"))


def test_a_route_may_be_given_less_time_than_was_asked_for():
    first = Scripted("alpha")

    router(seat(first, timeout=7)).answer(request())

    assert first.asked[0].timeout == 7


def test_a_conversation_stays_with_the_route_that_it_is_at_and_leaves_it_with_all_its_turns():
    first, second = Scripted("alpha", script=[LeftAlone("Away.", retry_after=9.0)]), Scripted("beta")
    asking = router(seat(first), seat(second))
    turns = ()

    for _ in range(3):
        found = asking.turn(request(turns=turns))
        assert isinstance(found, ToolUse)
        results = tuple(ToolResult(call.id, call.name, "seen", trusted=True) for call in found.calls)
        turns = (*turns, Turn(found.calls, results, found.text, found.native))
    second.script = [LeftAlone("Away too.", retry_after=9.0)]
    last = asking.turn(request(turns=turns))

    assert [turn.native["route"] for turn in turns] == ["beta"] * 3
    assert turns[0].native["beta"] == ["signed"]
    assert (len(first.asked), len(second.asked)) == (2, 4)
    assert first.asked[-1].turns == turns
    assert last.native["route"] == "alpha"
    assert last.remarks == ("beta was not asked (Away too); alpha/m answered instead.",)


def test_it_uses_tools_where_one_that_drafts_does_not_counting_last_resorts():
    able, unable = Scripted("alpha"), Scripted("local", uses_tools=False)

    assert router(seat(able), seat(unable, last_resort=True)).uses_tools
    assert not router(seat(unable)).uses_tools
    assert not router(seat(unable), seat(able, last_resort=True)).uses_tools
    assert (router(seat(able)).provider, router(seat(able)).name) == ("alpha", "m")


def test_what_learns_is_told_to_learn_and_what_serves_last_only_when_it_must():
    first, last = Learner("local"), Learner("spare")
    asking = router(seat(first), seat(last, last_resort=True))

    asking.prepare()
    asking.retrain()

    assert (first.learned, last.learned) == (["prepared", "anew"], ["anew"])


def test_who_failed_and_who_answered_instead_is_told_to_whoever_counts():
    told = []
    wrong = InvalidOutput("No form.", usage=usage("alpha"))
    first, second = Scripted("alpha", script=[wrong]), Scripted("beta")
    asking = router(seat(first), seat(second), notice=told.append)

    asking.answer(request())
    first.script, second.script = [LeftAlone("Away.")], [Permanent("Bad key.")]
    with pytest.raises(Unavailable):
        asking.answer(request())

    assert [(f.provider, f.error, len(f.usages), f.instead) for f in told] == [
        ("alpha", "InvalidOutput", 1, "beta/m"),
        ("alpha", "LeftAlone", 0, ""),
        ("beta", "Permanent", 0, ""),
    ]
