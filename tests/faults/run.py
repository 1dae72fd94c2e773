"""One run: the fleet, its load and its faults, and the report that comes out. Called by the command and by the tests."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.faults import logs, verdict
from tests.faults.chaos import Chaos
from tests.faults.driver import Driver
from tests.faults.plan import Profile, plan
from tests.faults.stack import Stack
from tests.faults.verdict import Evidence

LIVES_SHOWN = 3


@dataclass
class Report:
    """What came of a run: `broken` by promise, empty where it was kept; `figures` for the table."""

    seed: int
    profile: str
    broker: str
    broken: dict[str, list[str]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    timeline: list[str] = field(default_factory=list)
    lives: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not any(self.broken.values())

    def as_json(self) -> str:
        return json.dumps({"ok": self.ok, **asdict(self)}, indent=1, default=str)

    def as_text(self) -> str:
        lines = [f"seed {self.seed}, {self.profile}, {self.broker}: {'all kept' if self.ok else 'BROKEN'}"]
        lines += [f"  {name:32} {len(found)}" for name, found in self.broken.items()]
        lines += [f"  {name:32} {value}" for name, value in self.figures.items()]
        if not self.ok:
            lines += ["", "what was broken:"]
            for name, found in self.broken.items():
                lines += [f"  {name}: {sentence}" for sentence in found[:10]]
            lines += ["", "timeline of faults:", *(f"  {line}" for line in self.timeline)]
            lines += ["", "lives of what is named above:", *(f"  {line}" for line in self.lives)]
            lines += [
                "",
                f"again: make test-faults ARGS='--seed {self.seed} --profile {self.profile} --broker {self.broker}'",
            ]
        return "\n".join(lines)


def run(profile: Profile, seed: int, *, broker: str = "redis", folder: Path | None = None) -> Report:
    """Drive a profile's tickets through the fleet while its plan is carried out, and judge."""
    report = Report(seed, profile.name, broker)
    with Stack(seed, broker=broker, folder=folder) as stack:
        driver = Driver(stack, tickets=profile.tickets, seconds=profile.seconds)
        chaos = Chaos(stack, plan(profile, seed))
        began = time.monotonic()
        driver.start()
        chaos.start()
        while not (chaos.finished() and driver.all_sent()):
            time.sleep(0.5)
            if time.monotonic() - began > profile.seconds + profile.settle_seconds:
                break
        struck = time.monotonic() - began
        settled = settle(stack, profile.settle_seconds)
        driver.stop()
        chaos.stop()
        judge(stack, report, verdict.gather(stack, driver.journal, chaos.timeline))
        told = report.figures
        told["seconds of faults"] = round(struck, 1)
        told["seconds to settle after"] = round(settled, 1)
        told["faults"] = dict(sorted(chaos.counts.items()))
        told["commits swallowed"] = stack.to_database.swallowed
        told["kill to next progress"] = spread(chaos.recovery.waits)
        told["http answers"] = dict(sorted(driver.journal.answers.items()))
        told["seconds to stop"] = spread(chaos.deploy.seconds)
        told["warnings"], report.broken["errors nobody foresaw"] = logs.told(stack.folder)
        report.broken["rows left after a kill"] = chaos.recovery.never
        report.broken["faults not carried out"] = chaos.missed
        report.broken["stopped otherwise than told"] = chaos.deploy.bad
        keep(stack, report, folder)
    return report


def settle(stack: Stack, patience: float) -> float:
    """Wait until nothing is under way. Returns how long it took; the verdict says what is stuck."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        try:
            if verdict.quiet(stack):
                break
        except psycopg.OperationalError:
            pass  # the database was just killed once more
        time.sleep(0.5)
    return time.monotonic() - began


def judge(stack: Stack, report: Report, seen: Evidence) -> None:
    for name, promise in verdict.PROMISES.items():
        report.broken[name] = promise(seen)
    for sentence in [sentence for found in report.broken.values() for sentence in found][:LIVES_SHOWN]:
        report.lives += [f"── {sentence}", *verdict.life_of(stack, sentence)]
    if report.broken["cases stuck"]:
        report.lives += stack.standstill()
    report.timeline = [happened.as_json() for happened in sorted(seen.timeline, key=lambda h: h.at)]
    report.figures |= figures(seen)


def figures(seen: Evidence) -> dict[str, Any]:
    answered = sum(call["status"] == 200 for call in seen.calls)
    states = Counter(f"{action['kind']} {action['state']}" for action in seen.actions.values())
    return {
        "webhooks accepted": len(seen.journal.accepted),
        "events": len(seen.events),
        "cases": dict(Counter(case["state"] for case in seen.cases.values())),
        "attention": dict(
            Counter(str(c["attention"])[:60] for c in seen.cases.values() if c["attention"]).most_common(6)
        ),
        "actions": dict(sorted(states.items())),
        "effects": dict(Counter(effect["kind"] for effect in seen.effects)),
        "model calls answered": answered,
        "recorded": len(seen.usage),
        "in flight at a fault": len(verdict.lost_calls(seen)),
        "the house's lies": dict(sorted(seen.luck.items())),
    }


def spread(waits: list[float]) -> dict[str, float | int]:
    if not waits:
        return {"times": 0}
    return {"times": len(waits), "p50": round(statistics.median(waits), 2), "max": round(max(waits), 2)}


def keep(stack: Stack, report: Report, folder: Path | None) -> None:
    """A failure leaves its report beside the logs, in the folder that was given for it."""
    if folder is not None and not report.ok:
        kept = folder / f"{stack.folder.name}.logs"
        kept.mkdir()
        (kept / "report.txt").write_text(report.as_text())
        for log in stack.folder.glob("*.log"):
            (kept / log.name).write_bytes(log.read_bytes())
