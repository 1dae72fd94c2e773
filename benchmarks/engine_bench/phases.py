"""The phases: what is done to a running contender, and the figures that come of it. Called by `benchmarks/engine.py`.

Workers are stopped (SIGSTOP) while the door is measured, so that accepting and working are told apart; then they are let
go at the backlog. Everything is read from outside.
"""

from __future__ import annotations

import json
import signal
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine_bench import meters
from engine_bench.contenders import Crew, Running

Figures = dict[str, float]
CONNECTIONS = 32
#: a burst's publishing may go on after its last answer
AFTER_THE_DOOR = 1.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything: the whole run, or a quick look."""

    rounds: int
    floor: int
    cases: int
    approvals: int
    slow_backlog: int
    slow_ramp: float
    slow_window: float
    very_slow_backlog: int
    very_slow_ramp: float
    very_slow_window: float
    killed: int
    kill_pace: float
    #: nothing has moved for so many seconds after a kill, and nobody helps: what is not done by then is stranded
    stranded_after: float


class World:
    """The world's process, told what to do."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, do: str, **arguments: Any) -> dict[str, Any]:
        body = json.dumps({"do": do, **arguments}).encode()
        request = urllib.request.Request(f"{self._url}/control", body, method="POST")
        with urllib.request.urlopen(request, timeout=120) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def send(self, running: Running, kind: str, first: int, count: int, pace: float = 0.0) -> dict[str, Any]:
        return self(
            "send",
            port=running.port,
            path="/hooks/sample",
            secret=running.place.secret,
            kind=kind,
            first=first,
            count=count,
            connections=CONNECTIONS,
            pace=pace,
        )


def until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def warm(world: World, running: Running, count: int = 40) -> None:
    """Imports, connections, compiled policies: what a process does once."""
    world("reset", delay=0.0)
    world.send(running, "a", 900_000, count, pace=40)
    if not until(lambda: world("summary")["done"] >= count, 60):
        log = (running.place.folder / f"{running.contender.name}.log").read_text(errors="replace")[-3000:]
        raise SystemExit(f"{running.contender.title} does not work the first {count} cases:\n{log}")
    time.sleep(0.3)


def fast(world: World, running: Running, sizes: Sizes) -> Figures:
    """The door, then the work at a model that answers at once, then approvals on a quiet system."""
    warm(world, running)
    running.signal_workers(signal.SIGSTOP)
    world("reset", delay=0.0)
    place = running.place
    assert running.web is not None
    with place.postgres.admin() as admin:
        log = meters.WriteAheadLog(admin)
        before = _spent(running)
        door = world.send(running, "a", 0, sizes.cases)
        time.sleep(AFTER_THE_DOOR)
        between = _spent(running)
        at_door = log.written()
        began = time.monotonic()
        running.signal_workers(signal.SIGCONT)
        if not until(lambda: world("summary")["done"] >= sizes.cases, 180):
            raise SystemExit(f"{running.contender.title} has not worked off its backlog: {world('summary')}")
        seen = world("summary")
        until(lambda: running.finished() >= sizes.cases, 10)
        time.sleep(0.3)
        after = _spent(running)
        in_all = log.written()
    count = sizes.cases
    figures = {
        "webhooks_per_second": door["per_second"],
        "webhooks_refused": door["refused"],
        "webhook_p50_ms": door["p50_ms"],
        "webhook_p99_ms": door["p99_ms"],
        "webhook_api_cpu_ms": (between["web"] - before["web"]) / count * 1000,
        "webhook_postgres_cpu_ms": (between["postgres"] - before["postgres"]) / count * 1000,
        "cases_per_second": count / (seen["last_post_at"] - began),
        "python_cpu_ms": (after["python"] - between["python"]) / count * 1000,
        "postgres_cpu_ms": (after["postgres"] - between["postgres"]) / count * 1000,
        "redis_cpu_ms": (after["redis"] - between["redis"]) / count * 1000,
        "commits_at_door": at_door.commits / count,
        "commits": in_all.commits / count,
        "wal_kb_at_door": at_door.bytes / count / 1024,
        "wal_kb": in_all.bytes / count / 1024,
        "wal_full_pages_kb": in_all.full_pages / count / 1024,
        "doubled_posts": seen["posts"] - seen["done"],
        "repeated_calls": seen["repeated_calls"],
    }
    figures |= _memory(running, "idle")
    return figures | approvals(world, running, sizes)


