"""What people decided is kept once, with the facts and without the people it was about; its fate is looked after, and erasure
takes it away."""

from __future__ import annotations

import json

from integrations.errors import Permanent
from tests.kit.ahead import clock_ahead, newest_here
from workers import switchboard
from workers.autonomy.keeping import NAMING, keep
from workers.learning.collect import collect
from workers.store import autonomy, erasure
from workers.store.examples import ERASED


def kept(world):
    with world.engine.system.db.read() as tx:
        return autonomy.decided(tx, "support", "close_ticket", world.engine.clock().replace(year=2000), 100)


def looked_at(world):
    collect(world.engine.system)
    return keep(world.engine.system)


def test_a_decision_is_kept_once_with_what_was_decided(world):
    approved, rejected = world.decided("approve"), world.decided("reject")

    assert looked_at(world) == 2
    assert looked_at(world) == 0
    assert [(one.id, one.verdict) for one in kept(world)] == [(approved.id, "approved"), (rejected.id, "rejected")]


def test_facts_are_kept_without_what_names_anybody_or_was_written_by_them(world):
    world.decided()
    looked_at(world)

    (one,) = kept(world)

    assert one.facts["action_kind"] == "close_ticket"
    assert not NAMING & one.facts.keys()
    told = json.dumps(dict(one.facts))
    assert "example.com" not in told
    assert "Where is my parcel" not in told
    assert one.case_id not in told


def test_what_became_of_it_is_written_down_later(world):
    done = world.decided()
    looked_at(world)
    world.engine.house.before.append(Permanent("The desk says no."))
    failed = world.decided()
    looked_at(world)
    looked_at(world)

    assert {one.id: one.fate for one in kept(world)} == {done.id: "done", failed.id: "failed"}


def test_what_a_person_stopped_after_the_yes_is_kept_as_stopped(world):
    system = world.engine.system
    with system.db.write() as tx:
        switchboard.throw(tx, "vendor:house", reason="Amiss.", actor="person:ana@firm.example", now=system.clock())
    system.switchboard.forget()
    held = world.decided()
    looked_at(world)
    assert [(one.verdict, one.fate) for one in kept(world)] == [("approved", "")]

    world.engine.decide(world.engine.actions()[-1], "stop", by=world.engine.person("ben"), reason="Not this one.")
    looked_at(world)

    assert [(one.id, one.fate) for one in kept(world)] == [(held.id, "stopped")]


def test_erasing_a_case_takes_what_was_kept_of_it_and_nothing_of_others(world):
    gone, stays = world.decided(), world.decided()
    looked_at(world)
    address = next(one.customer for one in kept(world) if one.id == gone.id)

    with world.engine.system.db.write() as tx:
        erasure.erase_cases(tx, [gone.case_id], address, world.engine.clock())
        erasure.erase_rest(tx, [gone.case_id], address, "person:ana@firm.example", world.engine.clock())

    assert address != ERASED
    assert [one.id for one in kept(world)] == [stays.id]
    assert looked_at(world) == 0
    assert [one.id for one in kept(world)] == [stays.id]


def test_a_decision_by_a_machine_whose_clock_is_ahead_hides_no_other(world):
    with clock_ahead(world.engine):
        world.decided()
    assert looked_at(world) == 1

    world.ticket()
    world.engine.decide(newest_here(world.engine), "reject", reason="There is more to do.")

    assert looked_at(world) == 1
    assert looked_at(world) == 0
