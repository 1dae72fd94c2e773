"""How a step is kept: what it came to in packed bytes on PostgreSQL and as plain JSON on SQLite, with the model call that it is.

A gathering that is committed together with its draft has no row of its own: it is in the draft's, with its own times. Whoever
reads steps gets two of them all the same. Rows of earlier versions, with their output in JSON and nothing beside it, are read as
they are. Called by `steps` and `flow_postgresql`, which write rows, and by all that read them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, or_

from workers.store.findings import GATHER
from workers.store.ids import new_id
from workers.store.packing import OF_STEPS, in_bytes
from workers.store.records import Step
from workers.store.tables import steps

DRAFT = "draft"
#: where in the output of a draft the gathering is that was committed with it
GATHERED = "gathered"
#: in the column of JSON, where the packed bytes beside it tell the output: nothing that code from before takes for one
ELSEWHERE = True
#: what a step is read from
READ = (
    steps.c.case_id,
    steps.c.round,
    steps.c.name,
    steps.c.output,
    steps.c.packed,
    steps.c.started_at,
    steps.c.finished_at,
    steps.c.gathered_from,
    steps.c.gathered_at,
)
#: where a row has its output
OUTPUT = (steps.c.output, steps.c.packed)
#: rows that hold a gathering
HAS_GATHERED = or_(steps.c.name == GATHER, steps.c.gathered_at.is_not(None))
#: columns by their names in a statement, and what the others of a packed row are
_NAMES = {column.name: f"step_{column.name}" for column in steps.c}
COLUMNS = {name: column for column, name in _NAMES.items()}
UNUSED = {"id": "''", "input_digest": "''", "output": f"'{json.dumps(ELSEWHERE)}'"}
_IN_ORDER = ("triage", GATHER, "plan", "turn", "ask", "answer", DRAFT, "decide")


def packed_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for PostgreSQL, with its bytes as they are written in JSON."""
    return {
        **row,
        "id": "",
        "input_digest": "",
        "output": ELSEWHERE,
        "packed": f"\\x{in_bytes(row['output'], OF_STEPS).hex()}",
    }


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same as plain values by the names of a statement, where there is something to say. Numbers are in figures: so each has
    the same type whatever its size."""
    values = {
        _NAMES[name]: str(value) if isinstance(value, int) else value
        for name, value in row.items()
        if value is not None and name != "output"
    }
    values["step_packed"] = in_bytes(row["output"], OF_STEPS)
    return values


def bound_row(row: Mapping[str, Any], *, sqlite: bool) -> dict[str, Any]:
    """A row as SQLAlchemy sends it."""
    known = {**_UNKNOWN, **row, "input_digest": ""}
    if sqlite:
        return {**known, "id": new_id("step")}
    return {**known, "id": "", "output": ELSEWHERE, "packed": row["output"]}


def together(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of one commit, a gathering in that of the draft which rests on it."""
    if [row["name"] for row in rows] != [GATHER, DRAFT]:
        return list(rows)
    found, made = rows
    return [
        {
            **made,
            "output": {**made["output"], GATHERED: found["output"]},
            "gathered_from": found["started_at"],
            "gathered_at": found["finished_at"],
        }
    ]


def output_of(stored: Any, packed: Any) -> Mapping[str, Any]:
    """What stands in the two columns of an output."""
    output: Mapping[str, Any] = stored if packed is None else packed
    return output


def unpacked_row(row: RowMapping) -> dict[str, Any]:
    """A row as a file shows it to whoever reads it without us: its output in words."""
    return {name: value for name, value in row.items() if name != "packed"} | {
        "output": output_of(row["output"], row["packed"])
    }


def steps_in(row: Sequence[Any]) -> list[Step]:
    """The steps of a row of `READ`, in their order."""
    case_id, round_, name, stored, packed, started, finished, gathered_from, gathered_at = row
    output = output_of(stored, packed)
    if gathered_at is None:
        return [Step(case_id, round_, name, output, started, finished)]
    return [
        Step(case_id, round_, GATHER, output.get(GATHERED, {}), gathered_from, gathered_at),
        Step(case_id, round_, name, without_gathered(output), started, finished),
    ]


def without_gathered(output: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in output.items() if name != GATHERED}


def place(name: str) -> tuple[int, ...]:
    """What tells steps apart that ended at the same moment: triage first, turns and their look-ups by number, then the draft."""
    kind = name.partition("-")[0]
    numbers = (int(number) for number in re.findall(r"\d+", name))
    return (_IN_ORDER.index(kind) if kind in _IN_ORDER else len(_IN_ORDER), *numbers)


def in_order(found: Sequence[Step]) -> list[Step]:
    return sorted(found, key=_moment)


def _moment(step: Step) -> tuple[datetime, int, tuple[int, ...]]:
    return step.finished_at, step.round, place(step.name)


_UNKNOWN = {column.name: None for column in steps.c if column.nullable}
