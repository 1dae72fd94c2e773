"""What rules let through is counted once and looked after; an earned rule that goes wrong too often is taken back, no other is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from integrations.errors import Permanent
from tests.kit.ahead import clock_ahead, newest_here
from tests.kit.earning import CLOSE, running
from tests.kit.engine import tags
from workers.autonomy import watching
from workers.autonomy.background import CRASH_POINTS
from workers.learning.collect import collect
from workers.store import audit, autonomy_watches, switches
from workers.store.audit import SYSTEM

pytestmark = pytest.mark.timeout(400)
RULE = "earned-support/close-ticket-1"


@pytest.fixture
def earned(url, tmp_path):
    made = running(tmp_path, url=url)
    yield made
    made.engine.system.close()


@pytest.fixture
def looked_at(tmp_path):
    made = running(tmp_path, sample=100.0)
    yield made
    made.engine.system.close()


def watch(world, rule=RULE):
    with world.engine.system.db.read() as tx:
        return autonomy_watches.watch(tx, rule)


def outcomes(world, rule=RULE):
    with world.engine.system.db.read() as tx:
        return autonomy_watches.outcomes(tx, rule, 1, 1000)


def thrown(world):
    with world.engine.system.db.read() as tx:
        return [switch.scope for switch in switches.listing(tx)]


def fails(world, **draft):
    world.engine.house.before.append(Permanent("The desk says no."))
    return world.ticket(**draft)


def test_what_runs_by_itself_is_counted_once_however_often_is_looked(earned):
    for _ in range(3):
        assert earned.ticket().state == "done"
    for _ in range(3):
        earned.autonomy_pass()

    assert (watch(earned).outcomes, watch(earned).wrong, watch(earned).sampled) == (3, 0, 0)
    assert [(one.number, one.open) for one in outcomes(earned)] == [(1, False), (2, False), (3, False)]


def test_what_could_not_be_carried_out_went_wrong(earned):
    earned.ticket()
    assert fails(earned).state == "failed"

    earned.autonomy_pass()

    assert [(one.wrong, one.why) for one in outcomes(earned)] == [(False, ""), (True, "failed")]


@pytest.mark.parametrize("counted_before", [True, False])
def test_what_a_person_stopped_went_wrong_however_soon_they_did(tmp_path, counted_before):
    world = running(tmp_path, minutes=30)
    world.ticket()
    held = world.engine.actions()[-1]
    assert (held.state, held.decided_by) == ("approved", f"policy:{RULE}")
    if counted_before:
        world.autonomy_pass()

    world.engine.decide(held, "stop", by=world.engine.person("ana"), reason="Not this one.")
    world.autonomy_pass()
    world.autonomy_pass()

    assert [(one.wrong, one.why) for one in outcomes(world)] == [(True, "stopped")]
    world.engine.system.close()


def test_what_goes_wrong_again_and_again_is_taken_back_once(earned):
    for _ in range(6):
        fails(earned)

    for _ in range(3):
        earned.autonomy_pass()

    assert thrown(earned) == [f"rule:{RULE}"]
    assert watch(earned).taken_back
    with earned.engine.system.db.read() as tx:
        assert [entry.verb for entry in audit.of_chain(tx, SYSTEM)].count("switch_thrown") == 1
    assert earned.ticket().state == "pending"


def test_a_rule_that_people_wrote_is_watched_and_stays(earned):
    for _ in range(6):
        fails(earned, draft=tags())

    earned.autonomy_pass()

    found = watch(earned, "support/tags")
    assert found.wrong == 6
    assert found.peak >= 1 / found.alpha
    assert not found.taken_back
    assert thrown(earned) == []


def test_what_went_wrong_is_told_of_as_many_as_are_reckoned_with(earned, monkeypatch):
    """A long test is reckoned on its newest outcomes: what went wrong before them is not told as having gone well."""
    monkeypatch.setattr(watching, "MOST", 3)
    for wrong in (True, True, False, True, False):
        fails(earned) if wrong else earned.ticket()

    earned.autonomy_pass()

    assert (watch(earned).outcomes, watch(earned).wrong) == (3, 1)


def test_without_drift_nothing_is_taken_back(earned):
    for number in range(60):
        fails(earned) if number == 30 else earned.ticket()
        if number % 20 == 19:
            earned.autonomy_pass()

    assert (watch(earned).outcomes, watch(earned).wrong, watch(earned).taken_back) == (60, 1, False)


def test_people_who_look_at_a_sample_speak_for_or_against_the_rule(looked_at):
    looked_at.decided("approve")
    looked_at.decided("reject")
    looked_at.decided("request_changes")

    looked_at.autonomy_pass()
    looked_at.autonomy_pass()

    found = [(one.sampled, one.wrong, one.why) for one in outcomes(looked_at)]
    assert found == [(True, False, ""), (True, True, "rejected"), (True, True, "changes")]


_KILLED = """
import sys
from datetime import datetime
from pathlib import Path
from tests.kit.earning import running
from workers.autonomy.background import AutonomyPass
world = running(Path(sys.argv[1]), url=sys.argv[2])
world.engine.clock.now = datetime.fromisoformat(sys.argv[3])
AutonomyPass(world.engine.system).run()
"""


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_killed_anywhere_everything_is_counted_once_and_taken_back_once(looked_at, tmp_path, point):
    system = looked_at.engine.system
    looked_at.decided("reject")
    quick = running(tmp_path, url=system.db.url)
    quick.engine.clock.now, quick.tickets = looked_at.engine.clock(), looked_at.tickets
    for _ in range(6):
        fails(quick, draft=CLOSE)
    collect(system)
    command = [sys.executable, "-c", _KILLED, str(tmp_path), system.db.url, quick.engine.clock().isoformat()]

    ended = subprocess.run(command, env={**os.environ, "CASEWORKER_CRASH_AT": point}, check=False, timeout=100)
    quick.autonomy_pass()
    quick.engine.system.close()

    assert ended.returncode == -9
    assert (watch(looked_at).outcomes, watch(looked_at).wrong, watch(looked_at).sampled) == (7, 7, 1)
    assert thrown(looked_at) == [f"rule:{RULE}"]
    with system.db.read() as tx:
        assert [entry.verb for entry in audit.of_chain(tx, SYSTEM)].count("switch_thrown") == 1


def test_one_machine_whose_clock_is_ahead_hides_nothing_from_the_watch(earned):
    with clock_ahead(earned.engine):
        earned.ticket()
    earned.autonomy_pass()

    fails(earned)
    assert newest_here(earned.engine).state == "failed"
    earned.autonomy_pass()

    assert (watch(earned).outcomes, watch(earned).wrong) == (2, 1)


def test_nor_does_it_keep_what_people_say_of_a_sample_from_being_counted(looked_at):
    with clock_ahead(looked_at.engine):
        looked_at.decided()
    looked_at.autonomy_pass()

    looked_at.ticket()
    looked_at.engine.decide(newest_here(looked_at.engine), "reject", reason="There is more to do.")
    looked_at.autonomy_pass()

    assert (watch(looked_at).outcomes, watch(looked_at).wrong) == (2, 1)
