"""``caseworker user``: the people who may sign in, and their groups, which decide what they may approve."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_table, when
from workers.inbox.passwords import UnfitPassword, hash_password
from workers.store import audit, people
from workers.store.audit import SYSTEM, Note
from workers.store.database import Database
from workers.store.records import Person

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Manage the people who may sign in.")

Email = Annotated[str, typer.Argument(metavar="EMAIL")]
Groups = Annotated[
    list[str] | None, typer.Option("--group", help="A group (support, lead, finance …). May be repeated.")
]


@app.command()
def add(
    email: Email,
    name: Annotated[str | None, typer.Option(help="How others see this person. [default: from the address]")] = None,
    group: Groups = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin instead of asking.")
    ] = False,
) -> None:
    """Add a person. Asks for a password, or reads it from stdin."""
    if email.count("@") != 1 or not all(email.split("@")) or any(c.isspace() for c in email):
        raise Failure(f"{email!r} is no e-mail address.")
    now = opening.now()
    with opening.database() as db:
        with db.read() as tx:
            if people.by_email(tx, email) is not None:
                raise Failure(f"{email} is there already; `caseworker user groups` changes their groups.")
        try:
            password = hash_password(_password(from_stdin=password_stdin))
        except UnfitPassword as error:
            raise Failure(str(error)) from error
        with db.write() as tx:
            person = people.add(
                tx, email=email, name=name or email.split("@")[0], password_hash=password, groups=group or [], now=now
            )
            note = {"person": person.id, "email": person.email, "groups": person.groups}
            audit.append(tx, SYSTEM, now, Note(opening.operator(), "person_added", note))
    say(f"Added {person.email}, in {_groups(person.groups)}.")


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """Show everybody."""
    with opening.database() as db, db.read() as tx:
        everyone = people.everyone(tx)
    if as_json:
        show_json([_public(person) for person in everyone])
        return
    rows = [(p.email, p.name, ", ".join(p.groups), "yes" if p.active else "no", when(p.created_at)) for p in everyone]
    columns = ("e-mail", "name", "groups", "active", "since (UTC)")
    show_table("People", columns, rows, nothing="Nobody yet; `caseworker user add` adds somebody.")


@app.command()
def groups(email: Email, group: Groups = None) -> None:
    """Put a person into exactly the groups given with --group; without any, show the present ones."""
    now = opening.now()
    with opening.database() as db:
        person = opening.person(db, email)
        if group is None:
            say(f"{person.email} is in {_groups(person.groups)}.")
            return
        with db.write() as tx:
            people.change(tx, person.id, {"groups": group})
            note = {"person": person.id, "before": person.groups, "after": group}
            audit.append(tx, SYSTEM, now, Note(opening.operator(), "groups_changed", note))
    say(f"{person.email} is now in {_groups(group)}.")


@app.command()
def password(
    email: Email,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin instead of asking.")
    ] = False,
) -> None:
    """Give a person another password, and end their sessions."""
    now = opening.now()
    with opening.database() as db:
        person = _known(db, email)
        try:
            hashed = hash_password(_password(from_stdin=password_stdin))
        except UnfitPassword as error:
            raise Failure(str(error)) from error
        with db.write() as tx:
            # The account first: whoever signs in meanwhile waits for it, or their session is ended with the others.
            people.change(tx, person.id, {"password_hash": hashed})
            people.shut_out(tx, person.id)
            audit.append(tx, SYSTEM, now, Note(opening.operator(), "password_changed", {"person": person.id}))
    say(f"{person.email} has another password. Whoever was signed in with the old one is signed out.")


@app.command()
def deactivate(email: Email) -> None:
    """Shut a person out at once: sessions end, tokens made for them are revoked, and what they approved in part counts no more."""
    now = opening.now()
    with opening.database() as db:
        person = _known(db, email)
        if not person.active:
            raise Failure(f"{person.email} is not active; `caseworker user activate` lets them in again.")
        with db.write() as tx:
            people.change(tx, person.id, {"active": False})
            people.shut_out(tx, person.id)
            revoked = [token.id for token in people.tokens_of(tx, person.id)]
            for token_id in revoked:
                people.revoke_token(tx, token_id, now)
            note = {"person": person.id, "tokens": revoked}
            audit.append(tx, SYSTEM, now, Note(opening.operator(), "person_deactivated", note))
    say(f"{person.email} is shut out. Revoked tokens: {', '.join(revoked) or 'none'}.")


@app.command()
def activate(email: Email) -> None:
    """Let a person in again who was shut out. Tokens stay revoked."""
    now = opening.now()
    with opening.database() as db:
        person = _known(db, email)
        if person.active:
            raise Failure(f"{person.email} is active already.")
        with db.write() as tx:
            people.change(tx, person.id, {"active": True})
            audit.append(tx, SYSTEM, now, Note(opening.operator(), "person_activated", {"person": person.id}))
    say(f"{person.email} may sign in again.")


def _known(db: Database, email: str) -> Person:
    """The account, active or not."""
    with db.read() as tx:
        person = people.by_email(tx, email)
    if person is None:
        raise Failure(f"There is no account {email!r}; `caseworker user list` shows all.")
    return person


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Failure("There is no terminal to ask for a password: use --password-stdin.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _public(person: Person) -> dict[str, object]:
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "groups": person.groups,
        "active": person.active,
        "created_at": person.created_at,
    }


def _groups(names: list[str]) -> str:
    return ", ".join(names) or "no group"
