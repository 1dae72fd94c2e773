"""``caseworker switch``: the kill switches. What is thrown is obeyed before every effect, by every process."""

from __future__ import annotations

from typing import Annotated

import typer

from workers.actions.catalogue import CATALOGUE
from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_table, when
from workers.queue import QUEUES
from workers.store import audit, switches
from workers.store.audit import SYSTEM, Note

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Stop actions from being carried out, and let them go on."
)

Scope = Annotated[
    str, typer.Argument(metavar="SCOPE", help="`all`, `domain:support` or `action:refund_payment`, for example.")
]

_NO_DOMAINS = ("events", "actions", "upkeep")


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """Show which switches are thrown."""
    with opening.database() as db, db.read() as tx:
        thrown = switches.listing(tx)
    if as_json:
        show_json(thrown)
        return
    rows = [(s.scope, when(s.thrown_at), s.actor, s.reason) for s in thrown]
    show_table("Thrown switches", ("scope", "since (UTC)", "by", "reason"), rows, nothing="No switch is thrown.")


@app.command()
def throw(scope: Scope, reason: Annotated[str, typer.Option(help="Why; people read it where actions wait.")]) -> None:
    """Hold back every action in SCOPE from now on, approved or not."""
    _must_exist(scope)
    actor, now = opening.operator(), opening.now()
    with opening.database() as db, db.write() as tx:
        switches.throw(tx, scope, reason=reason, actor=actor, now=now)
        audit.append(tx, SYSTEM, now, Note(actor, "switch_thrown", {"scope": scope, "reason": reason}))
    say(f"Thrown: {scope}. What is approved waits until `caseworker switch release {scope}`.")


@app.command()
def release(scope: Scope) -> None:
    """Let actions in SCOPE go on."""
    actor, now = opening.operator(), opening.now()
    with opening.database() as db, db.write() as tx:
        if not switches.release(tx, scope):
            raise Failure(f"The switch {scope!r} is not thrown; see `caseworker switch list`.")
        audit.append(tx, SYSTEM, now, Note(actor, "switch_released", {"scope": scope}))
    say(f"Released: {scope}.")


def _must_exist(scope: str) -> None:
    """A misspelt scope would stop nothing, and nobody would notice."""
    domains = [name for name in QUEUES if name not in _NO_DOMAINS]
    known = ["all", *(f"domain:{name}" for name in domains), *(f"action:{kind}" for kind in CATALOGUE)]
    if scope not in known:
        raise Failure(f"There is no scope {scope!r}; there are {', '.join(known)}.")