def approvals(world: World, running: Running, sizes: Sizes) -> Figures:
    """Cases that a person must approve, approved one after another while nothing else happens: the first half each after a pause
    in which everything has fallen asleep, the second half each right after the one before."""
    world("reset", delay=0.0)
    first, count = 500_000, 2 * sizes.approvals
    world.send(running, "r", first, count, pace=50)
    until(lambda: (seen := world("summary"))["calls"] >= 2 * count and not seen["open_now"], 30)
    time.sleep(1.0)
    markers = [f"r{number}" for number in range(first, first + count)]
    asked = running.contender.approvals(running.place, running.dsn, running.environment, markers)
    if not asked:
        raise SystemExit(f"{running.contender.title}: no case waits for approval: {world('summary')}")
    headers = asked[0]["headers"]
    parts = {"approval": (asked[: sizes.approvals], 20), "approval_in_a_row": (asked[sizes.approvals :], 0)}
    figures = {"approvals_without_effect": float(count)}
    for name, (part, pace) in parts.items():
        found = world("approve", port=running.port, headers=headers, approvals=part, pace=pace)
        figures[f"{name}_p50_ms"], figures[f"{name}_p99_ms"] = found["p50_ms"], found["p99_ms"]
        figures[f"{name}_answer_p50_ms"] = found["answer_p50_ms"]
        figures["approvals_without_effect"] -= found["count"]
    return figures


def slow(world: World, running: Running, *, delay: float, backlog: int, ramp: float, window: float) -> Figures:
    """How many calls are kept open while the model thinks, and what that takes. What begins at one moment moves on in waves: the window
    has to be longer than some of them."""
    warm(world, running)
    running.signal_workers(signal.SIGSTOP)
    world("reset", delay=delay)
    world.send(running, "a", 0, backlog)
    time.sleep(AFTER_THE_DOOR)
    running.signal_workers(signal.SIGCONT)
    time.sleep(ramp)
    cpu, began = _spent(running), world("summary")
    time.sleep(window)
    memory = _memory(running, "busy")
    ended, spent = world("summary"), _spent(running)
    seconds = ended["now"] - began["now"]
    return {
        "open_average": (ended["open_seconds"] - began["open_seconds"]) / seconds,
        "open_peak": ended["open_peak"],
        "open_at_memory": ended["open_now"],
        "cases_per_second": (ended["done"] - began["done"]) / seconds,
        "calls_per_second": (ended["calls"] - began["calls"]) / seconds,
        "python_cores": (spent["python"] - cpu["python"]) / seconds,
        "repeated_calls": ended["repeated_calls"],
        **memory,
    }


def killed(world: World, running: Running, sizes: Sizes) -> Figures:
    """All workers `kill -9`ed at once under load and started again a second later. Nobody helps."""
    warm(world, running)
    world("reset", delay=1.0)
    sending = threading.Thread(target=world.send, args=(running, "a", 0, sizes.killed, sizes.kill_pace))
    sending.start()
    time.sleep(3.5)
    running.kill_workers()
    at_kill = world("detail")
    time.sleep(0.3)
    recorded = running.contender.recorded(running.place, running.dsn)
    time.sleep(0.7)
    again = time.monotonic()
    running.start_workers()
    sending.join()
    moved, done = time.monotonic(), 0
    while done < sizes.killed and time.monotonic() - moved < sizes.stranded_after:
        time.sleep(0.1)
        now = world("summary")["done"]
        if now > done:
            moved, done = time.monotonic(), now
    running_since = time.monotonic() - again
    until(lambda: world("summary")["open_now"] == 0, 3)
    detail = world("detail")
    opened = set(at_kill["open"])
    repeated = {call for call, count in detail["call_counts"].items() if count > 1}
    posts = detail["posted"]
    return {
        "cases": sizes.killed,
        "in_flight_at_kill": at_kill["open_now"],
        "stranded": sizes.killed - detail["done"],
        "doubled_posts": sum(len(keys) - 1 for keys in posts.values()),
        "posts_under_another_key": sum(len(set(keys)) - 1 for keys in posts.values()),
        "repeated_calls": detail["repeated_calls"],
        "repeated_open_calls": len(repeated & opened),
        "repeated_recorded_calls": len(repeated & recorded),
        "seconds_until_done": running_since if detail["done"] >= sizes.killed else float("nan"),
    }


#: enough for the stream of cases and what piles up until the workers are back: what is measured is recovery, not slots
KILL_CREW = Crew(2, 250)


def median(rounds: list[Figures]) -> Figures:
    """Of each figure the median over the rounds: the machine has neighbours."""
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def spread(rounds: list[Figures]) -> dict[str, tuple[float, float]]:
    return {name: (min(each[name] for each in rounds), max(each[name] for each in rounds)) for name in rounds[0]}


def _spent(running: Running) -> Mapping[str, float]:
    assert running.web is not None
    postgres, redis = running.place.postgres.process, running.place.redis.process
    assert postgres is not None
    assert redis is not None
    return {
        "web": meters.cpu_seconds([running.web.pid]),
        "python": meters.cpu_seconds(running.pids),
        "postgres": meters.cpu_seconds([postgres.pid]),
        "redis": meters.cpu_seconds([redis.pid]),
    }


def _memory(running: Running, when: str) -> Figures:
    sizes = [meters.memory_mb(pid) for process in running.workers for pid in meters.family([process.pid])]
    web = meters.memory_mb(running.web.pid) if running.web is not None else (0.0, 0.0)
    return {
        f"worker_pss_mb_{when}": max(pss for pss, _ in sizes),
        f"worker_rss_mb_{when}": max(rss for _, rss in sizes),
        f"workers_pss_mb_{when}": sum(pss for pss, _ in sizes),
        f"web_pss_mb_{when}": web[0],
    }
