"""``caseworker policy backtest``: another policy on what was decided.

Reads and changes nothing. Exit status 1 means that more would run by itself of which it is known that a person was needed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from policies import loader
from policies.rules import Policy
from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_table
from workers.inbox.backtest_report import standalone
from workers.rehearsal import past
from workers.rehearsal.past import Rehearsed
from workers.rehearsal.told import Told, tell
from workers.store.database import Database
from workers.store.decided import Window

#: differing actions that are printed; --json and --html have all that are kept
SHOWN = 30
_DAYS = re.compile(r"(\d{1,5})d")

Since = Annotated[
    str | None, typer.Option(metavar="DAY|30d", help="Only what was drafted since this day (UTC), or in so many days.")
]


def backtest(
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", hidden=True)] = None,
    bundle: Annotated[Path | None, typer.Option(metavar="DIR", help="The policy to try: a folder of bundles.")] = None,
    since: Since = None,
    domain: Annotated[str | None, typer.Option(help="Only this domain.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind of action.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the latest.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as a page, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge what was decided once more under another policy, from the facts that were kept, and show what would differ.

    Exit status 1 when more would run by itself of which it is known that a person was needed.
    """
    chosen = bundle or directory
    if chosen is None:
        raise Failure("Say which policy to try: --bundle DIR.")
    policy = loader.load(chosen)
    now = opening.now()
    window = Window(since=moment(since, now), domain=domain, kind=kind, limit=limit)
    with opening.database() as db:
        found = _rehearsed(db, policy, window)
    report = found.report.as_json()
    told = tell(report, archived=found.archived)
    if html is not None:
        try:
            html.write_text(standalone(told, now=now), encoding="utf-8")
        except OSError as error:
            raise Failure(f"The report cannot be written to {html}: {error.strerror}.") from error
    if as_json:
        show_json({**report, "archived": found.archived, "dangerous": told.dangerous})
    else:
        _show(told)
        if html is not None:
            say(f"The page is at {html}.")
    if told.dangerous:
        sys.exit(1)


def moment(text: str | None, now: datetime) -> datetime | None:
    """A day, or so many days before now. Raise `Failure` for anything else."""
    if text is None:
        return None
    days = _DAYS.fullmatch(text.strip())
    try:
        if days is not None:
            return now - timedelta(days=int(days[1]))
        start = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise Failure(f"--since {text!r} is no day: write 2026-10-01, or 30d for the last thirty days.") from error
    return start if start.tzinfo is not None else start.replace(tzinfo=UTC)


# ── backtest ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rehearsed(db: Database, policy: Policy, window: Window) -> Rehearsed:
    with bar("judging again", past.total(db, window)) as moved:
        return past.rehearse(db, policy, window, told=moved)


def _show(told: Told) -> None:
    say(told.headline)
    for sentence in told.sentences:
        say(sentence)
    if not told.differing:
        return
    say("")
    sides = [(name, f"{was:,}", f"{now:,}", f"{now - was:+,}") for name, was, now in told.sides]
    show_table(f"Under {told.policy}", ("outcome", "as it was", "would be", ""), sides, nothing="", fixed=4)
    say("")
    rules = [(r.rule, r.matched, r.before, r.after, f"+{r.gained} -{r.lost}", r.failed or "") for r in told.rules]
    columns = ("rule", "matches", "decided", "would decide", "of what differs", "failed")
    show_table("By rule", columns, rules, nothing="No rule decides more or less than before.", fixed=6)
    say("")
    money = [(line.currency, line.move, f"{line.count:,}", line.amount) for line in told.money]
    show_table("Money at stake", ("currency", "from → to", "actions", "amount"), money, nothing="No money is at stake.")
    say("")
    rows = [(d.id, d.kind, d.amount, d.was, d.would_be, d.became) for d in told.changes[:SHOWN]]
    columns = ("action", "kind", "amount", "was", "would be", "what became of it")
    show_table("What would be judged differently", columns, rows, nothing="")
    if told.differing > len(rows):
        say(f"… and {told.differing - len(rows):,} more.")


# ── how far it is ────────────────────────────────────────────────────────────────────────────────────────────────────


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal that is told how many are done. On stderr, so that --json can be piped on."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.update(task, completed=done)
