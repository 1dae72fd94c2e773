"""What the engine costs beside others that do the same work: Caseworker, a plain Celery chain, DBOS and LangGraph.

One flow: signed webhook of 1.5 KB, durable, classify, gather, draft, policy, auto or approval, POST with its idempotency key,
recorded; one run, one machine, all on servers of this run's own. docs/performance.md says how to read it.

    python benchmarks/engine.py --json engine.json --svg engine.svg
    python benchmarks/engine.py --quick --systems caseworker,celery
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anthropic
from engine_bench import meters, phases, plot, profiling, report
from engine_bench.caseworker_worker import AGENT
from engine_bench.contenders import PEERS, Contender, Crew, Place, Running, all_contenders, write_asked
from engine_bench.floor import floor
from engine_bench.servers import Postgres, Redis

from integrations.models import prompt
from workers.agents.base import draft_type
from workers.agents.library import house, macros
from workers.agents.library import prompt as instructions

PHASES = ("fast", "slow", "very_slow", "killed")
WHOLE = phases.Sizes(
    rounds=3,
    floor=300,
    cases=1000,
    approvals=60,
    slow_backlog=6000,
    slow_ramp=4,
    slow_window=16,
    very_slow_backlog=2000,
    very_slow_ramp=8,
    very_slow_window=10,
    killed=600,
    kill_pace=100,
    stranded_after=25,
)
QUICK = phases.Sizes(
    rounds=1,
    floor=100,
    cases=400,
    approvals=30,
    slow_backlog=3000,
    slow_ramp=3,
    slow_window=5,
    very_slow_backlog=1500,
    very_slow_ramp=7,
    very_slow_window=6,
    killed=300,
    kill_pace=75,
    stranded_after=12,
)


def main() -> None:
    options = _options()
    contenders = {name: one for name, one in all_contenders().items() if name in options.systems}
    if not PEERS.exists() and set(contenders) - {"caseworker"}:
        raise SystemExit(
            "The others are not installed: run `make bench-engine`, which does it, or --systems caseworker."
        )
    folder = Path(tempfile.mkdtemp(prefix="caseworker-engine-", dir=options.scratch))
    folder.chmod(0o755)  # PostgreSQL runs as somebody else
    try:
        with Postgres(folder, watched=bool(options.profile)) as postgres, Redis(folder) as redis:
            found = measure(contenders, folder, postgres, redis, options)
    finally:
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if options.profile:
        return
    report.show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.svg:
        options.svg.write_text(plot.draw(found))
    if options.markdown:
        options.markdown.write_text(report.markdown(found))


def measure(
    contenders: dict[str, Contender], folder: Path, postgres: Postgres, redis: Redis, options: argparse.Namespace
) -> dict[str, Any]:
    sizes: phases.Sizes = options.sizes
    machine = meters.machine()
    began = time.monotonic()
    process, url = _start_world(folder)
    world = phases.World(url)
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    place = Place(folder, postgres, redis, url, secret)
    write_asked(folder / "asked.json", _asked())
    rounds: dict[str, dict[str, list[phases.Figures]]] = {name: {} for name in contenders}

    calibrations: list[float] = []

    def run(phase: str, contender: Contender) -> None:
        _say(f"{phase}: {contender.title}")
        calibrations.append(meters.calibration_ms())
        crew = {"fast": contender.fast, "slow": contender.slow, "very_slow": contender.very_slow}.get(
            phase, phases.KILL_CREW
        )
        with Running(contender, place, options.crew or crew) as running:
            figures = _phase(phase, world, running, sizes)
        rounds[contender.name].setdefault(phase, []).append(figures)
        _say("   " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()))

    try:
        if options.profile:
            with Running(contenders["caseworker"], place, options.crew or Crew(2, 8)) as running:
                print(profiling.profile(world, running, sizes.cases, options.profile))
            return {}
        lowest = floor(world, place, postgres.fresh("floor"), sizes.floor) if sizes.floor else {}
        for phase in options.phases:
            for _ in range(sizes.rounds if phase == "fast" else 1):
                for contender in contenders.values():
                    if phase == "very_slow" and options.quick and contender.name != "caseworker":
                        continue  # half a minute each, and what it shows of the others the whole run shows
                    run(phase, contender)
    finally:
        world_cpu = meters.cpu_seconds([process.pid])
        process.terminate()
        process.wait(10)
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine,
        "seconds": round(time.monotonic() - began),
        "calibration_ms": statistics.median(calibrations or [0.0]),
        "calibration_spread_ms": [min(calibrations, default=0.0), max(calibrations, default=0.0)],
        "world_cpu_seconds": world_cpu,
        "sizes": {name: getattr(sizes, name) for name in sizes.__slots__},
        "floor": lowest,
        "settings": {one.name: {"title": one.title, "setting": one.setting} for one in contenders.values()},
        "medians": {
            name: {phase: phases.median(all_of) for phase, all_of in by.items()} for name, by in rounds.items()
        },
        "rounds": rounds,
    }


def _phase(phase: str, world: phases.World, running: Running, sizes: phases.Sizes) -> phases.Figures:
    match phase:
        case "fast":
            return phases.fast(world, running, sizes)
        case "slow":
            return phases.slow(
                world, running, delay=1.0, backlog=sizes.slow_backlog, ramp=sizes.slow_ramp, window=sizes.slow_window
            )
        case "very_slow":
            return phases.slow(
                world,
                running,
                delay=10.0,
                backlog=sizes.very_slow_backlog,
                ramp=sizes.very_slow_ramp,
                window=sizes.very_slow_window,
            )
        case _:
            return phases.killed(world, running, sizes)


def _start_world(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    with (folder / "world.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine_bench.world"], cwd=Path(__file__).parent, stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    if not port:
        raise SystemExit(f"The world did not start:\n{(folder / 'world.log').read_text()}")
    return process, f"http://127.0.0.1:{int(port)}"


def _asked() -> dict[str, Any]:
    """What the model is asked, by everybody."""
    return {
        "triage": {
            "system": prompt.stable_part(instructions("support", "triage"), ()),
            "schema": anthropic.transform_schema(AGENT.triage.model_json_schema()),
        },
        "draft": {
            "system": prompt.stable_part(instructions("support", "draft"), macros("support")),
            "schema": anthropic.transform_schema(draft_type(AGENT.kinds).model_json_schema()),
        },
        "house": dict(house()),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(all_contenders())
    parser.add_argument("--systems", default=",".join(names), help=f"with commas between them: {', '.join(names)}")
    parser.add_argument("--phases", default=",".join(PHASES), help=f"with commas between them: {', '.join(PHASES)}")
    parser.add_argument("--quick", action="store_true", help="seconds per phase, one round")
    parser.add_argument("--cases", type=int, help="cases of the fast phase")
    parser.add_argument("--rounds", type=int, help="rounds of the fast phase")
    parser.add_argument("--crew", help="PROCESSESxSLOTS of workers for every phase, to look for the best setting")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="instead of comparing: where Caseworker's CPU goes, by py-spy"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the table as it stands in docs/performance.md")
    parser.add_argument("--scratch", type=Path, help="folder for the servers' data [default: the system's]")
    parser.add_argument("--keep", action="store_true", help="keep the scratch folder with its logs")
    options = parser.parse_args()
    options.systems = _named(parser, options.systems, names)
    options.phases = _named(parser, options.phases, PHASES)
    options.crew = Crew(*map(int, options.crew.split("x"))) if options.crew else None
    changed = {"cases": options.cases, "rounds": options.rounds}
    sizes = QUICK if options.quick else WHOLE
    given = {name: getattr(sizes, name) for name in sizes.__slots__} | {n: v for n, v in changed.items() if v}
    options.sizes = phases.Sizes(**given)
    return options


def _named(parser: argparse.ArgumentParser, given: str, known: Sequence[str]) -> list[str]:
    """The names of a list with commas; an empty list is one, too: the floor alone."""
    chosen = [name for name in given.split(",") if name]
    if unknown := [name for name in chosen if name not in known]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    return chosen


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
