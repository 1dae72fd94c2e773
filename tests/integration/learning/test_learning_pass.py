"""The sweeper begins the pass that keeps examples; what learning meets holds up nothing."""

from __future__ import annotations

from dataclasses import replace

from workers.learning.background import LearningPass
from workers.learning.candidate import Candidate
from workers.store import examples, shadows
from workers.sweeper import Sweeper

from .test_examples import decide, kept
from .test_replay import Other


def closed(pupil):
    pupil.case()
    decide(pupil, "close_ticket", "reject", reason="Not yet.")
    decide(pupil, "reply_to_customer")
    pupil.engine.clock.on(hours=1)
    pupil.engine.sweep()
    assert pupil.engine.case().state == "closed"


def with_shadow(pupil, written):
    return replace(pupil.system, settings=pupil.system.settings.model_copy(update={"shadow": written}))


def test_a_sweep_with_its_upkeep_keeps_what_was_decided(either):
    either.case()
    decide(either, "reply_to_customer")

    Sweeper(either.system).once()

    assert kept(either)["reply_to_customer"].verdict == "approved"


def test_the_shadow_runs_where_it_is_set(pupil):
    closed(pupil)
    system = with_shadow(pupil, "other/other-1")
    other = Other()

    LearningPass(system, candidate=Candidate("other/other-1", system.policy, other)).run()

    with pupil.system.db.read() as tx:
        [answer] = shadows.listing(tx)
    assert (answer.candidate, answer.provider) == ("other/other-1", "other")
    assert len(other.asked) == 1


def test_a_shadow_that_cannot_be_had_does_not_keep_examples_from_being_kept(pupil, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    closed(pupil)

    LearningPass(with_shadow(pupil, "anthropic/some-model 10%")).run()

    with pupil.system.db.read() as tx:
        assert examples.count(tx)["approved"] == 1
        assert shadows.listing(tx) == []


def test_it_works_on_a_thread_of_its_own_and_is_waited_for(pupil):
    closed(pupil)
    learning = LearningPass(pupil.system)

    learning.begin()
    learning.begin()
    learning.wait(30)

    assert kept(pupil)["reply_to_customer"].verdict == "approved"
