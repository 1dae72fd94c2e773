"""``caseworker inbox``: what waits for people, and their decisions, taken through the same service as on the page.

A decision names the revision and digest that was looked at; without them it is for what stands there now, which is shown
first. What a person may not decide on the page they may not decide here either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from policies.messages import plain as written
from policies.record import verdict_of
from policies.types import Requirement
from workers.actions.catalogue import CATALOGUE
from workers.cli import opening, wired
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, AsPerson, ago, plain, say, show_json, show_table, when
from workers.inbox import forms
from workers.inbox.service import decide
from workers.inbox.words import Choice, Word
from workers.obligations import telling
from workers.store import actions, cases, notices
from workers.store.database import Database
from workers.store.records import Action, ActionState, Case
from workers.wiring import System

app = typer.Typer(add_completion=False, no_args_is_help=True, help="See and decide what waits for people.")

ActionId = Annotated[
    str, typer.Argument(metavar="ACTION", help="The action's id, as `caseworker inbox list` shows it.")
]
Revision = Annotated[int | None, typer.Option(help="The revision that you looked at. [default: the present one]")]
Digest = Annotated[str | None, typer.Option(help="The digest that you looked at. [default: the present one]")]
State = Annotated[
    ActionState | None, typer.Option(help="The state that you looked at. Needed to decide what is uncertain.")
]


@app.command("list")
def listing(
    as_json: AsJson = False, snoozed: Annotated[bool, typer.Option(help="Show snoozed actions too.")] = False
) -> None:
    """Show the actions and cases that wait for people, oldest first."""
    now = opening.now()
    with opening.database() as db, db.read() as tx:
        waiting = [(a, cases.get(tx, a.case_id)) for a in actions.waiting_for_people(tx, now=now, snoozed=snoozed)]
        asking = cases.needing_attention(tx)
    if as_json:
        show_json({"actions": [_with_case(a, c) for a, c in waiting], "cases": asking})
        return
    rows = [(a.id, ago(a.created_at, now), a.state, _needs(a), a.sentence, c.title if c else "") for a, c in waiting]
    columns = ("action", "for", "state", "needs", "what will happen", "case")
    show_table("Waiting for a decision", columns, rows, nothing="Nothing waits for a decision.")
    if asking:
        rest = [(c.id, ago(c.updated_at, now), c.state, c.attention or "", c.title) for c in asking]
        show_table("Cases that ask for a person", ("case", "for", "state", "why", "title"), rest, nothing="")


@app.command()
def show(action_id: ActionId, as_json: AsJson = False) -> None:
    """Show one action: what will happen, why the policy asks, where each argument comes from, its digest."""
    with opening.database() as db:
        action, case = _find(db, action_id)
        with db.read() as tx:
            taken = actions.decisions_of(tx, action_id)
            tries = actions.attempts_of(tx, action_id)
    if as_json:
        show_json({**_with_case(action, case), "decisions": taken, "attempts": tries})
        return
    _describe(action, case)
    for decision in taken:
        why = f": {decision.reason}" if decision.reason else ""
        say(f"{when(decision.decided_at)}  {decision.actor} chose {decision.decision}{why}")
    for attempt in tries:
        error = f": {attempt.error}" if attempt.error else ""
        say(f"{when(attempt.started_at)}  attempt {attempt.number} {attempt.outcome or 'is open'}{error}")


@app.command()
def approve(
    action_id: ActionId,
    as_person: AsPerson = None,
    revision: Revision = None,
    digest: Digest = None,
    state: State = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change an argument first (amount=40.00). May be repeated."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Kept with the decision.")] = None,
    as_json: AsJson = False,
) -> None:
    """Approve an action as it stands, or with changed arguments, which the policy judges anew."""
    with wired.system(opening.settings()) as system:
        action, case = _find(system.db, action_id)
        if not as_json:
            _describe(action, case)
        arguments = edited(action, change) if change else None
        choice = Choice(
            Word.APPROVE,
            revision or action.revision,
            digest or action.digest,
            arguments,
            reason,
            channel="cli",
            state=state,
        )
        _decide(system, as_person, action_id, choice, as_json=as_json)


@app.command()
def reject(
    action_id: ActionId,
    reason: Annotated[str, typer.Option(help="Why; the case keeps it.")],
    as_person: AsPerson = None,
    revision: Revision = None,
    digest: Digest = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Reject an action. It is never carried out."""
    _refuse(Word.REJECT, action_id, reason, as_person, revision, digest, state, as_json=as_json)


@app.command()
def stop(
    action_id: ActionId,
    reason: Annotated[str, typer.Option(help="Why; the case keeps it.")],
    as_person: AsPerson = None,
    revision: Revision = None,
    digest: Digest = None,
    as_json: AsJson = False,
) -> None:
    """Stop an approved action that has not gone out yet. It counts as rejected."""
    _refuse(Word.STOP, action_id, reason, as_person, revision, digest, None, as_json=as_json)


