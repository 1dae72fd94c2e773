"""The floor: the same work without any engine. One thread, one case after the other, nothing stored, nothing queued.

What a case costs here nobody can save: two calls through the SDK, one SQL read, one GET, the rules, one POST.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from engine_bench import deliveries
from engine_bench.contenders import Place
from engine_bench.peers import steps
from engine_bench.phases import Figures, World

WARM = 20


def floor(world: World, place: Place, dsn: str, cases: int) -> Figures:
    """CPU milliseconds a case of this process, step by step."""
    os.environ |= {
        "ANTHROPIC_API_KEY": "bench",
        "ANTHROPIC_BASE_URL": place.world,
        "BENCH_DSN": dsn,
        "BENCH_WORLD": place.world,
        "BENCH_ASKED": str(place.folder / "asked.json"),
    }
    world("reset", delay=0.0)
    spent = dict.fromkeys(("classify", "gather", "draft", "rules", "act"), 0.0)

    def timed(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        began = time.process_time()
        made = work(*arguments)
        spent[name] += time.process_time() - began
        return made

    for number in range(cases + WARM):
        if number == WARM:
            spent = dict.fromkeys(spent, 0.0)
        event = _event(number)
        triage = timed("classify", steps.classify, event)
        facts = timed("gather", steps.gather, event)
        drafted = timed("draft", steps.draft, event, triage, facts)
        assert timed("rules", steps.may_run, triage, facts, drafted)
        timed("act", steps.act, drafted, f"floor-{number}")
    figures = {name: seconds / cases * 1000 for name, seconds in spent.items()}
    return figures | {"total": sum(figures.values())}


def _event(number: int) -> dict[str, Any]:
    return {
        "ticket_id": f"a{number}",
        "title": "Broken tent pole",
        "text": f"It was paid with charge ch_a{number}. " + "The pole was broken and the rain came in. " * 28,
        "requester_email": deliveries.customer_email(number),
        "requester_name": "Ana Diaz",
        "channel": "web",
    }
