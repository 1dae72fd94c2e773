"""``caseworker doctor``: says what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workers.cli import checks, opening
from workers.cli.findings import Level
from workers.cli.screen import AsJson, say, show_json, show_table

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    settings: Annotated[
        bool, typer.Option("--settings", help="Show the settings in force too, without secrets.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with this installation, and what to do. Exit status 1 when something is."""
    found = opening.settings()
    opening.log_to("ERROR", "console")
    findings = list(checks.examine(found))
    ok = all(finding.level is not Level.PROBLEM for finding in findings)
    if as_json:
        show_json({"ok": ok, "findings": findings, "settings": checks.shown(found)})
    else:
        if settings:
            show_table("Settings", ("variable", "value"), checks.shown(found).items(), nothing="")
        rows = [(f.level.value, f.about, f.told, f.remedy) for f in findings]
        show_table("Findings", ("", "about", "found", "what to do"), rows, nothing="", fixed=2)
        say("Nothing is wrong." if ok else "Something is wrong; see above.")
    if not ok:
        sys.exit(1)
