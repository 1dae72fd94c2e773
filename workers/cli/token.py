"""``caseworker token``: tokens for programs. Each is printed once, when it is made, and kept only as a hash."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workers.access import Scope, make_token
from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_table, when
from workers.store import audit, people
from workers.store.audit import SYSTEM, Note

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Manage tokens for machines.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What uses it.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do. May be repeated.")],
    as_person: Annotated[
        str | None, typer.Option("--as", metavar="EMAIL", help="With the scope decide: whose decisions these are.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once."""
    now = opening.now()
    scopes = list(dict.fromkeys(s.value for s in scope))
    with opening.database() as db:
        # Only a token that decides acts for somebody.
        person = opening.person(db, as_person) if as_person or Scope.DECIDE in scope else None
        plain, hashed = make_token()
        with db.write() as tx:
            token = people.add_token(
                tx, name=name, token_hash=hashed, scopes=scopes, person_id=person.id if person else None, now=now
            )
            note = {"token": token.id, "name": name, "scopes": scopes, "person": token.person_id}
            audit.append(tx, SYSTEM, now, Note(opening.operator(), "token_added", note))
    if as_json:
        show_json({"id": token.id, "name": name, "scopes": scopes, "token": plain})
        return
    sys.stdout.write(plain + "\n")
    acting = f", deciding as {person.email}" if person else ""
    sys.stderr.write(f"This is {token.id} for {', '.join(scopes)}{acting}. It is written nowhere else.\n")


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """Show the tokens in use."""
    with opening.database() as db, db.read() as tx:
        tokens = people.tokens_in_use(tx)
        names = {person.id: person.email for person in people.everyone(tx)}
    found = [
        {"id": t.id, "name": t.name, "scopes": t.scopes, "as": names.get(t.person_id or ""), "created_at": t.created_at}
        for t in tokens
    ]
    if as_json:
        show_json(found)
        return
    rows = [(t.id, t.name, ", ".join(t.scopes), names.get(t.person_id or "", ""), when(t.created_at)) for t in tokens]
    show_table("Tokens", ("token", "name", "may", "as", "since (UTC)"), rows, nothing="There are no tokens.")


@app.command()
def revoke(token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, as listed.")]) -> None:
    """Revoke a token. It stops working at once."""
    now = opening.now()
    with opening.database() as db, db.write() as tx:
        if all(token.id != token_id for token in people.tokens_in_use(tx)):
            raise Failure(f"No token in use has the id {token_id!r}; see `caseworker token list`.")
        people.revoke_token(tx, token_id, now)
        audit.append(tx, SYSTEM, now, Note(opening.operator(), "token_revoked", {"token": token_id}))
    say(f"Revoked {token_id}.")
