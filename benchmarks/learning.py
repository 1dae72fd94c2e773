"""The learning curve: an operator keeps correcting one mistake; how soon does the agent stop making it?

    python -m benchmarks.learning                      # prints the table
    python -m benchmarks.learning --svg docs/learning-curve.svg

Three pupils see the same tickets: the local model with what it learns, a large model that is imitated by a local server which
follows the examples in its prompt, and the local model without learning. Nothing here measures a real large model.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.learning_bench import school
from benchmarks.learning_bench.plot import draw
from benchmarks.learning_bench.school import Curve
from workers import log

PUPILS: tuple[Callable[..., Curve], ...] = (school.local, school.remote, partial(school.local, taught=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drafts", type=int, default=120, help="answers in which the mistake could be made")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--svg", type=Path, help="write the picture here")
    options = parser.parse_args()
    log.configure("ERROR", "console")
    curves = []
    for pupil in PUPILS:
        with tempfile.TemporaryDirectory(prefix="learning-") as folder:
            curves.append(pupil(Path(folder), drafts=options.drafts, seed=options.seed))
        show(curves[-1])
    if options.svg is not None:
        options.svg.write_text(draw(curves, seed=options.seed), encoding="utf-8")


def show(curve: Curve) -> None:
    rates = " ".join(f"{rate:4.0%}" for rate in curve.rates())
    last = max((place for place, mistake in enumerate(curve.mistakes, start=1) if mistake), default=0)
    told = f"{curve.corrections} corrections, the last mistake in draft {last} of {len(curve.mistakes)}"
    print(f"{curve.name:42} {rates}   {told}, {curve.spoilt} right drafts spoilt")


if __name__ == "__main__":
    main()
