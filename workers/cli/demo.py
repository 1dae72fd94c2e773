"""``caseworker demo``: a dozen events through the whole system, each with what should come of it and what did."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from workers.cli import opening
from workers.cli.screen import AsJson, say, show_json, show_table
from workers.demo.run import run

app = typer.Typer(add_completion=False)


@app.command()
def demo(as_json: AsJson = False) -> None:
    """Drive sample events through the system and say what happened. Exit status 1 when something went otherwise.

    Everything is real and thrown away afterwards: signed webhooks over HTTP, worker, policy, decisions of two colleagues,
    effects in the books of the sample company.
    """
    opening.log_to("CRITICAL", "console")
    # On stderr, so that --json can be piped on.
    with Console(stderr=True).status("setting up …") as status:
        report = run(told=lambda scene: status.update(f"{scene} …"))
    if as_json:
        show_json(report.as_json())
    else:
        rows = [
            ("✓" if row.ok else "✗", row.name, row.expected, _found(row.actual, ok=row.ok), row.why)
            for row in report.rows
        ]
        show_table("Demonstration", ("", "event", "expected", "happened", "why"), rows, nothing="", fixed=2)
        right = sum(row.ok for row in report.rows)
        say(f"{right} of {len(report.rows)} went as they should.")
    if not report.ok:
        sys.exit(1)


def _found(actual: str, *, ok: bool) -> str:
    return "as expected" if ok else actual
