"""``caseworker migrate``: applies what the database lacks. Several processes may try at once."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workers.cli import opening
from workers.cli.screen import say
from workers.store import schema
from workers.store.database import Database

app = typer.Typer(add_completion=False)


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit status 1 when there is something to apply.")
    ] = False,
) -> None:
    """Bring the database to the schema of this version.

    Run it before the other processes of a new version. `caseworker up` does it by itself.
    """
    found = opening.settings()
    opening.log_to("WARNING", "console")
    db = Database(found.database, connections=2)
    try:
        if not schema.pending(db):
            say("The database is up to date.")
        elif check:
            say("The database lacks tables of this version: run `caseworker migrate`.")
            sys.exit(1)
        else:
            schema.upgrade(db)
            say("The database was brought to this version's schema.")
    finally:
        db.dispose()
