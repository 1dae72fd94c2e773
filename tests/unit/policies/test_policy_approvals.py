"""Who has approved and whose turn it is: stages, ladders, authority, and people who stand in for others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.approvals import (
    Approval,
    Asked,
    Refusal,
    climbed,
    first_wake,
    next_rung,
    none_to_spare,
    refusal,
    tally,
    unmet,
    with_requirements,
)
from policies.types import Outcome, Requirement, Rung, Verdict

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ROLES = ("support", "lead", "finance", "legal")
PEOPLE = ("ana", "bo", "cy", "di", "eli", "fay")


def yes(person, *groups, for_=None, after=0):
    return Approval(person, frozenset(groups), for_, AT + timedelta(minutes=after))


def asked(*requirements, authorised=None):
    return Asked(tuple(requirements), authorised, AT)


def missing(found):
    return {(r.role, r.stage): r.n for r in found.missing}


STAGED = asked(Requirement("lead", 1, 0), Requirement("finance", 2, 1))


def test_one_person_fills_one_place_even_where_they_are_in_both_groups():
    both = asked(Requirement("lead"), Requirement("finance"))

    found = tally(both, [yes("ana", "lead", "finance")])

    assert missing(found) == {("finance", 0): 1}


def test_somebody_in_both_groups_moves_over_for_one_who_is_in_a_single_one():
    both = asked(Requirement("lead"), Requirement("finance"))

    found = tally(both, [yes("ana", "lead", "finance"), yes("bo", "lead")])

    assert (found.missing, found.stage) == ((), None)


def test_nothing_required_means_one_person():
    nothing = Asked.of(Verdict(Outcome.REVIEW, (), (), ()))

    assert tally(nothing, []).missing == (Requirement(""),)
    assert tally(nothing, [yes("ana")]).missing == ()


def test_the_second_stage_opens_when_the_first_is_full():
    early = yes("fin", "finance")

    assert refusal(STAGED, [], early) is Refusal.EARLY
    assert tally(STAGED, []).turn == (Requirement("lead", 1, 0),)
    opened = tally(STAGED, [yes("lea", "lead", after=5)])
    assert (opened.stage, opened.turn, opened.since) == (1, (Requirement("finance", 2, 1),), AT + timedelta(minutes=5))
    assert refusal(STAGED, [yes("lea", "lead")], early) is None


def test_a_yes_that_came_too_early_does_not_count_later_either():
    found = tally(STAGED, [yes("fin", "finance"), yes("lea", "lead", after=1), yes("flo", "finance", after=2)])

    assert missing(found) == {("finance", 1): 1}


def test_one_person_does_not_go_through_two_stages():
    lead = yes("ana", "lead", "finance")

    assert refusal(STAGED, [lead], yes("ana", "lead", "finance", after=3)) is Refusal.ALREADY


@pytest.mark.parametrize(("groups", "why"), [(("support",), Refusal.AUTHORITY), (("support", "finance"), None)])
def test_only_those_with_authority_for_so_much_count(groups, why):
    large = asked(Requirement("support"), authorised=("finance",))

    assert refusal(large, [], yes("ana", *groups)) is why


def test_outsiders_and_those_whose_places_are_taken_are_told_apart():
    both = asked(Requirement("lead"), Requirement("finance"))

    assert refusal(both, [], yes("ana", "editor")) is Refusal.OUTSIDER
    assert refusal(both, [yes("bo", "lead")], yes("ana", "lead")) is Refusal.FILLED


LADDER = asked(Requirement("support", 1, 0, (Rung(60, "lead"), Rung(240, "boss"))))


@pytest.mark.parametrize(("after", "why"), [(59, Refusal.NOT_YET), (60, None), (500, None)])
def test_a_rung_lets_others_in_once_it_was_asked_for_long_enough(after, why):
    assert refusal(LADDER, [], yes("lea", "lead", after=after)) is why


def test_rungs_are_reached_one_after_the_other():
    assert next_rung(LADDER, [], AT) == AT + timedelta(minutes=60)
    assert next_rung(LADDER, [], AT + timedelta(minutes=60)) == AT + timedelta(minutes=240)
    assert next_rung(LADDER, [], AT + timedelta(minutes=240)) is None
    assert [rung.role for _, _, rung in climbed(LADDER, [], AT + timedelta(minutes=61))] == ["lead"]


def test_the_clock_of_a_later_stage_begins_when_it_opens():
    slow = asked(Requirement("lead", 1, 0), Requirement("finance", 1, 1, (Rung(30, "boss"),)))

    assert next_rung(slow, [], AT) is None
    assert next_rung(slow, [yes("lea", "lead", after=100)], AT) == AT + timedelta(minutes=130)


def test_without_a_time_no_rung_is_ever_reached():
    timeless = Asked(LADDER.requirements)

    assert refusal(timeless, [], yes("lea", "lead", after=9999)) is Refusal.NOT_YET


@pytest.mark.parametrize(("minutes", "due"), [(30, 30), (90, 60)])
def test_an_action_is_first_due_at_its_first_rung_or_its_deadline(minutes, due):
    verdict = Verdict(Outcome.REVIEW, LADDER.requirements, (), ())

    assert first_wake(verdict, AT, AT + timedelta(minutes=minutes)) == AT + timedelta(minutes=due)


def test_a_stand_in_speaks_once_for_themselves_or_the_other_and_the_other_not_again():
    two = asked(Requirement("finance", 2))
    given = [yes("bo", "finance", for_="ada")]

    assert refusal(two, given, yes("bo", "finance")) is Refusal.ALREADY
    assert refusal(two, given, yes("ada", "finance")) is Refusal.ALREADY
    assert refusal(two, given, yes("cy", "finance", for_="ada")) is Refusal.ALREADY
    assert refusal(two, given, yes("cy", "finance")) is None


def test_what_the_present_people_cannot_fill_is_named():
    two = asked(Requirement("finance", 2), Requirement("legal"))

    assert unmet(two, [], [[yes("a", "finance")], [yes("b", "finance", "legal")]]) == (Requirement("legal"),)
    assert unmet(two, [], [[yes("a", "finance")], [yes("b", "finance")], [yes("c", "legal")]]) == ()


def test_who_has_approved_already_can_make_room():
    both = asked(Requirement("support"), Requirement("lead"))

    assert unmet(both, [yes("ana", "support", "lead")], [[yes("bo", "support")]]) == ()


def test_a_stand_in_is_one_person_with_two_voices():
    two = asked(Requirement("finance"), Requirement("legal"))
    bo = [yes("bo", "finance"), yes("bo", "legal", for_="ada")]

    assert len(unmet(two, [], [bo])) == 1
    assert unmet(two, [], [bo, [yes("cy", "finance")]]) == ()


def test_it_is_told_when_everything_hangs_on_one_person():
    assert none_to_spare(asked(Requirement("finance", 2)), [[yes("a", "finance")], [yes("b", "finance")]])
    assert not none_to_spare(asked(Requirement("finance", 1)), [[yes("a", "finance")], [yes("b", "finance")]])


def test_escalating_adds_a_role_once():
    verdict = Verdict(Outcome.REVIEW, (Requirement("support"),), (), ())

    assert with_requirements(verdict, ["lead", "support", "lead"]).requirements == (
        Requirement("support"),
        Requirement("lead"),
    )


roles = st.sampled_from(ROLES)
rungs = st.lists(st.builds(Rung, st.integers(1, 100), roles), max_size=2).map(tuple)
wanted = st.builds(Requirement, roles | st.just(""), st.integers(1, 3), st.integers(0, 2), rungs)
requirements = st.lists(wanted, min_size=1, max_size=4, unique_by=lambda r: (r.role, r.stage)).map(tuple)
approvals = st.lists(
    st.builds(
        lambda who, groups, other, after: Approval(
            who, frozenset(groups), other if other != who else None, AT + timedelta(minutes=after)
        ),
        st.sampled_from(PEOPLE),
        st.sets(roles, max_size=3),
        st.none() | st.sampled_from(PEOPLE),
        st.integers(0, 120),
    ),
    max_size=10,
)
authorities = st.none() | st.sets(roles, min_size=1).map(tuple)
ROUNDS = settings(max_examples=300, deadline=None)


@ROUNDS
@given(requirements, authorities, approvals)
def test_never_fewer_different_people_than_places_are_full(wanted, authorised, given_):
    ask = Asked(wanted, authorised, AT)
    found = tally(ask, given_)

    places = sum(r.n for r in wanted)
    full = places - sum(r.n for r in found.missing)
    assert full == len(found.approvals)
    spoken = [person for approval in found.approvals for person in approval.people]
    # Nobody speaks twice, neither in their own name nor through another.
    assert len(spoken) == len(set(spoken))
    assert len({approval.person for approval in found.approvals}) == full
    assert all(ask.has_authority(approval) for approval in found.approvals)


@ROUNDS
@given(requirements, authorities, approvals)
def test_a_stage_is_begun_only_when_those_before_are_full(wanted, authorised, given_):
    found = tally(Asked(wanted, authorised, AT), given_)

    counted = {stage: found.stages.count(stage) for stage in found.stages}
    for stage, n in counted.items():
        assert n <= sum(r.n for r in wanted if r.stage == stage)
        assert all(
            counted.get(r.stage, 0) == sum(x.n for x in wanted if x.stage == r.stage) for r in wanted if r.stage < stage
        )


@ROUNDS
@given(requirements, authorities, approvals, wanted)
def test_asking_for_more_never_lets_fewer_suffice(wanted, authorised, given_, more):
    """What satisfies a longer list of requirements of one stage satisfies the shorter one."""
    flat = tuple(Requirement(r.role, r.n, 0, r.ladder) for r in wanted)
    longer = (*flat, Requirement(more.role, more.n, 0, more.ladder))

    if not tally(Asked(longer, authorised, AT), given_).missing:
        assert not tally(Asked(flat, authorised, AT), given_).missing


@ROUNDS
@given(requirements, authorities, approvals)
def test_what_is_refused_changes_nothing_and_what_is_not_counts(wanted, authorised, given_):
    ask = Asked(wanted, authorised, AT)
    for place, approval in enumerate(given_):
        before = tally(ask, given_[:place])
        after = tally(ask, given_[: place + 1])
        if refusal(ask, given_[:place], approval) is None:
            assert len(after.approvals) == len(before.approvals) + 1
        else:
            assert after == before


@ROUNDS
@given(requirements, authorities, approvals)
def test_who_fills_all_places_is_never_called_too_few(wanted, authorised, given_):
    ask = Asked(wanted, authorised, AT)
    if not tally(ask, given_).missing:
        pool = [[approval] for approval in tally(ask, given_).approvals]
        assert unmet(ask, [], pool) == ()
        assert unmet(ask, given_, []) == ()
