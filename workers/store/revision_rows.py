"""Every revision of every action as rows of one kind, wherever it is kept.

What an action was first judged as stands in its own row, packed (`actions.first_revision`), where the commit that decides it is
one statement on PostgreSQL: they are written together, and a row beside it costs the log more than what it says. Any later revision,
and every one on SQLite, of the long ways and of versions before, is a row of `revisions`; no revision is in both. Called by all that
read revisions, with `WRITTEN` in their condition; they must never read the table by itself for a first one, and only `flow_postgresql` and
`set_apart` write the column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    RowMapping,
    Select,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)

from workers.store import action_rows
from workers.store.database import Tx
from workers.store.tables import actions
from workers.store.tables import revisions as rows

FIRST = 1
#: who drafts, as an author. Whatever else wrote a revision has it in a row, where statements look for people
_AGENT = "agent:"
# Without a condition: PostgreSQL takes both tables for one only where there is none, and finds a row of either by its index.
_IN_ROWS = select(*rows.c)
_IN_ACTIONS = {
    "action_id": actions.c.id,
    "revision": literal(FIRST, Integer),
    "author": actions.c.author,
    "created_at": actions.c.created_at,
    "packed": actions.c.first_revision,
}
revisions = union_all(
    _IN_ROWS,
    select(*(_IN_ACTIONS.get(c.name, cast(null(), c.type)).label(c.name) for c in rows.c)),
).subquery("revisions")
#: what is a revision: an action whose first is a row, or is not there, has none of its own
WRITTEN = revisions.c.author.is_not(None)


@dataclass(frozen=True, slots=True)
class Along:
    """One revision of each of many actions, to be read along with them, in the order of the actions and no more than is asked for."""

    #: what both are selected from
    both: FromClause
    author: ColumnElement[str]
    record: ColumnElement[Any]
    packed: ColumnElement[bytes]
    there: ColumnElement[bool]


def along(number: ColumnElement[int] | int = FIRST, *narrowed: ColumnElement[bool]) -> Along:
    """`number` tells which revision, `narrowed` spares looking through rows that are not of the actions asked for."""
    which = literal(number, Integer) if isinstance(number, int) else number
    inside = case((which == FIRST, actions.c.first_revision))
    return Along(
        actions.outerjoin(rows, and_(rows.c.action_id == actions.c.id, rows.c.revision == which, *narrowed)),
        func.coalesce(rows.c.author, actions.c.author),
        rows.c.record,
        func.coalesce(rows.c.packed, inside),
        or_(rows.c.action_id.is_not(None), inside.is_not(None)),
    )


def together(
    actions_: Sequence[Mapping[str, Any]], revisions_: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of both tables for a statement that takes them as JSON, first revisions in the rows of their actions."""
    firsts = {row["action_id"]: row for row in revisions_ if row["revision"] == FIRST}
    packed, inside = [], set()
    for row in actions_:
        made = action_rows.packed_action(row)
        first = firsts.get(row["id"])
        if first is not None and first["author"].startswith(_AGENT) and first["created_at"] == row["created_at"]:
            made |= {"first_revision": action_rows.packed_revision(first)["packed"], "author": first["author"]}
            inside.add(row["id"])
        packed.append(made)
    beside = [row for row in revisions_ if row["revision"] != FIRST or row["action_id"] not in inside]
    return packed, [action_rows.packed_revision(row) for row in beside]


def first_in(row: RowMapping) -> dict[str, Any] | None:
    """The row of `revisions` that a row of `actions` tells; None where its first revision is kept there, or nowhere."""
    if row["first_revision"] is None:
        return None
    told = {name: row[column.name] for name, column in _IN_ACTIONS.items() if name != "revision"}
    return {**dict.fromkeys(c.name for c in rows.c), **told, "revision": FIRST}


def set_apart(tx: Tx, case_ids: Sequence[str]) -> None:
    """Give the first revisions of these cases' actions rows of their own: for whoever has to change what is in them."""
    firsts = tx.execute(_with_first(case_ids)).mappings().all()
    if laid := [first for row in firsts if (first := first_in(row)) is not None]:
        # Nothing, and not what JSON calls nothing, stands in the other columns.
        tx.execute(insert(rows), [{name: first[name] for name in _IN_ACTIONS} for first in laid])
        of_firsts = actions.c.id.in_([first["action_id"] for first in laid])
        tx.execute(update(actions).where(of_firsts).values(dict.fromkeys(action_rows.FIRST_REVISION)))


def count_in_actions(tx: Tx, case_ids: Sequence[str]) -> int:
    """How many revisions of these cases have no row of their own."""
    return int(tx.execute(_with_first(case_ids).with_only_columns(func.count())).scalar_one())


def _with_first(case_ids: Sequence[str]) -> Select[Any]:
    return select(actions).where(actions.c.case_id.in_(case_ids), actions.c.first_revision.is_not(None))
