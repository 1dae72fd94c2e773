"""The end of a walk: all trouble is over, time goes by, and people look at what asks for them. Then every case must be closed."""

from __future__ import annotations

from tests.integration.walks.checks import LIVE, look
from tests.integration.walks.world import World
from workers.inbox import case_service, service
from workers.inbox.words import Choice, Word
from workers.store import actions, cases, people
from workers.store.records import Action, ActionState, Case
from workers.switchboard import release


def end(world: World) -> list[str]:
    """What is broken by the end; also by what is asked of people last."""
    _calm(world)
    engine = world.engine
    for hours in [0.02] * 8 + [1] * 8 + [24] * 12:
        engine.clock.on(hours=hours)
        while world.sweep_all():
            pass
        if broken := look(world):
            return broken
    with engine.system.db.read() as tx:
        left = [case for case in cases.listing(tx, limit=500) if case.closed_at is None]
        its = {case.id: [a for a in actions.of_case(tx, case.id) if a.state in LIVE] for case in left}
    for case in left:
        moving = [(a.kind, a.state, a.waiting_for) for a in its[case.id] if a.state != ActionState.UNCERTAIN]
        if moving or case.wake_at is not None or case.claimed_by:
            return [f"never ends: {case.id[-6:]} {case.state} {case.step} {case.wake_at} {case.waiting_for} {moving}"]
        _decided(world, case, its[case.id])
    return look(world) or [
        f"{case.id[-6:]}: people looked, and it is {case.state}" for case in _all(world) if case.closed_at is None
    ]


def _calm(world: World) -> None:
    """Nothing goes wrong from now on."""
    world.quiet = True
    engine = world.engine
    for trouble in (engine.house.before, engine.house.after, engine.house.read_faults, engine.model.faults):
        trouble.clear()
    with engine.system.db.write() as tx:
        for scope in world.thrown:
            release(tx, scope, reason="over", actor="test", now=engine.clock())
        for one in world.staff.values():
            people.change(tx, one.id, {"active": True})
    world.thrown.clear()


def _decided(world: World, case: Case, unknown: list[Action]) -> None:
    """Somebody looks what happened, and closes the case."""
    system, lead = world.engine.system, world.staff["max"]
    for action in unknown:
        happened = any(key == action.id for key, *_ in world.effects)
        word = Word.CONFIRM if happened else Word.REJECT
        seen = Choice(word, action.revision, action.digest, state=ActionState.UNCERTAIN, reason="looked")
        service.decide(system, lead, action.id, seen)
    if any(now.id == case.id and now.closed_at is None for now in _all(world)):
        case_service.decide_case(system, lead, case.id, "close", "enough")


def _all(world: World) -> list[Case]:
    with world.engine.system.db.read() as tx:
        return cases.listing(tx, limit=500)
