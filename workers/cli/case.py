"""``caseworker case``: cases as they stand, and what happened to them. Looks only."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, ago, plain, say, show_json, show_table, when
from workers.store import actions, audit, cases, events, steps
from workers.store.database import Tx
from workers.store.records import AuditEntry, Case, CaseState

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at cases and what happened to them.")

CaseId = Annotated[str, typer.Argument(metavar="CASE", help="The case's id, as `caseworker case list` shows it.")]


@app.command("list")
def listing(
    state: Annotated[list[CaseState] | None, typer.Option(help="Only cases in this state. May be repeated.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only cases of this domain.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show cases, newest first."""
    now = opening.now()
    with opening.database() as db, db.read() as tx:
        found = cases.listing(tx, states=[s.value for s in state or ()], domain=domain, limit=limit)
    if as_json:
        show_json(found)
        return
    rows = [(c.id, ago(c.opened_at, now), c.domain, c.state, c.step, c.priority, c.title) for c in found]
    columns = ("case", "age", "domain", "state", "step", "priority", "title")
    show_table("Cases", columns, rows, nothing="There are no such cases.")


@app.command()
def show(case_id: CaseId, as_json: AsJson = False) -> None:
    """Show one case: how it stands, what came in, what was gathered, and its actions."""
    with opening.database() as db, db.read() as tx:
        case = _find(tx, case_id)
        came = events.of_case(tx, case_id)
        facts = steps.facts_of(tx, case_id, up_to_round=case.round)
        drafted = actions.of_case(tx, case_id)
        used = steps.usage_of(tx, case_id)
    cost = sum((use.cost_usd for use in used if use.cost_usd is not None), Decimal(0))
    if as_json:
        show_json({**plain(case), "events": came, "facts": facts, "actions": drafted, "usage": used, "cost_usd": cost})
        return
    say(case.title)
    say(f"  {case.domain}, {case.state}, step {case.step}, round {case.round}, priority {case.priority}")
    say(f"  about {case.subject}{f', customer {case.customer}' if case.customer else ''}")
    for told in (case.attention, case.waiting_for, case.outcome):
        if told:
            say(f"  {told}")
    say(f"  opened {when(case.opened_at)} UTC; {len(used)} model calls, {cost:.4f} USD")
    show_table(
        "Came in", ("event", "at (UTC)", "type"), [(e.id, when(e.received_at), e.vendor_type) for e in came], nothing=""
    )
    show_table(
        "Gathered",
        ("ref", "trusted", "title"),
        [(f.ref, "yes" if f.trusted else "no", f.title) for f in facts],
        nothing="Nothing was gathered yet.",
    )
    rows = [(a.id, a.state, a.sentence, a.decided_by or "", a.reason or "") for a in drafted]
    show_table(
        "Actions", ("action", "state", "what", "decided by", "reason"), rows, nothing="No action was drafted yet."
    )


@app.command()
def timeline(case_id: CaseId, as_json: AsJson = False) -> None:
    """Show everything that happened to a case, in order, as the audit log has it."""
    with opening.database() as db, db.read() as tx:
        _find(tx, case_id)
        entries = audit.of_chain(tx, case_id)
    if as_json:
        show_json(entries)
        return
    rows = [(e.seq, when(e.at), e.actor, e.verb, _data(e)) for e in entries]
    show_table("Timeline", ("#", "at (UTC)", "who", "did", "what"), rows, nothing="Nothing happened yet.", fixed=2)


def _find(tx: Tx, case_id: str) -> Case:
    case = cases.get(tx, case_id)
    if case is None:
        raise Failure(f"There is no case {case_id!r}; `caseworker case list` shows them.")
    return case


def _data(entry: AuditEntry) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in entry.data.items())


def _short(value: Any) -> str:
    """Digests to their first figures; the whole ones are in the JSON."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text[:12] if len(text) == 64 else text
