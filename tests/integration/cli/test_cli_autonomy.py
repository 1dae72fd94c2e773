"""``policy suggest`` finds what may run by itself and puts it to people; ``policy autonomy`` says how it is doing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from policies import loader
from tests.kit.earning import make_world
from workers.store import autonomy, autonomy_watches


@pytest.fixture
def world(folder):
    made = make_world(folder, url=f"sqlite:///{folder / 'caseworker.db'}", now=datetime.now(UTC))
    yield made
    made.engine.system.close()


@pytest.fixture
def asked(caseworker, capsys):
    """The command line, without what making the world has printed."""

    def call(*arguments):
        capsys.readouterr()
        return caseworker(*arguments)

    return call


def test_without_history_it_says_that_there_is_none(asked, world):
    ran = asked("policy", "suggest")

    assert ran.status == 0
    assert "No decisions are kept yet." in ran.out


def test_it_shows_the_diff_and_the_evidence_and_changes_nothing(asked, world):
    world.remember(320)

    ran = asked("policy", "suggest")

    assert ran.status == 0, ran.err
    assert "320 of 320 proposals “Close the ticket” were approved unedited" in ran.out
    assert "Today people are asked by support/close-unsettled" in ran.out
    assert "+bundle: earned-support" in ran.out
    with world.engine.system.db.read() as tx:
        assert autonomy.proposals(tx) == []


def test_what_it_writes_is_a_policy_that_loads(asked, world, tmp_path):
    world.remember(320)

    ran = asked("policy", "suggest", "--out", str(tmp_path / "out"), "--json")

    (found,) = ran.json["suggestions"]
    made = loader.load(tmp_path / "out" / "earned-support-close-ticket-1")
    assert made.hash == found["policy_hash"]
    assert found["evidence"]["agreed"] == found["evidence"]["seen"] == 320
    assert found["case"] is None


def test_it_is_put_to_people_for_whoever_asks(asked, world):
    world.remember(320)

    ran = asked("policy", "suggest", "--propose", "--as", "ben@firm.example", "--json")

    (found,) = ran.json["suggestions"]
    with world.engine.system.db.read() as tx:
        (kept,) = autonomy.proposals(tx)
    assert (kept.in_case, kept.by, kept.rule) == (
        found["case"],
        "person:ben@firm.example",
        "earned-support/close-ticket-1",
    )
    again = asked("policy", "suggest", "--propose", "--as", "ben@firm.example")
    assert (again.status, "proposed already: see the case" in again.err) == (2, True)


def test_a_proposal_that_is_not_there_cannot_be_chosen(asked, world):
    ran = asked("policy", "suggest", "--rule", "earned-support/reply-1")

    assert ran.status == 2
    assert "Nothing is to be proposed for 'earned-support/reply-1'" in ran.err


def test_it_says_why_a_kind_is_not_proposed(asked, world):
    world.remember(60)

    ran = asked("policy", "suggest", "--json")

    assert ran.json["suggestions"] == []
    (lacking,) = ran.json["lacking"]
    assert lacking["kind"] == "close_ticket"
    assert "60 decisions of 100" in lacking["why"]


def test_what_rules_let_through_is_shown_with_its_test(asked, world):
    now = world.engine.clock()
    with world.engine.system.db.write() as tx:
        autonomy_watches.begin(tx, "support/tags", tolerated=0.05, alpha=0.05, now=now)

    ran = asked("policy", "autonomy", "--json")

    (found,) = ran.json
    assert (found["rule"], found["state"], found["threshold"], found["peak"]) == ("support/tags", "watched only", 20, 1)
    assert "support/tags" in asked("policy", "autonomy").out
