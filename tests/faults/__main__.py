"""``python -m tests.faults``: the proof by faults as a command. ``make test-faults`` calls it.

Prints the seed first, so that a run that hangs can be played again too. Exit status 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import secrets
import sys
from pathlib import Path

from tests.faults.plan import PROFILES
from tests.faults.run import run


def main() -> int:
    words = argparse.ArgumentParser(prog="make test-faults", description="A fleet under faults, counted afterwards.")
    words.add_argument("--seed", type=int, default=int(os.environ.get("FAULTS_SEED", secrets.randbelow(10_000))))
    words.add_argument("--profile", choices=sorted(PROFILES), default="short")
    words.add_argument("--broker", choices=("redis", "rabbitmq"), default="redis")
    words.add_argument("--tickets", type=int, help="instead of the profile's")
    words.add_argument("--json", action="store_true", help="print the report as JSON")
    words.add_argument("--keep", type=Path, help="a folder for what a failed run leaves: its report and every log")
    chosen = words.parse_args()
    profile = PROFILES[chosen.profile]
    if chosen.tickets:
        profile = dataclasses.replace(profile, tickets=chosen.tickets)
    sys.stderr.write(f"seed {chosen.seed}\n")
    if chosen.keep is not None:
        chosen.keep.mkdir(parents=True, exist_ok=True)
    report = run(profile, chosen.seed, broker=chosen.broker, folder=chosen.keep)
    sys.stdout.write((report.as_json() if chosen.json else report.as_text()) + "\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