def _refuse(
    word: Word,
    action_id: str,
    reason: str,
    as_person: str | None,
    revision: int | None,
    digest: str | None,
    state: ActionState | None,
    *,
    as_json: bool,
) -> None:
    with wired.system(opening.settings()) as system:
        action, case = _find(system.db, action_id)
        if not as_json:
            _describe(action, case)
        choice = Choice(
            word,
            revision or action.revision,
            digest or action.digest,
            reason=reason,
            channel="cli",
            state=state,
        )
        _decide(system, as_person, action_id, choice, as_json=as_json)


@app.command("notices")
def show_notices(
    as_person: AsPerson = None,
    unread: Annotated[bool, typer.Option("--unread", help="Only what was not marked as read.")] = False,
    mark_read: Annotated[bool, typer.Option("--mark-read", help="Mark what is shown as read.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what this person was told of, newest first: what was carried out, and what waits for them since nobody decided."""
    now = opening.now()
    with opening.database() as db:
        who = opening.person(db, as_person)
        with db.write() if mark_read else db.read() as tx:
            reader = notices.reader(tx, who, now)
            found = notices.listing(tx, reader, only_unread=unread)
            if mark_read:
                notices.mark_read(tx, reader, [notice.id for notice in found], now)
    if as_json:
        show_json(found)
        return
    rows = [
        (
            n.action_id,
            ago(n.at, now),
            n.role or "everybody",
            "" if n.read else "new",
            n.sentence or "archived",
            telling.in_words(n.cause, n.role),
        )
        for n in found
    ]
    show_table("Notices", ("action", "", "told", "", "what it is about", "why"), rows, nothing="Nothing to tell.")


def edited(action: Action, changes: list[str]) -> Mapping[str, Any]:
    """The action's arguments with what was typed in their place, read as the page's form reads it."""
    kind = CATALOGUE[action.kind]
    fields = {_name(field): field for field in forms.fields(kind, action.arguments)}
    typed: dict[str, str] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in fields:
            raise Failure(f"--set {change!r}: write NAME=VALUE; {action.kind} has {', '.join(fields)}.")
        typed[fields[name].key] = value
    filled = forms.read(kind, action.arguments, typed)
    if filled.arguments is None:
        raise Failure(f"The changed draft does not fit. {' '.join(filled.problems)}")
    return filled.arguments


def _name(field: forms.Field) -> str:
    """Money is typed as people write it (``amount=40.00``), so its argument goes without the suffix for minor units."""
    return field.name.removesuffix("_minor") if field.control is forms.Control.MONEY else field.name


def _decide(system: System, email: str | None, action_id: str, choice: Choice, *, as_json: bool) -> None:
    who = opening.person(system.db, email)
    after = decide(system, who, action_id, choice)
    if as_json:
        show_json(after)
        return
    waits = f" {after.waiting_for}" if after.waiting_for else ""
    again = f" {'; '.join(after.verdict['reasons'])}" if after.state == "pending" and choice.arguments else ""
    say(f"{who.email}: {choice.word.value}. The action is now {after.state}, revision {after.revision}.{waits}{again}")


def _find(db: Database, action_id: str) -> tuple[Action, Case]:
    with db.read() as tx:
        action = actions.get(tx, action_id)
        case = cases.get(tx, action.case_id) if action is not None else None
    if action is None or case is None:
        raise Failure(f"There is no action {action_id!r}; `caseworker inbox list` shows what waits.")
    return action, case


def _describe(action: Action, case: Case) -> None:
    about = [("case", f"{case.id}: {case.title}"), ("target", f"{action.target} {action.target_version}".strip())]
    for name, value in action.arguments.items():
        origin = action.origins.get(name, "")
        about.append((name, f"{written(value)}{f'  ({origin})' if isinstance(origin, str) and origin else ''}"))
    about += [
        ("because", "; ".join(action.verdict["reasons"])),
        ("needs", _needs(action)),
        ("rationale", action.rationale),
        ("rests on", ", ".join(action.citations) or "nothing that was gathered"),
        ("revision", f"{action.revision}, digest {action.digest}"),
    ]
    say(f"{action.sentence}  [{action.kind}, {action.state}]")
    width = max(len(name) for name, _ in about)
    for name, told in about:
        # Text of several lines stays in its column.
        say(f"  {name:<{width}}  {told}".replace("\n", "\n" + " " * (width + 4)))


def _needs(action: Action) -> str:
    stages: dict[int, list[str]] = {}
    for r in verdict_of(action.verdict).requirements or (Requirement(""),):
        stages.setdefault(r.stage, []).append(f"{r.n} of {r.role or 'anybody'}")
    return ", then ".join(" and ".join(stages[stage]) for stage in sorted(stages))


def _with_case(action: Action, case: Case | None) -> dict[str, Any]:
    return {**plain(action), "case": plain(case)}
