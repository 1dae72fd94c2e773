"""Walks at random through everything that can happen to cases, with what must hold asked again and again.

Each walk is drawn from its number alone. One that fails prints what happened; to look further, give it other numbers and more steps.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.walks.checks import look, whole
from tests.integration.walks.end import end
from tests.integration.walks.world import World, watch
from tests.kit.engine import make_engine

STEPS = 120
#: nothing is looked at while so many things happen, which would take longer than they do
EACH = 8


def walk(folder: Path, number: int, *, steps: int, url: str | None = None) -> tuple[World, list[str]]:
    """What happened, and what was broken by it."""
    engine = make_engine(folder, url=url)
    with pytest.MonkeyPatch.context() as patches:
        world = World(engine, number, folder)
        watch(patches, world)
        try:
            return world, _walk(world, steps)
        finally:
            engine.system.close()


def _walk(world: World, steps: int) -> list[str]:
    for step in range(1, steps + 1):
        world.step()
        if (step % EACH == 0 or world.broken) and (broken := look(world)):
            return broken
    return end(world) or whole(world)


@pytest.mark.parametrize("number", [1, 2])
def test_whatever_happens_what_was_promised_holds_and_every_case_ends(url, tmp_path, number):
    world, broken = walk(tmp_path, number, steps=STEPS, url=url)

    assert not broken, "\n".join([*world.told, *broken])
    assert world.effects
