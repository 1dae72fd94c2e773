"""``caseworker audit``: proves that the audit log is whole, entry by entry, and that the decisions that it tells of are too."""

from __future__ import annotations

import sys

import typer

from workers.cli import opening
from workers.cli.screen import AsJson, say, show_json
from workers.store import audit, judgements, policy_proof, proof

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Verify the audit log.")


@app.callback()
def _group() -> None:
    """Verify the audit log."""


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Check every hash, chain and anchor, and every decision's record. Exit status 1 when something was changed, removed or added."""
    with opening.database() as db, db.read() as tx:
        problems = [*proof.verify(tx), *judgements.unfitting(tx), *policy_proof.unbacked(tx)]
        entries = audit.count(tx)
    if as_json:
        show_json({"ok": not problems, "entries": entries, "problems": problems})
    elif problems:
        for problem in problems:
            say(problem)
        say(f"The audit log is broken in {len(problems)} places of {entries} entries.")
    else:
        say(f"The audit log is whole: {entries} entries.")
    if problems:
        sys.exit(1)
