"""``caseworker archive``: takes closed cases out of the database, a file for each month, and proves and reads such files.

Made to be run from a timer, and again after anything: it finishes what was cut off. A file is read back and proved before
the first row is removed.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workers.archive import file, monthly
from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import LONGEST_DAYS, AsJson, say, show_json, show_table, when
from workers.store import archive as store
from workers.store import audit

app = typer.Typer(
    add_completion=False, invoke_without_command=True, help="Take closed cases out of the database, and read archives."
)

File = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="An archive.")]


@app.callback()
def archive(
    ctx: typer.Context,
    before: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="Cases that closed before this month began (UTC).")
    ] = None,
    older_than_days: Annotated[
        int | None,
        typer.Option(
            min=0, max=LONGEST_DAYS, metavar="N", help="Cases of whole months that ended at least N days ago."
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Folder for the files. Default: archive/ in the data folder.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what closed less than 30 days ago: late repeats become new cases.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be archived and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take closed cases out of the database: each month's into a compressed file, proved before anything is removed.

    Cases with an open or uncertain action stay. Cut off at any point, the same command finishes. The audit log still verifies.
    """
    if ctx.invoked_subcommand is not None:
        return
    moment = _moment(before, older_than_days)
    found = opening.settings()
    with opening.database(found) as db:
        run = monthly.Run(db, to or found.data / "archive", opening.operator(), opening.now)
        outcomes = []
        try:
            if dry_run:
                if not force:
                    monthly.must_be_old_enough(moment, now=opening.now())
                _show_months(monthly.months(db, before=moment), as_json=as_json)
                return
            for outcome in monthly.archive(run, before=moment, force=force):
                outcomes.append(outcome)
                if not as_json:
                    say(_sentence(outcome))
        except (monthly.NotNow, file.Broken) as error:
            raise Failure(str(error)) from error
        except OSError as error:
            raise Failure(
                f"{error.filename or run.folder}: {error.strerror or error}. No case is lost. Make room there, let this account "
                "write there, or name another folder with --to; then run the same command again, which goes on from here."
            ) from error
    if as_json:
        show_json(outcomes)
    elif not outcomes:
        say(f"No case that closed before {moment:%Y-%m-%d} is left to be archived.")


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """Show what was archived, and what is not finished."""
    with opening.database() as db, db.read() as tx:
        found = store.listing(tx)
    if as_json:
        show_json(found)
        return
    rows = [
        (Path(a.file).name, a.state, a.cases or 0, a.removed, a.bytes or 0, when(a.sealed_at), (a.sha256 or "")[:12])
        for a in found
    ]
    columns = ("file", "state", "cases", "removed", "bytes", "sealed (UTC)", "sha-256")
    show_table("Archives", columns, rows, nothing="Nothing was archived.")


@app.command()
def verify(path: File, as_json: AsJson = False) -> None:
    """Prove a file alone, without a database: every case's chain, every count. Exit status 1 when it is broken."""
    digest, size = file.fingerprint(path)
    problem, counted = "", file.Count()
    try:
        counted = file.verify(path)
    except file.Broken as error:
        problem = str(error)
    if as_json:
        told = {"ok": not problem, "file": path, "sha256": digest, "bytes": size, "problem": problem}
        show_json({**told, **({} if problem else counted.foot())})
    elif problem:
        say(f"{problem}.")
    else:
        say(
            f"{path.name} is whole: {counted.cases} cases, {counted.rows['audit']} entries of the log, SHA-256 {digest}."
        )
    if problem:
        raise typer.Exit(1)


@app.command()
def show(path: File, case_id: Annotated[str, typer.Argument(metavar="CASE")], as_json: AsJson = False) -> None:
    """Show one case of a file, as it was."""
    try:
        held = file.find(path, case_id)
    except file.Broken as error:
        raise Failure(f"{error}.") from error
    if held is None:
        raise Failure(f"{path.name} holds no case {case_id!r}.")
    if as_json:
        show_json(held)
        return
    case = held["case"]
    say(f"{case['id']}  {case['title']}")
    say(f"{case['domain']} · {case['subject']} · {case['outcome']} · closed {_minute(case['closed_at'])} UTC")
    if held["actions"]:
        rows: list[Any] = [(a["kind"], a["state"], a["decided_by"] or "", a["sentence"]) for a in held["actions"]]
        show_table("Actions", ("kind", "state", "decided by", "what"), rows, nothing="")
    said = [
        (_minute(e["at"]), note.actor, note.verb)
        for e in held["audit"]
        for note in audit.notes_of(e["actor"], e["verb"], e["data"])
    ]
    show_table("Log", ("when (UTC)", "who", "what"), said, nothing="Its log is empty.")
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in held.items() if name != "case")
    say(f"In the file: {counts}. --json shows all of it.")


def _moment(before: str | None, older_than_days: int | None) -> datetime:
    if (before is None) == (older_than_days is None):
        raise Failure("Say either --before YYYY-MM or --older-than-days N.")
    if older_than_days is not None:
        return monthly.last_whole_month(opening.now(), older_than_days)
    try:
        return monthly.first_of_month(before or "")
    except ValueError:
        raise Failure(f"{before!r} is no month: write it as 2026-08.") from None


def _show_months(found: list[monthly.Month], *, as_json: bool) -> None:
    if as_json:
        show_json(
            [{"month": m.name, "closed": m.closed, "to_archive": m.over, "stay": m.closed - m.over} for m in found]
        )
        return
    rows = [(m.name, m.closed, m.over, m.closed - m.over) for m in found]
    show_table("Would be archived", ("month", "closed", "to archive", "stay"), rows, nothing="Nothing.")


def _sentence(outcome: monthly.Outcome) -> str:
    stayed = f" {outcome.changed} changed meanwhile and stayed." if outcome.changed else ""
    size = outcome.bytes / 1e6
    return (
        f"{outcome.month}: {outcome.removed} of {outcome.cases} cases moved to {outcome.file} ({size:.1f} MB).{stayed}"
    )


def _minute(text: str) -> str:
    return text[:16].replace("T", " ")
