"""Where a Caseworker worker's milliseconds go: py-spy on the workers while they work off a backlog at 0 ms a model call.

`benchmarks/engine.py --profile FOLDER` writes a flame graph (``flame.svg``), the stacks (``stacks.txt``) and a table of
µs per case (``profile.txt``): by function, by library, and charged to the innermost line of our own.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psycopg

from engine_bench import meters, phases
from engine_bench.contenders import PEERS, Running

PY_SPY = PEERS.with_name("py-spy")
RATE = 250
OURS = re.compile(r"\((?:\S*/)?((?:workers|integrations|policies|engine_bench)/[\w/.]+:\d+)\)")
SITE = str(Path(psycopg.__file__).parents[1]) + "/"
#: what a sample was spent on: the first of these that is anywhere in its stack
PARTS = (
    ("the model: the SDK", re.compile(r"\((?:anthropic|httpx2?|httpcore2?|h11)/")),
    ("the model: asking and reading around the SDK", re.compile(r"integrations/models/")),
    ("the agent's SQL read, GET and POST", re.compile(r"engine_bench/outside")),
    ("rules, origins, digests", re.compile(r"policies/|workers/(?:judgement|drafting|agents/origins|actions/digest)")),
    ("the database: statements and rows", re.compile(r"workers/store/|\((?:psycopg|sqlalchemy)/")),
    ("hints out", re.compile(r"workers/queue|Hints")),
    ("leases, heartbeats", re.compile(r"workers/lease|workers/store/processes")),
    ("logging", re.compile(r"structlog/|workers/log|logging/")),
    (
        "the pipeline itself",
        re.compile(r"workers/(?:pipeline|execute|ledger|journal|settlement|tasks|backoff|guards)"),
    ),
    (
        "hints in",
        re.compile(
            r"workers/(?:hint_delivery|celery_worker|consumer|redis_consumer|redis_hints)|\((?:celery|kombu|redis)/"
        ),
    ),
)
PLACE = re.compile(r"\((\S+?):\d+\)$")


def profile(world: phases.World, running: Running, cases: int, folder: Path) -> str:
    """Work off `cases`, watched. The workers must be at least two: one gives the stacks, one the picture."""
    phases.warm(world, running)
    running.signal_workers(signal.SIGSTOP)
    world("reset", delay=0.0)
    with running.place.postgres.admin() as admin:
        log = meters.WriteAheadLog(admin)
        admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        admin.execute("SELECT pg_stat_statements_reset()")
    world.send(running, "a", 0, cases)
    time.sleep(phases.AFTER_THE_DOOR)
    folder.mkdir(parents=True, exist_ok=True)
    running.signal_workers(signal.SIGCONT)
    watchers = [
        subprocess.Popen(
            [
                *(PY_SPY, "record", "-p", str(process.pid), "-r", str(RATE), "-d", "600", "--gil", "--full-filenames"),
                *("-f", form, "-o", folder / name),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for process, (form, name) in zip(
            running.workers, (("raw", "stacks.txt"), ("flamegraph", "flame.svg")), strict=False
        )
    ]
    loops = sum(meters.main_thread_seconds(process.pid) for process in running.workers)
    before = [meters.cpu_seconds([process.pid]) for process in running.workers]
    phases.until(lambda: world("summary")["done"] >= cases, 180)
    spent = [meters.cpu_seconds([process.pid]) - begun for process, begun in zip(running.workers, before, strict=True)]
    loops = sum(meters.main_thread_seconds(process.pid) for process in running.workers) - loops
    for watcher in watchers:
        watcher.send_signal(signal.SIGINT)
        watcher.wait(60)
    told = table((folder / "stacks.txt").read_text(), loops / cases * 1e6, (sum(spent) - loops) / cases * 1e6)
    with running.place.postgres.admin() as admin:
        asked = meters.statements(admin, running.database)
    told += (
        "\nStatements, a case: calls, µs of planning, µs of execution (waiting for the disk included), bytes of log\n"
    )
    told += "".join(
        f"{calls / cases:8.2f} {plan / cases * 1000:8.0f} {run / cases * 1000:8.0f} {size / cases:8.0f}  {text[:150]}\n"
        for calls, plan, run, size, text in asked
    )
    told += "\nWritten ahead, a case, door and work\n"
    told += "".join(
        f"{size / cases:9.0f} bytes  {count / cases:6.2f} records  {name}\n"
        for name, count, size in meters.log_by_table(running.dsn, log.began)[:50]
    )
    (folder / "profile.txt").write_text(told)
    return told


def table(stacks: str, loop: float, rest: float) -> str:
    """The samples as µs of CPU a case. `loop` is what the main thread took by the system's books, `rest` the others.

    Sampled is whoever holds the interpreter's lock, and the main thread, which mostly waits, is caught far too often with
    it. So its samples are made to add up to what it was booked for, and the others' to theirs; system calls, the database
    driver's and the parsers' own code are thereby shared out like the Python around them.
    """
    read = [
        (stack.split(";"), int(count)) for stack, _, count in (line.rpartition(" ") for line in stacks.splitlines())
    ]
    sampled = Counter[bool]()
    for frames, count in read:
        sampled[_in_main_thread(frames)] += count
    weights = {True: loop / max(sampled[True], 1), False: rest / max(sampled[False], 1)}
    purposes, libraries, ours, selves = (dict[str, float]() for _ in range(4))
    for frames, count in read:
        micros = count * weights[_in_main_thread(frames)]
        shown = ";".join(frames).replace(SITE, "")
        own = next((found[1] for frame in reversed(frames) if (found := OURS.search(frame))), "(the queue itself)")
        purpose = next((name for name, pattern in PARTS if pattern.search(shown)), "everything else")
        for where, name in (
            (purposes, purpose),
            (libraries, _library(frames)),
            (ours, own),
            (selves, re.sub(r":\d+\)$", ")", frames[-1]).replace(SITE, "")),
        ):
            where[name] = where.get(name, 0.0) + micros
    parts = [f"{loop + rest:.0f} µs of worker CPU a case; {sum(sampled.values())} samples\n"]
    for title, counted, most in (
        ("By what it is for", purposes, 20),
        ("By library (of the innermost frame)", libraries, 30),
        ("Charged to the innermost line of ours (what it calls outside included)", ours, 45),
        ("By function, self", selves, 60),
    ):
        parts.append(f"\n{title}\n")
        dearest = sorted(counted.items(), key=lambda item: -item[1])[:most]
        parts += [f"{micros:9.0f} µs  {name}\n" for name, micros in dearest]
    return "".join(parts)


def _in_main_thread(frames: list[str]) -> bool:
    return not frames[0].startswith("Thread._bootstrap") and not frames[0].startswith("_bootstrap")


def _library(frames: list[str]) -> str:
    found = PLACE.search(frames[-1])
    path = found[1] if found else frames[-1]
    if "site-packages/" in path:
        return path.rpartition("site-packages/")[2].split("/")[0]
    for own in ("workers/", "integrations/", "policies/", "engine_bench/"):
        if own in path:
            return own + path.rpartition(own)[2]
    return f"python: {path.rpartition('/')[2]}"
