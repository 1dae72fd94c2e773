"""What a decision of the policy costs: both engines, live and in a backtest, beside plain Python functions.

    python -m benchmarks.policy                                   # prints the table
    python -m benchmarks.policy --json out.json --svg docs/policy.svg

CPU seconds of one thread; every way of deciding first gives the same answers on a thousand inputs, or it is not timed.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.policy_bench import meters
from benchmarks.policy_bench.plot import ROWS, draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=3_000, help="different facts a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--backtest", type=int, default=100_000, help="recorded decisions to judge again; 0 leaves it out"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--svg", type=Path, help="write the picture here")
    options = parser.parse_args()
    found: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "rounds": options.rounds,
        "live": meters.live(options.inputs, options.rounds),
        "shipped": meters.shipped(options.inputs, options.rounds),
    }
    if options.backtest:
        found["backtest"] = meters.rehearsal(options.backtest)
    show(found)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if options.svg is not None:
        options.svg.write_text(draw(found), encoding="utf-8")


def show(found: dict[str, Any]) -> None:
    live = found["live"]
    print(f"50 rules, {live['asked']:.1f} asked and {live['matched']:.1f} matched each")
    print(f"{'':44} {'a CPU second':>14} {'least':>9} {'most':>9} {'us':>7} {'of functions':>13}")
    for name, told, _ in ROWS:
        row = live[name]
        share = row["median"] / live["functions"]["median"]
        figures = (
            f"{row['median']:14,.0f} {row['least']:9,.0f} {row['most']:9,.0f} {1e6 / row['median']:7.1f} {share:13.3f}"
        )
        print(f"{told:44} {figures}")
    shipped = found["shipped"]
    rate = shipped["decisions"]["median"]
    print(
        f"a refund under the shipped policies, {shipped['asked']} rules asked: {rate:,.0f} a CPU second, {1e6 / rate:.1f} us"
    )
    if "backtest" in found:
        done = found["backtest"]
        each = done["cpu_seconds"] / done["judged"] * 1e6
        told = (
            f"{done['judged']:,} decisions of {done['bytes_each']:,.0f} bytes in {done['cpu_seconds']:.1f} CPU seconds"
        )
        print(f"backtest: {told}, {each:.0f} us each; {done['differing']:,} differ")


if __name__ == "__main__":
    main()
