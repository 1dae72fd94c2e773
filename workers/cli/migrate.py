"""``caseworker migrate``: says what the database lacks and applies it. Several processes may try at once.

Runs before the processes of a new version start, beside those of the old one. It waits for nobody for ever: what cannot be
had is given up, and running it again finishes.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json
from workers.store import schema
from workers.store.database import Database
from workers.store.schema import Standing

app = typer.Typer(add_completion=False)

_SENTENCES = {
    Standing.CURRENT: "The database is up to date.",
    Standing.AHEAD: "The database was migrated by a newer version, which only added to it: this version runs on it as well.",
    Standing.BEHIND: "The database lacks tables of this version: run `caseworker migrate`.",
    Standing.TOO_NEW: "The database belongs to a newer version, which took away what this one needs.",
}


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit status 1 when there is something to apply.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database to the schema of this version.

    Run it before the other processes of a new version; those of the version before go on meanwhile. `caseworker up` does
    it by itself.
    """
    found = opening.settings()
    opening.log_to("WARNING", "console")
    # To open a file is to make it, and who only looks makes none.
    db = Database(found.database, connections=4) if opening.exists(found) or not check else None
    try:
        standing = schema.standing(db) if db is not None else Standing.BEHIND
        steps = schema.outstanding(db)
        if not as_json:
            for step in steps:
                say(f"{'Would apply' if check else 'Applies'} {step.revision}: {step.summary}")
        applied = db is not None and standing is Standing.BEHIND and not check
        if db is not None and applied:
            schema.upgrade(db)
        if as_json:
            show_json(
                {"ok": applied or standing in (Standing.CURRENT, Standing.AHEAD), "was": standing, "steps": steps}
            )
        elif applied:
            say("The database was brought to this version's schema.")
        else:
            say(_SENTENCES[standing])
    finally:
        if db is not None:
            db.dispose()
    if standing is Standing.TOO_NEW and not check:
        raise Failure("Start the newer version.")
    if check and standing in (Standing.BEHIND, Standing.TOO_NEW):
        sys.exit(1)
