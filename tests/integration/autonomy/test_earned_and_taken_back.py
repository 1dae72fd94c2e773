"""The whole of it: people say yes again and again, it is proposed, two leads and finance agree, it runs by itself, it goes
wrong, and it is taken back; a person may give it again."""

from __future__ import annotations

import pytest

from workers import switchboard
from workers.autonomy.proposing import look, propose
from workers.autonomy.watching import ACTOR
from workers.store import audit, autonomy_watches, notices, switches
from workers.store.audit import SYSTEM

ANA = "person:ana@firm.example"
RULE = "earned-support/close-ticket-1"


def watch(world):
    with world.engine.system.db.read() as tx:
        return autonomy_watches.watch(tx, RULE)


def earn(world):
    """From 320 decisions to a rule in force."""
    world.remember(320, refused=frozenset({40, 130}))
    (found,) = look(world.engine.system, ANA).suggestions
    propose(world.engine.system, found, ANA)
    agree(world)
    return found


def agree(world):
    for name in ("ben", "cleo", "dora"):
        groups = ("lead",) if name != "dora" else ("finance",)
        action = world.engine.actions("change_policy")[-1]
        if action.state == "pending":
            world.engine.decide(action, by=world.engine.person(name, groups))
    world.engine.drain()
    world.engine.clock.on(seconds=1)


def run(world, word="approve"):
    """One more ticket; whoever draws it decides. True where it ran by itself."""
    # Never more in a day than the proposed limit lets through.
    world.engine.clock.on(hours=2)
    action = world.ticket()
    if action.state == "pending":
        world.engine.decide(
            action, word, by=world.engine.person("ana"), **({} if word == "approve" else {"reason": "No."})
        )
        world.engine.drain()
        return False
    return True


def until_one_runs(world):
    """Which cases are drawn for people is decided by their ids: at first nine of ten. How many it took."""
    for tries in range(1, 301):
        if run(world):
            return tries
    raise AssertionError("none of 300 ran by itself")


def test_what_people_always_said_yes_to_is_proposed_with_its_evidence(world):
    world.remember(320, refused=frozenset({40, 130}))

    looked = look(world.engine.system, ANA)

    (found,) = looked.suggestions
    assert found.sentence.startswith(
        "318 of 320 proposals “Close the ticket” were approved unedited: lower bound 98.0%"
    )
    assert found.in_the_way == ["support/close-unsettled"]
    assert found.evidence["people"].keys() == {"Ana", "Ben", "Cleo"}
    assert "+bundle: earned-support" in found.drafted.diff
    assert "\n-" not in found.drafted.diff.replace("\n---", "")


@pytest.mark.timeout(400)
def test_earned_by_320_decisions_it_runs_and_is_taken_back_when_it_goes_wrong(world):
    system = world.engine.system

    # What was agreed on is in force, and lets the first ones run.
    earn(world)
    assert RULE in {rule.ref for rule in system.policy.rules}
    ran = until_one_runs(world)
    closed = str(world.tickets)
    world.autonomy_pass()
    assert (watch(world).outcomes, watch(world).wrong, watch(world).taken_back) == (ran, 0, False)

    # What was closed by itself comes back, and people have to take it on: that was wrong.
    world.engine.clock.on(days=2)
    world.comes_back(closed)
    world.autonomy_pass()
    with system.db.read() as tx:
        (wrong,) = [one for one in autonomy_watches.outcomes(tx, RULE, 1, 1000) if one.wrong]
    assert (wrong.why, wrong.sampled) == ("reversed", False)

    # More and more goes wrong.
    needed = 0
    while not watch(world).taken_back:
        needed += 1
        assert needed <= 20, "so clear a change is seen within some ten outcomes"
        run(world, "reject")
        world.autonomy_pass()
    with system.db.read() as tx:
        (thrown,) = switches.listing(tx)
        told = [entry for entry in audit.of_chain(tx, SYSTEM) if entry.verb == "switch_thrown"]
    assert thrown.scope == f"rule:{RULE}"
    assert "went wrong" in thrown.reason
    assert "5% are tolerated" in thrown.reason
    assert [entry.actor for entry in told] == [ACTOR]
    lead, support = world.engine.person("ben", ("lead",)), world.engine.person("sam", ("support",))
    with system.db.read() as tx:
        (notice,) = notices.listing(tx, notices.reader(tx, lead, world.engine.clock()), limit=10)
        assert notices.listing(tx, notices.reader(tx, support, world.engine.clock()), limit=10) == []
    assert notice.cause == "taken_back"

    # From then on people are asked, the same as before.
    waiting = world.ticket()
    assert waiting.state == "pending"
    assert waiting.verdict["rules"] == ["support/close-unsettled"]
    assert [asked["role"] for asked in waiting.verdict["requirements"]] == ["support"]

    # A person gives it back, and the test begins anew.
    before = watch(world)
    with system.db.write() as tx:
        switchboard.release(tx, f"rule:{RULE}", reason="Understood and mended.", actor=ANA, now=world.engine.clock())
    system.switchboard.forget()
    world.autonomy_pass()
    after = watch(world)
    assert (after.epoch, after.outcomes, after.wrong, after.peak) == (before.epoch + 1, 0, 0, 1.0)
    assert not after.taken_back
    run(world)
    world.autonomy_pass()
    assert (watch(world).outcomes, watch(world).taken_back) == (1, False)
