"""The learning curve as one SVG, written by hand: a line a pupil, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.learning_bench.school import WINDOW, Curve

WIDTH, HEIGHT, LEFT, TOP, ROOM, TALL = 760, 380, 64, 84, 640, 230
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:15px}"
    ".small{font-size:11px;fill:#57606a}.grid{stroke:#d0d7de}.line{fill:none;stroke-width:2.5}"
    ".l0{stroke:#0969da}.l1{stroke:#bf8700}.l2{stroke:#8c959f;stroke-dasharray:5 4}"
    ".back{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.grid{stroke:#30363d}"
    ".l0{stroke:#4493f8}.l1{stroke:#d29922}.l2{stroke:#6e7681}.back{fill:#0d1117}}"
)


def draw(curves: Sequence[Curve], *, seed: int) -> str:
    tens = max(len(curve.rates()) for curve in curves)
    parts = [
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{LEFT}" y="26">Drafts that repeat a mistake which an operator keeps correcting</text>',
    ]
    for place, curve in enumerate(curves):
        x = LEFT + (0, 150, 450)[place]
        parts.append(f'<line class="line l{place}" x1="{x}" x2="{x + 22}" y1="50" y2="50"/>')
        parts.append(f'<text class="small" x="{x + 28}" y="54">{escape(curve.name)}</text>')
    for share in (0, 25, 50, 75, 100):
        y = TOP + TALL * (1 - share / 100)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + ROOM}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="small" x="{LEFT - 40}" y="{y + 4:.1f}">{share} %</text>')
    for ten in range(0, tens, 2):
        x = LEFT + ROOM * ten / max(tens - 1, 1)
        parts.append(
            f'<text class="small" x="{x - 14:.1f}" y="{TOP + TALL + 20}">{ten * WINDOW + 1} to {(ten + 1) * WINDOW}</text>'
        )
    parts.append(
        f'<text class="small" x="{LEFT}" y="{TOP + TALL + 44}">drafts of that kind, in tens; seed {seed}</text>'
    )
    for place, curve in reversed(list(enumerate(curves))):
        points = " ".join(
            f"{LEFT + ROOM * ten / max(tens - 1, 1):.1f},{TOP + TALL * (1 - rate):.1f}"
            for ten, rate in enumerate(curve.rates())
        )
        parts.append(f'<polyline class="line l{place}" points="{points}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Learning curve"><style>{STYLE}</style>{"".join(parts)}</svg>\n'
    )
