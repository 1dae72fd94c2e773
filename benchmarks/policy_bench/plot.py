"""The figures as one SVG, written by hand: a bar a way of deciding, the target as a line. Light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

WIDTH, LEFT, ROW, BAR = 860, 340, 30, 18
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.small{font-size:11px;fill:#57606a}"
    ".ours{fill:#0969da}.other{fill:#8c959f}.target{stroke:#cf222e;stroke-width:1.5}.back{fill:#ffffff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.ours{fill:#4493f8}.other{fill:#6e7681}"
    ".target{stroke:#f85149}.back{fill:#0d1117}}"
)
TARGET = 10_000
ROWS = (
    ("functions", "Python functions, matches alone", "other"),
    ("google_conditions", "cel-expr-python, matches alone", "other"),
    ("rust_conditions", "common-expression-language, matches alone", "other"),
    ("facts", "checking the facts alone", "other"),
    ("google_decisions", "whole decision, cel-expr-python", "ours"),
    ("rust_decisions", "whole decision, common-expression-language", "ours"),
)


def draw(found: Mapping[str, Any]) -> str:
    live = found["live"]
    # Plain functions are in the table: beside them nothing else could be told apart.
    rows = [row for row in ROWS if row[0] != "functions"]
    longest = max(live[name]["median"] for name, _, _ in rows)
    scale = (WIDTH - LEFT - 90) / longest
    parts = [
        f'<text class="title" x="16" y="26">Decisions a CPU second: 50 rules, {live["asked"]:.1f} asked each</text>'
    ]
    top = 44
    for place, (name, told, colour) in enumerate(rows):
        y, value = top + place * ROW, live[name]["median"]
        parts.append(f'<text x="16" y="{y + 14}">{escape(told)}</text>')
        parts.append(f'<rect class="{colour}" x="{LEFT}" y="{y}" width="{value * scale:.1f}" height="{BAR}" rx="2"/>')
        parts.append(f'<text x="{LEFT + value * scale + 6:.1f}" y="{y + 14}">{value:,.0f}</text>')
    bottom = top + len(rows) * ROW
    line = LEFT + TARGET * scale
    parts.append(f'<line class="target" x1="{line:.1f}" x2="{line:.1f}" y1="{top - 6}" y2="{bottom - 4}"/>')
    said = (
        f"{found['measured_at']}, one thread; median of {found['rounds']} rounds; red: the target for whole decisions"
    )
    parts.append(f'<text class="small" x="16" y="{bottom + 16}">{escape(said)}</text>')
    height = bottom + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Decisions a CPU second"><style>{STYLE}</style>'
        f'<rect class="back" width="{WIDTH}" height="{height}"/>{"".join(parts)}</svg>\n'
    )
