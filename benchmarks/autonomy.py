"""How honest and how quick the test is that takes autonomy back, in seeded worlds; and how the bound grows that earns it.

    python -m benchmarks.autonomy                  # prints the tables
    python -m benchmarks.autonomy --svg docs       # and draws docs/autonomy-earned.svg and docs/autonomy-taken-back.svg

Pure arithmetic on made-up outcomes: nothing here runs the system.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from math import log10
from pathlib import Path
from statistics import median

from policies.evidence import first_alarm, lasting_bound, lower_bound, suspicion
from workers.autonomy.conditions import tried

ALPHA, TOLERATED, WANTED = 0.05, 0.05, 0.95
CONFIDENCE = 1 - ALPHA / tried(money=False)
BEFORE, DRIFTS, HORIZON = (0, 100, 320, 2000), (0.1, 0.2, 0.4), 2000
WIDE, HIGH, LEFT, TOP = 640, 240, 64, 64
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:15px}.small{font-size:11px;fill:#57606a}"
    ".grid{stroke:#d0d7de}.line{fill:none;stroke-width:2}.l0{stroke:#0969da}.l1{stroke:#bf8700}.l2{stroke:#8c959f}"
    ".alarm{stroke:#cf222e;stroke-dasharray:6 4}.back{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}"
    ".small{fill:#9198a1}.grid{stroke:#30363d}.l0{stroke:#4493f8}.l1{stroke:#d29922}.l2{stroke:#6e7681}.alarm{stroke:#f85149}"
    ".back{fill:#0d1117}}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=400, help="worlds without drift; a tenth of them with each drift")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--svg", type=Path, help="draw the pictures into this folder")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    for rate in (0.01, 0.03, TOLERATED):
        alarms = sum(_alarm(_outcomes(rng, rate, HORIZON)) is not None for _ in range(options.worlds))
        print(f"{rate:4.0%} go wrong for ever: taken back in {alarms} of {options.worlds} worlds of {HORIZON} outcomes")
    for drift in DRIFTS:
        told = []
        for before in BEFORE:
            found = [_delay(rng, before, drift) for _ in range(options.worlds // 10)]
            told.append(
                f"after {before:4} good ones {median(found):4.0f} (nine of ten: {sorted(found)[len(found) * 9 // 10]})"
            )
        print(f"{drift:4.0%} go wrong from then on, outcomes until it is taken back: " + "; ".join(told))
    if options.svg is not None:
        (options.svg / "autonomy-earned.svg").write_text(earned(), encoding="utf-8")
        (options.svg / "autonomy-taken-back.svg").write_text(taken_back(options.seed), encoding="utf-8")


def _outcomes(rng: random.Random, rate: float, count: int) -> list[bool]:
    return [rng.random() < rate for _ in range(count)]


def _alarm(outcomes: Sequence[bool]) -> int | None:
    return first_alarm(suspicion(outcomes, TOLERATED), ALPHA)


def _delay(rng: random.Random, before: int, drift: float) -> int:
    """Outcomes from the drift on; worlds that were taken back by mistake before it are drawn anew."""
    while True:
        found = _alarm([*_outcomes(rng, 0.01, before), *_outcomes(rng, drift, HORIZON)])
        if found is None:
            return HORIZON
        if found > before:
            return found - before


def earned() -> str:
    """Both bounds while decisions come in, two of 320 refused."""
    exact, lasting, agreed = [], [], 0
    for seen in range(1, 321):
        agreed += seen not in (40, 130)
        exact.append((seen, lower_bound(agreed, seen)))
        lasting.append((seen, lasting_bound(agreed, seen, CONFIDENCE)))
    return _picture(
        "How far plain yeses may be relied on, 318 of 320 decisions",
        [("bound for every look at 16 conditions, which decides", lasting), ("exact bound of one look", exact)],
        320,
        lambda share: (max(share, 0.8) - 0.8) / 0.2,
        [(share, f"{share:.0%}") for share in (0.8, 0.85, 0.9, 0.95, 1.0)],
        WANTED,
    )


def taken_back(seed: int) -> str:
    """Suspicion in one world without drift and two with it from the 320th outcome on."""
    lines = []
    for drift in (0.4, 0.2, 0.01):
        rng = random.Random(seed)
        path = suspicion([*_outcomes(rng, 0.01, 320), *_outcomes(rng, drift, 180)], TOLERATED)
        alarm = first_alarm(path, ALPHA)
        kept = path[:alarm]
        lines.append((f"{drift:.0%} wrong from 320 on", list(enumerate(kept, start=1))))
    return _picture(
        "Suspicion against a rule, in powers of ten",
        lines,
        500,
        lambda made: (log10(max(made, 0.001)) + 3) / 5,
        [(made, f"{made:g}") for made in (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)],
        1 / ALPHA,
    )


def _picture(title, lines, reach, scale, marks, alarm) -> str:  # noqa: ANN001 - drawn twice, above
    def at(x: float, y: float) -> str:
        return f"{LEFT + WIDE * x / reach:.1f},{TOP + HIGH * (1 - scale(y)):.1f}"

    made = [f'<rect class="back" width="{WIDE + 2 * LEFT}" height="{HIGH + TOP + 56}"/>']
    made.append(f'<text class="title" x="{LEFT}" y="26">{title}</text>')
    for value, words in marks:
        y = TOP + HIGH * (1 - scale(value))
        made.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + WIDE}" y1="{y:.1f}" y2="{y:.1f}"/>')
        made.append(f'<text class="small" x="{LEFT - 44}" y="{y + 4:.1f}">{words}</text>')
    y = TOP + HIGH * (1 - scale(alarm))
    made.append(f'<line class="alarm" x1="{LEFT}" x2="{LEFT + WIDE}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for place, (words, points) in enumerate(lines):
        drawn = " ".join(at(x, value) for x, value in points)
        made.append(f'<polyline class="line l{place}" points="{drawn}"/>')
        x = LEFT + place * 230 if len(lines) > 2 else LEFT + place * 340
        made.append(f'<line class="line l{place}" x1="{x}" x2="{x + 22}" y1="46" y2="46"/>')
        made.append(f'<text class="small" x="{x + 28}" y="50">{words}</text>')
    made.append(f'<text class="small" x="{LEFT}" y="{TOP + HIGH + 24}">1</text>')
    made.append(f'<text class="small" x="{LEFT + WIDE - 80}" y="{TOP + HIGH + 24}">outcome {reach}</text>')
    size = f"{WIDE + 2 * LEFT} {HIGH + TOP + 56}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" aria-label="{title}"><style>{_STYLE}</style>'
    return head + "".join(made) + "</svg>\n"


if __name__ == "__main__":
    main()
