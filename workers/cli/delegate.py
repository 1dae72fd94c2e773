"""``caseworker delegate``: who stands in for whom while they are away, arranged by whoever sits at this machine."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_table, when
from workers.inbox.absence import Absence, arrange, call_off
from workers.quorum import Staff
from workers.store import delegations

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Say who stands in for whom while they are away.")

Day = Annotated[str | None, typer.Option("--from", metavar="DATE", help="The first day. [default: today]")]


@app.command()
def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Who is away.")],
    to: Annotated[str, typer.Option("--to", metavar="EMAIL", help="Who stands in.")],
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="The last day (2026-11-27).")],
    from_: Day = None,
    reason: Annotated[str, typer.Option(help="Everybody sees it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let somebody decide in the name of another for a while. Days count whole, in the house's time zone."""
    found, now = opening.settings(), opening.now()
    first = _day(from_) if from_ else now.astimezone(ZoneInfo(found.time_zone)).date()
    last_day = _day(until)
    with opening.database(found) as db:
        person, stand_in = opening.person(db, email), opening.person(db, to)
        absence = Absence.of_days(first, last_day, found.time_zone)
        with db.write() as tx:
            made = arrange(
                tx, person.id, stand_in.id, absence, by=None, reason=reason, actor=opening.operator(), now=now
            )
    if as_json:
        show_json(made)
        return
    last = (made.ends_at - timedelta(microseconds=1)).astimezone(ZoneInfo(found.time_zone)).date()
    say(
        f"{stand_in.name} stands in for {person.name} until the end of {last}. `caseworker delegate end {made.id}` ends it."
    )


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """Show who is away, and who will be."""
    now = opening.now()
    with opening.database() as db, db.read() as tx:
        staff, found = Staff.at(tx, now), delegations.not_over(tx, now)
    if as_json:
        show_json(found)
        return
    rows = [
        (
            one.id,
            staff.name(one.person_id),
            staff.name(one.stand_in_id),
            when(one.starts_at),
            when(one.ends_at),
            one.reason,
        )
        for one in found
    ]
    columns = ("delegation", "away", "stands in", "from (UTC)", "until (UTC)", "reason")
    show_table("Away", columns, rows, nothing="Nobody is away.")


@app.command()
def end(
    delegation: Annotated[str, typer.Argument(metavar="DELEGATION", help="As `caseworker delegate list` shows it.")],
) -> None:
    """End it before its time, or call it off before it begins."""
    with opening.database() as db, db.write() as tx:
        call_off(tx, delegation, actor=opening.operator(), by=None, now=opening.now())
    say(f"Ended: {delegation}.")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Failure(f"{text!r} is no date; write it as 2026-11-27.") from error
