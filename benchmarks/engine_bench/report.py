"""Shows what was measured: a table for people, the same as Markdown for docs/performance.md."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    phase: str
    figures: tuple[str, ...]
    target: str = ""
    digits: int = 1


ROWS = (
    Row("webhooks accepted a second, 32 connections", "fast", ("webhooks_per_second",), "≥ 3,200", 0),
    Row("… p50 / p99, ms", "fast", ("webhook_p50_ms", "webhook_p99_ms")),
    Row("… CPU ms: web / PostgreSQL", "fast", ("webhook_api_cpu_ms", "webhook_postgres_cpu_ms"), "", 2),
    Row("cases a second, model at 0 ms", "fast", ("cases_per_second",), "≥ 250", 0),
    Row(
        "CPU ms a case: Python / PostgreSQL / Redis",
        "fast",
        ("python_cpu_ms", "postgres_cpu_ms", "redis_cpu_ms"),
        "≤ 5 / 1.5",
        2,
    ),
    Row("commits that write, a case: door / in all", "fast", ("commits_at_door", "commits"), "≤ 6"),
    Row("KB written ahead, a case: in all / of it full pages", "fast", ("wal_kb", "wal_full_pages_kb"), "≤ 8"),
    Row(
        "approval to effect, one every 50 ms: p50 / p99, ms",
        "fast",
        ("approval_p50_ms", "approval_p99_ms"),
        "< 5 / < 20",
    ),
    Row("… one right after the other", "fast", ("approval_in_a_row_p50_ms", "approval_in_a_row_p99_ms"), "< 5 / < 20"),
    Row("memory MB: a worker / web (PSS)", "fast", ("worker_pss_mb_idle", "web_pss_mb_idle"), "", 0),
    Row("model at 1 s: calls open, average / peak", "slow", ("open_average", "open_peak"), "≥ 450", 0),
    Row("… cases a second / cores of Python", "slow", ("cases_per_second", "python_cores")),
    Row("model at 10 s: calls open, average / peak", "very_slow", ("open_average", "open_peak"), "1,000", 0),
    Row(
        "… memory MB of the worker then (PSS / RSS)",
        "very_slow",
        ("worker_pss_mb_busy", "worker_rss_mb_busy"),
        "< 300",
        0,
    ),
    Row("kill -9 of all workers: model calls open then", "killed", ("in_flight_at_kill",), "", 0),
    Row("… cases stranded", "killed", ("stranded",), "0", 0),
    Row(
        "… POSTs sent again under their key / effects doubled",
        "killed",
        ("doubled_posts", "posts_under_another_key"),
        "open ones / 0",
        0,
    ),
    Row(
        "… model calls repeated: in all / recorded ones",
        "killed",
        ("repeated_calls", "repeated_recorded_calls"),
        "open ones / 0",
        0,
    ),
    Row("… seconds from restart until all was done", "killed", ("seconds_until_done",), "≤ 6"),
)


def rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Title, one cell a contender, target."""
    medians = found["medians"]
    table = [["", *(found["settings"][name]["title"] for name in medians), "target"]]
    for row in ROWS:
        cells = [
            " / ".join(_said(by[row.phase][figure], row.digits) for figure in row.figures) if row.phase in by else "-"
            for by in medians.values()
        ]
        if any(cell != "-" for cell in cells):
            table.append([row.title, *cells, row.target])
    return table


def show(found: Mapping[str, Any]) -> None:
    table = rows(found)
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        first, *rest = line
        print(
            first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)), sep="  "
        )
    for setting in found["settings"].values():
        print(f"\n{setting['title']}: {setting['setting']}", end="")
    if found["floor"]:
        steps = ", ".join(f"{name} {value:.2f}" for name, value in found["floor"].items())
        print(f"\n\nThe same work without an engine, CPU ms a case: {steps}", end="")
    machine = found["machine"]
    print(
        f"\n\n{found['measured_at']}, {machine['cores']} cores of {machine['processor']}, Python {machine['python']}, load"
        f" {machine['load_before'][0]} before; a fixed piece of Python took {found['calibration_ms']:.0f} ms of CPU"
        f" (spread {found['calibration_spread_ms'][0]:.0f} to {found['calibration_spread_ms'][1]:.0f}); {found['seconds']} s in all"
    )


def markdown(found: Mapping[str, Any]) -> str:
    first, *rest = rows(found)
    lines = [f"| {' | '.join(first)} |", f"|{'---|' * len(first)}"]
    return "\n".join([*lines, *(f"| {' | '.join(line)} |" for line in rest)]) + "\n"


def _said(value: float, digits: int) -> str:
    return "never" if math.isnan(value) else f"{value:,.{digits}f}"
