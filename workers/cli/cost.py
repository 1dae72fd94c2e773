"""``caseworker cost``: what models have cost, by domain, model, day, task or case."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from workers.cli import opening
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json, show_table
from workers.store import bill
from workers.store.bill import Line

app = typer.Typer(add_completion=False)

LATELY = "30d"
MOST_LINES = 200


class By(StrEnum):
    DOMAIN = "domain"
    MODEL = "model"
    DAY = "day"
    TASK = "task"
    CASE = "case"


@app.command()
def cost(
    by: Annotated[By, typer.Option(help="What makes a line.")] = By.DOMAIN,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="A day (2026-11-01, UTC), or how far back: 12h, 7d, 4w.")
    ] = LATELY,
    as_json: AsJson = False,
) -> None:
    """Say what models have cost, by domain, model, day, task or case.

    As far as prices are known. Calls that failed or came too late are counted where they were paid for. Cached tokens stand apart: they were read
    from the provider's cache, at a fraction of the price.
    """
    begin = _moment(since, opening.now())
    with opening.database() as db, db.read() as tx:
        # Days are few, and the latest of them come last.
        lines = bill.lines(tx, by.value, since=begin, limit=None if by is By.DAY else MOST_LINES)
        whole = bill.total(tx, since=begin)
    if as_json:
        show_json({"since": begin, "by": by.value, "lines": lines, "total": whole})
        return
    columns = (by.value, "calls", "failed", "input", "cached", "output", "s a call", "USD")
    rows = [_row(line) for line in lines]
    if len(rows) > 1:
        rows.append(_row(whole))
    show_table(f"Since {begin:%Y-%m-%d %H:%M} UTC", columns, rows, nothing="No model was paid for anything.")
    if len(lines) == MOST_LINES and by is not By.DAY:
        say(f"The {MOST_LINES} that cost most; the last line is the sum of all.")
    if whole.unpriced:
        say(f"{whole.unpriced} calls have no known price and count as nothing.")


def _row(line: Line) -> tuple[object, ...]:
    failed = line.failed + line.hedged
    read = line.input_tokens + line.cache_write_tokens
    counts = [f"{count:,}" for count in (read, line.cached_tokens, line.output_tokens)]
    seconds = f"{line.seconds / line.calls:.1f}" if line.calls else ""
    return line.key, f"{line.calls:,}", failed or "", *counts, seconds, f"{line.cost_usd:.4f}"


def _moment(text: str, now: datetime) -> datetime:
    back = re.fullmatch(r"(\d{1,4})\s*([hdw])", text.strip())
    if back is not None:
        return now - int(back[1]) * {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}[back[2]]
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Failure(f"{text!r} is no time: write a day as 2026-11-01, or how far back as 12h, 7d, 4w.") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
