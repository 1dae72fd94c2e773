"""``caseworker eval cases`` and ``caseworker eval shadow``: a change, measured on what people decided.

Replaying calls no vendor and makes no action. A model that costs money is paid for, and its calls stand on the bill.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from policies import loader
from workers.cli import opening, wired
from workers.cli.failures import Failure
from workers.cli.screen import LONGEST_DAYS, AsJson, say, show_json, show_table
from workers.learning import naming
from workers.learning.naming import Words
from workers.learning.replay import replay
from workers.learning.report import Report, of_replay, of_shadow
from workers.store import examples, shadows

#: named as dangerous, at most
SHOWN = 20
MARKDOWN = typer.Option("--markdown", help="Print a table in Markdown, for a page or a pull request.")


def cases(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only cases closed since this day (UTC).")
    ] = None,
    prompt: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Instructions to try: <domain>.md, macros/<domain>.yaml.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="PROVIDER/NAME", help="The model to try. [default: the one in force]")
    ] = None,
    policy: Annotated[Path | None, typer.Option(metavar="DIR", help="The policy to try.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest cases.")] = 100,
    at_once: Annotated[int, typer.Option(min=1, max=32, help="Drafts asked for at the same time.")] = 4,
    markdown: Annotated[bool, MARKDOWN] = False,
    as_json: AsJson = False,
) -> None:
    """Replay decided cases against another model, prompt or policy, and compare with what people decided.

    What the agents had read is taken from the record: no vendor is called and no action is made. With --policy alone no
    model is asked either. Exit status 1 when the change would be more dangerous than what was.
    """
    found = opening.settings()
    with wired.system(found) as system:
        try:
            words = Words(model or "", str(prompt) if prompt else "")
            candidate = naming.candidate(
                system, words, policy=loader.load(policy, run_tests=False) if policy is not None else None
            )
        except ValueError as error:
            raise Failure(str(error)) from error
        start = since.replace(tzinfo=UTC) if since is not None else None
        with system.db.read() as tx:
            chosen = examples.decided_cases(tx, since=start, limit=limit)
        # On stderr, so that --json can be piped on.
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            task = bar.add_task("replaying", total=len(chosen))
            replayed = list(
                replay(
                    system.db,
                    system.agents,
                    candidate,
                    chosen,
                    task="eval",
                    clock=system.clock,
                    at_once=at_once,
                    told=lambda: bar.advance(task),
                )
            )
    named = f"{candidate.name} under {policy}" if policy is not None else candidate.name
    report = of_replay(named, replayed)
    _show(report, as_json=as_json, markdown=markdown, nothing="No person has decided anything in a closed case yet.")
    failed = [one for one in replayed if one.error is not None]
    if failed and not as_json and not markdown:
        say(f"{len(failed)} cases gave nothing, the first of them: {failed[0].error}")
    if report.then.dangerous > report.live.dangerous:
        sys.exit(1)


def shadow(
    candidate: Annotated[
        str | None, typer.Argument(help="A candidate as it was named. [default: the one that answered last]")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="Answers of so many days.")] = 30,
    markdown: Annotated[bool, MARKDOWN] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the shadow with the live drafts and with what people decided.

    The shadow is set with CASEWORKER_SHADOW; it runs behind the work and changes nothing.
    """
    with opening.database() as db, db.read() as tx:
        known = shadows.candidates(tx)
        chosen = candidate or next((name for name, _ in known), None)
        if chosen is None:
            raise Failure("No shadow has answered yet. CASEWORKER_SHADOW sets one; docs/learning.md says how.")
        if chosen not in dict(known):
            raise Failure(f"There is no candidate {chosen!r}; there are {', '.join(name for name, _ in known)}.")
        answers = shadows.listing(tx, candidate=chosen, since=opening.now() - timedelta(days=days))
    _show(of_shadow(chosen, answers), as_json=as_json, markdown=markdown, nothing="No answer in these days.")


def _show(report: Report, *, as_json: bool, markdown: bool, nothing: str) -> None:
    if as_json:
        show_json(report.as_json())
    elif markdown:
        typer.echo(report.markdown())
    else:
        rows = report.rows() if report.cases else []
        title = f"{report.candidate} on {report.cases} decided cases"
        show_table(title, ("against what people decided", "as it was", "candidate"), rows, nothing=nothing, fixed=3)
        for case, danger in report.worst[:SHOWN]:
            say(f"{case}  {danger}")
