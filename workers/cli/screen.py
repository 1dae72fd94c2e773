"""How commands show what they found: a table for people, JSON for programs.

Columns are as wide as a terminal allows; where the output is no terminal nothing is cut, so that ids can be piped on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: the option that every listing has
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
#: the option of every command that acts for a person
AsPerson = Annotated[
    str | None, typer.Option("--as", metavar="EMAIL", help="Who decides. Not needed where there is one person.")
]

#: so many days back there still is a calendar
LONGEST_DAYS = 36_500

WIDE = 200


def console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDE, highlight=False)


def say(text: str) -> None:
    """A line for people, taken literally: what came from outside cannot colour or break it."""
    console().print(_literal(text), soft_wrap=True)


def show_json(value: Any) -> None:
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


def show_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, nothing: str, fixed: int = 1
) -> None:
    """A table, or the sentence `nothing`. The first `fixed` columns are never broken: they hold ids."""
    filled = [[_literal(str(cell)) for cell in row] for row in rows]
    if not filled:
        say(nothing)
        return
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=place < fixed, overflow="fold")
    for row in filled:
        table.add_row(*row)
    console().print(table)


def show_replayed(results: Sequence[tuple[str, bool, str]], *, as_json: bool) -> None:
    """What came of each that was received again: its id, whether it came in, and a sentence. Exit status 1 if one did not."""
    if as_json:
        show_json([{"id": one, "ok": ok, "result": result} for one, ok, result in results])
    elif not results:
        say("Nothing is to be replayed.")
    else:
        for one, _, result in results:
            say(f"{one}: {result}")
    if not all(ok for _, ok, _ in results):
        sys.exit(1)


def plain(value: Any) -> Any:
    """Records as JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, in its largest unit: ``3 min``."""
    if moment is None:
        return ""
    passed = max(now - moment, timedelta(0))
    for unit, size in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if passed >= size:
            return f"{passed // size} {unit}"
    return f"{passed.seconds} s"


def _literal(text: str) -> Text:
    """Text as it is, but for what would steer the terminal or turn its line around: that is shown as an escape."""
    return Text("".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text))
