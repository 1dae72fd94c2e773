"""``caseworker switch``: the kill switches. What is thrown is obeyed before every effect, by every process."""

from __future__ import annotations

from typing import Annotated

import typer

from integrations import registry
from policies.errors import PolicyError
from workers import switchboard
from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_table, when
from workers.queue import QUEUES
from workers.rulebook import compiled
from workers.store import policy_sets, switches
from workers.store.database import Database

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Stop actions from being carried out, and let them go on."
)

Scope = Annotated[
    str,
    typer.Argument(
        metavar="SCOPE",
        help="`all`, `domain:support`, `action:refund_payment`, `vendor:stripe` or `rule:support/small-refund`, for example.",
    ),
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
        switchboard.throw(tx, scope, reason=reason, actor=actor, now=now)
    if scope.startswith(switchboard.RULE):
        with opening.database() as db:
            unknown = _unknown_rule(db, scope.removeprefix(switchboard.RULE))
        if unknown:
            say(f"Thrown: {scope}. But {unknown}: nothing is stopped by this. The page Policy names the rules.")
            return
        say(f"Thrown: {scope}. What this rule alone allowed goes to people until `caseworker switch release {scope}`.")
        return
    say(f"Thrown: {scope}. What is approved waits until `caseworker switch release {scope}`.")


@app.command()
def release(
    scope: Scope, reason: Annotated[str, typer.Option(help="Why it may go on; kept in the audit log.")] = ""
) -> None:
    """Let actions in SCOPE go on."""
    actor, now = opening.operator(), opening.now()
    with opening.database() as db, db.write() as tx:
        if not switchboard.release(tx, scope, reason=reason, actor=actor, now=now):
            raise Failure(f"The switch {scope!r} is not thrown; see `caseworker switch list`.")
    say(f"Released: {scope}.")


def _unknown_rule(db: Database, ref: str) -> str | None:
    """Why a switch on this rule does nothing now. It is thrown all the same: a rule may come with the next policy, and
    nothing about the policy may keep a switch from being thrown."""
    with db.read() as tx:
        active = policy_sets.in_force(tx)
    if active is None:
        return None
    try:
        policy = compiled.kept_or_loaded(db, active.hash)
    except PolicyError:
        return None
    if any(rule.ref == ref for rule in policy.rules):
        return None
    return f"the policy in force has no rule {ref}"


def _must_exist(scope: str) -> None:
    """A misspelt scope would stop nothing, and nobody would notice."""
    if scope.startswith(switchboard.RULE):
        # Rules come and go with the policy; here it is their form that is looked at.
        if not switchboard.RULE_SCOPE.fullmatch(scope):
            raise Failure(f"A rule is named rule:BUNDLE/RULE, not {scope!r}; `caseworker policy check` lists them.")
        return
    domains = [name for name in QUEUES if name not in _NO_DOMAINS]
    known = switchboard.known_scopes(domains=domains, vendors=registry.sources())
    if scope not in known:
        raise Failure(f"There is no scope {scope!r}; there are {', '.join(known)} and rule:BUNDLE/RULE.")
