"""What is timed: CPU seconds of this process, so that a busy machine changes them little. Medians of several rounds."""

from __future__ import annotations

import gc
import json
import statistics
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any

from benchmarks.policy_bench import world
from benchmarks.policy_bench.world import Pair
from policies import backtest, engine, loader, record
from policies.cel import Engine
from policies.rules import Policy
from policies.types import Facts

ENGINES: tuple[Engine, ...] = ("google", "rust")


def rate(each: Callable[[dict[str, Any]], object], inputs: Sequence[dict[str, Any]], rounds: int) -> dict[str, float]:
    """Calls a CPU second: the median of the rounds, the least and the most."""
    found = []
    for _ in range(rounds + 1):
        gc.collect()
        begun = process_time()
        for facts in inputs:
            each(facts)
        found.append(len(inputs) / (process_time() - begun))
    found = found[1:]  # the first one warms up
    return {"median": statistics.median(found), "least": min(found), "most": max(found)}


def live(count: int, rounds: int) -> dict[str, Any]:
    """Decisions a CPU second: functions alone, conditions alone, and from unchecked facts to the record."""
    made = world.pairs()
    pairs = world.by_kind(made)
    inputs = list(world.inputs(count, 7))
    found: dict[str, Any] = {"functions": rate(lambda facts: _matched(pairs, facts), inputs, rounds)}
    found["facts"] = rate(Facts.model_validate, inputs, rounds)
    for name in ENGINES:
        policy = loader.loads(world.files(made), run_tests=False, engine=name, vouched=True)
        _same(policy, pairs, inputs)
        found[f"{name}_conditions"] = rate(_conditions(policy), inputs, rounds)
        found[f"{name}_decisions"] = rate(
            lambda facts, p=policy: engine.judge(p, facts, at=world.AT, trace=False), inputs, rounds
        )
    found["asked"] = statistics.fmean(len(pairs[facts["action_kind"]]) for facts in inputs)
    found["matched"] = statistics.fmean(len(_matched(pairs, facts)) for facts in inputs)
    return found


def shipped(count: int, rounds: int) -> dict[str, Any]:
    """A refund under the shipped policies: the kind with the most rules."""
    policy = loader.load(loader.SHIPPED, run_tests=False, engine="google")
    inputs = list(world.inputs(count, 8, kinds=("refund_payment",)))
    asked = len(policy.route("support", "refund_payment").rules)
    return {
        "asked": asked,
        "decisions": rate(lambda facts: engine.judge(policy, facts, at=world.AT, trace=False), inputs, rounds),
    }


def rehearsal(count: int) -> dict[str, Any]:
    """A backtest of so many decisions, kept as JSON, against a policy with other thresholds."""
    made = world.pairs()
    policy = loader.loads(world.files(made), run_tests=False, engine="google")
    other = [Pair(p.id, p.actions, p.outcome, p.when.replace("20000", "15000"), p.holds) for p in made]
    kept = [
        json.dumps(record.to_json(engine.judge(policy, facts, at=world.AT, trace=False)))
        for facts in world.inputs(min(count, 20_000), 9)
    ]
    recorded = (backtest.Recorded(str(place), kept[place % len(kept)]) for place in range(count))
    changed = loader.loads(world.files(other), run_tests=False, engine="google")
    gc.collect()
    begun = process_time()
    report = backtest.run(changed, recorded)
    seconds = process_time() - begun
    size = statistics.fmean(map(len, kept))
    return {"judged": report.judged, "differing": report.differing, "cpu_seconds": seconds, "bytes_each": size}


def _matched(pairs: dict[str, list[Pair]], facts: dict[str, Any]) -> list[str]:
    return [pair.id for pair in pairs[facts["action_kind"]] if pair.holds(facts)]


def _conditions(policy: Policy) -> Callable[[dict[str, Any]], object]:
    def each(facts: dict[str, Any]) -> object:
        route = policy.route(facts["domain"], facts["action_kind"])
        bound = policy.environment.bind(facts, route.names)
        return [rule.id for rule in route.rules if rule.program.evaluate(bound) is True]

    return each


def _same(policy: Policy, pairs: dict[str, list[Pair]], inputs: Sequence[dict[str, Any]]) -> None:
    """Speed of a wrong answer is worth nothing."""
    conditions = _conditions(policy)
    for facts in inputs[:1_000]:
        if conditions(facts) != _matched(pairs, facts):
            raise AssertionError(f"{policy.environment.engine} and the functions differ on {facts}")
