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
    before = [meters.cpu_seconds([process.pid]) for process in running.workers]
    phases.until(lambda: world("summary")["done"] >= cases, 180)
    spent = [meters.cpu_seconds([process.pid]) - begun for process, begun in zip(running.workers, before, strict=True)]
    for watcher in watchers:
        watcher.send_signal(signal.SIGINT)
        watcher.wait(60)
    # Each worker had its share of the cases; its CPU says how large.
    told = table((folder / "stacks.txt").read_text(), sum(spent) / cases * 1e6, cases * spent[0] / sum(spent))
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


def table(stacks: str, micros: float, cases: float) -> str:
    """The samples of one worker that worked `cases`, as µs a case. `micros` is the CPU a case by the system's books.

    Sampled is whoever holds the interpreter's lock. What is missing to the CPU that was spent is work outside it: system
    calls, the database driver's and the parsers' own code.
    """
    selves, libraries, ours = Counter[str](), Counter[str](), Counter[str]()
    total = 0
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        samples = int(count)
        total += samples
        frames = stack.split(";")
        selves[re.sub(r":\d+\)$", ")", frames[-1]).replace(SITE, "")] += samples
        libraries[_library(frames)] += samples
        own = next((found[1] for frame in reversed(frames) if (found := OURS.search(frame))), "(the queue itself)")
        ours[own] += samples
    one = 1e6 / RATE / cases
    parts = [
        (
            f"{micros:.0f} µs of worker CPU a case, {total * one:.0f} of them holding the interpreter's lock"
            f" ({total} samples of {one:.1f} µs)\n"
        )
    ]
    for title, counted, most in (
        ("By library (of the innermost frame)", libraries, 30),
        ("Charged to the innermost line of ours (what it calls outside included)", ours, 45),
        ("By function, self", selves, 60),
    ):
        parts.append(f"\n{title}\n")
        parts += [f"{n * one:9.0f} µs  {name}\n" for name, n in counted.most_common(most)]
    return "".join(parts)


def _library(frames: list[str]) -> str:
    found = PLACE.search(frames[-1])
    path = found[1] if found else frames[-1]
    if "site-packages/" in path:
        return path.rpartition("site-packages/")[2].split("/")[0]
    for own in ("workers/", "integrations/", "policies/", "engine_bench/"):
        if own in path:
            return own + path.rpartition(own)[2]
    return f"python: {path.rpartition('/')[2]}"
