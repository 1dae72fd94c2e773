"""The figures as one SVG, written by hand: a panel a figure, a bar a contender, the target as a line. Light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH, PANEL, LEFT, BAR, GAP, COLUMNS = 960, 460, 104, 18, 8, 2
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.small{font-size:11px;fill:#57606a}"
    ".ours{fill:#0969da}.other{fill:#8c959f}.second{fill:#bf8700}.target{stroke:#cf222e;stroke-width:1.5}"
    ".back{fill:#ffffff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.ours{fill:#4493f8}"
    ".other{fill:#6e7681}.second{fill:#d29922}.target{stroke:#f85149}.back{fill:#0d1117}}"
)


@dataclass(frozen=True, slots=True)
class Panel:
    """`figures` are added up along a bar: the first in the contender's colour, the second beside it."""

    title: str
    phase: str
    figures: tuple[str, ...]
    target: float | None
    digits: int = 0


PANELS = (
    Panel("Webhooks accepted a second, 32 connections", "fast", ("webhooks_per_second",), 3200),
    Panel("Cases a second, model at 0 ms", "fast", ("cases_per_second",), 250),
    Panel("CPU ms a case: Python + PostgreSQL", "fast", ("python_cpu_ms", "postgres_cpu_ms"), 6.5, 1),
    Panel("KB written ahead a case", "fast", ("wal_kb",), 8, 1),
    Panel("Approval to effect, ms: p50 + the rest to p99", "fast", ("approval_p50_ms", "approval_tail_ms"), 20, 1),
    Panel("Model calls of 1 s open on average", "slow", ("open_average",), 450),
    Panel("Model calls of 10 s open on average", "very_slow", ("open_average",), 1000),
    Panel("kill -9 of all workers: cases stranded", "killed", ("stranded",), None),
    Panel("kill -9: model calls made again", "killed", ("repeated_calls",), None),
    Panel("MB a worker with calls of 10 s open (PSS)", "very_slow", ("worker_pss_mb_busy",), 300),
)


def draw(found: Mapping[str, Any]) -> str:
    """The whole picture; panels without figures are left out."""
    panels = [panel for panel in PANELS if any(panel.phase in by for by in found["medians"].values())]
    parts: list[str] = []
    height = 48
    for index in range(0, len(panels), COLUMNS):
        row = panels[index : index + COLUMNS]
        tallest = 0
        for column, panel in enumerate(row):
            drawn, tall = _panel(panel, found, 16 + column * (PANEL + 16), height)
            parts.append(drawn)
            tallest = max(tallest, tall)
        height += tallest + 20
    machine = found["machine"]
    said = f"{found['measured_at']}, {machine['cores']} cores of {machine['processor']}; red: the target"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="The engine beside others"><style>{STYLE}</style>'
        f'<rect class="back" width="{WIDTH}" height="{height}"/>'
        f'<text class="small" x="16" y="26">{escape(said)}</text>{"".join(parts)}</svg>\n'
    )


def _panel(panel: Panel, found: Mapping[str, Any], left: int, top: int) -> tuple[str, int]:
    rows: list[tuple[str, str, Sequence[float]]] = []
    for name, by in found["medians"].items():
        if panel.phase in by:
            figures = with_tail(by[panel.phase])
            rows.append((name, found["settings"][name]["title"], [figures[figure] for figure in panel.figures]))
    most = max([sum(v for v in values if not math.isnan(v)) for _, _, values in rows] + [panel.target or 0.0, 1e-9])
    room = PANEL - LEFT - 70
    parts = [f'<text class="title" x="{left}" y="{top + 12}">{escape(panel.title)}</text>']
    y = top + 24
    for name, title, values in rows:
        parts.append(f'<text class="small" x="{left}" y="{y + 13}">{escape(title)}</text>')
        x = float(left + LEFT)
        for position, value in enumerate(values):
            wide = room * value / most
            kind = "second" if position else "ours" if name == "caseworker" else "other"
            parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{max(wide, 0.5):.1f}" height="{BAR}"/>')
            x += wide
        said = " + ".join(f"{value:,.{panel.digits}f}" for value in values)
        parts.append(f'<text class="small" x="{x + 5:.1f}" y="{y + 13}">{said}</text>')
        y += BAR + GAP
    if panel.target is not None:
        x = left + LEFT + room * panel.target / most
        parts.append(f'<line class="target" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 20}" y2="{y - GAP + 4}"/>')
    return "".join(parts), y - top


def with_tail(figures: Mapping[str, float]) -> dict[str, float]:
    tail = figures.get("approval_p99_ms", 0.0) - figures.get("approval_p50_ms", 0.0)
    return {**figures, "approval_tail_ms": tail}
