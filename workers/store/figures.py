"""Numbers about the whole installation, the same whoever asks: what waits, what is due, what lately happened.

Asked every few seconds by metrics and `caseworker doctor`, so nothing here may read what is closed: open rows are found by
the partial indexes, and what happened lately by its id, which begins with the time, or by when it ended. A million closed
cases cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Float,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)

from workers.store import calls, unsettled
from workers.store.database import Tx
from workers.store.findings import GATHER
from workers.store.ids import first_id
from workers.store.records import ActionState
from workers.store.tables import (
    actions,
    attempts,
    cases,
    dead_letters,
    events,
    processes,
    quarantine,
    steps,
)

#: bounds in seconds of the steps' times
STEP_BOUNDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: more than so many of what should be none is shown as so many
ENOUGH = 10_000
#: most sources, kinds or models that are told apart
MOST_LABELS = 50


@dataclass(frozen=True, slots=True)
class OpenCases:
    """Open cases of a domain in a state. `due` are those that nobody works on though it is time."""

    domain: str
    state: str
    count: int
    claimed: int
    due: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class OpenActions:
    """Actions of a kind that have not come to their end."""

    kind: str
    state: str
    count: int
    due: int
    oldest_due: datetime | None
    oldest: datetime


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Of a step, how many lately took at most as long as each of `STEP_BOUNDS`, the last without a bound."""

    name: str
    counts: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class ModelUse:
    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Tried:
    """Attempts to carry out actions of a kind, by how they ended; `open` where they have not."""

    kind: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """Events of a source, and how often one of them was delivered again."""

    source: str
    count: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Figures:
    cases: Sequence[OpenCases]
    actions: Sequence[OpenActions]
    processes: Sequence[tuple[str, int]]
    dead_letters: int
    quarantined: int
    steps: Sequence[StepTimes]
    models: Sequence[ModelUse]
    attempts: Sequence[Tried]
    events: Sequence[Arrived]


def take(tx: Tx, now: datetime, *, since: datetime, seen_within: timedelta) -> Figures:
    """Everything at once. What happened lately is what happened from `since` on; a process lives that was seen within."""
    found: dict[str, list[Any]] = {
        name: list(tx.execute(query)) for name, query in queries(now, since, seen_within, sqlite=_is_sqlite(tx)).items()
    }
    return Figures(
        cases=[OpenCases(*row) for row in found["cases"]],
        actions=[OpenActions(*row) for row in found["actions"]],
        processes=[(row[0], row[1]) for row in found["processes"]],
        dead_letters=found["dead_letters"][0][0],
        quarantined=found["quarantine"][0][0],
        steps=_by_kind(found["steps"]),
        models=[
            ModelUse(row[0], row[1], row[2], int(row[3]), int(row[4]), float(row[5] or 0)) for row in found["models"]
        ],
        attempts=[Tried(*row) for row in found["attempts"]],
        events=[Arrived(row[0], row[1], int(row[2])) for row in found["events"]],
    )


def queries(now: datetime, since: datetime, seen_within: timedelta, *, sqlite: bool) -> dict[str, Executable]:
    """The questions by name."""
    # A claim that ran out is due, whatever name still stands on it.
    due_case = and_(cases.c.wake_at <= now, or_(cases.c.held_until.is_(None), cases.c.held_until <= now))
    due_since = case((cases.c.held_until > cases.c.wake_at, cases.c.held_until), else_=cases.c.wake_at)
    told = (actions.c.kind, actions.c.state, actions.c.created_at)
    quiet = unsettled.quietly(*told, actions.c.held_until)
    not_over = union_all(select(*told, actions.c.wake_at).where(actions.c.standing.is_not(None)), quiet).subquery().c
    due_action = not_over.wake_at <= now
    worked_on = and_(cases.c.claimed_by.is_not(None), or_(cases.c.wake_at > now, cases.c.held_until > now))
    lately = _steps_since(since).c
    took = _seconds(lately.started_at, lately.finished_at, sqlite=sqlite)
    paid = calls.since(since).c
    ended = func.coalesce(attempts.c.outcome, "open").label("ended")
    # Of an attempt without a row the action tells (`actions.told_attempt`). Counted and not asked for by EXISTS, of which the
    # planner may make a join that reads all attempts there are.
    rows_of = select(func.count()).where(attempts.c.action_id == actions.c.id).correlate(actions).scalar_subquery()
    done = actions.c.state == ActionState.DONE
    tried = union_all(
        select(actions.c.kind, ended)
        .join_from(attempts, actions, actions.c.id == attempts.c.action_id)
        .where(attempts.c.id >= first_id("try", since)),
        select(actions.c.kind, case((done, "done"), else_="open").label("ended")).where(
            actions.c.id >= first_id("act", since),
            actions.c.state.in_([ActionState.DONE, ActionState.EXECUTING]),
            actions.c.tries > 0,
            rows_of == 0,
        ),
    ).subquery()
    return {
        "cases": select(
            cases.c.domain,
            cases.c.state,
            func.count(),
            func.count().filter(worked_on),
            func.count().filter(due_case),
            func.min(due_since).filter(due_case),
        )
        .where(cases.c.closed_at.is_(None))
        .group_by(cases.c.domain, cases.c.state),
        "actions": select(
            not_over.kind,
            not_over.state,
            func.count(),
            func.count().filter(due_action),
            func.min(not_over.wake_at).filter(due_action),
            func.min(not_over.created_at),
        ).group_by(not_over.kind, not_over.state),
        "processes": select(processes.c.kind, func.count())
        .where(processes.c.seen_at >= now - seen_within)
        .group_by(processes.c.kind),
        "dead_letters": _few(dead_letters.c.id, dead_letters.c.replayed_at.is_(None)),
        "quarantine": _few(quarantine.c.id, quarantine.c.replayed_at.is_(None)),
        "steps": select(
            lately.name,
            func.sum(took),
            *(func.count().filter(took <= bound) for bound in STEP_BOUNDS),
            func.count(),
        ).group_by(lately.name),
        "models": select(
            paid.provider,
            paid.model,
            func.count(),
            func.sum(paid.input_tokens),
            func.sum(paid.output_tokens),
            func.sum(paid.cost_usd),
        )
        .group_by(paid.provider, paid.model)
        .order_by(func.count().desc())
        .limit(MOST_LABELS),
        "attempts": select(tried.c.kind, tried.c.ended, func.count()).group_by(tried.c.kind, tried.c.ended),
        "events": select(events.c.source, func.count(), func.sum(events.c.duplicates))
        .where(events.c.id >= first_id("evt", since))
        .group_by(events.c.source)
        .order_by(func.count().desc())
        .limit(MOST_LABELS),
    }


def _steps_since(since: datetime) -> Subquery:
    """Steps that were written down since, with the gatherings that have no row of their own."""
    lately = steps.c.finished_at >= since
    gathered = select(literal(GATHER), steps.c.gathered_from, steps.c.gathered_at)
    return union_all(
        select(steps.c.name, steps.c.started_at, steps.c.finished_at).where(lately),
        gathered.where(lately, steps.c.gathered_at.is_not(None)),
    ).subquery("lately")


def _by_kind(rows: Sequence[Any]) -> list[StepTimes]:
    """Turns and look-ups have numbers in their names (``turn-2``, ``turn-2.1``) and are counted as one kind each."""
    summed: dict[str, StepTimes] = {}
    for name, seconds, *counts in rows:
        kind = name if not name.startswith("turn-") else "look-up" if "." in name else "turn"
        before = summed.get(kind, StepTimes(kind, (0,) * len(counts), 0.0))
        added = tuple(int(count) + known for count, known in zip(counts, before.counts, strict=True))
        summed[kind] = StepTimes(kind, added, before.seconds + float(seconds))
    return list(summed.values())


def _few(column: ColumnElement[str], condition: ColumnElement[bool]) -> Executable:
    """How many there are, counting no further than is worth knowing."""
    return select(func.count()).select_from(select(column).where(condition).limit(ENOUGH).subquery())


def _seconds(start: ColumnElement[Any], end: ColumnElement[Any], *, sqlite: bool) -> ColumnElement[float]:
    if sqlite:
        apart = (func.julianday(cast(end, Text)) - func.julianday(cast(start, Text))) * literal(86400.0)
    else:
        apart = cast(func.extract("epoch", end - start), Float)
    # Clocks that were set back would make a step end before it began.
    return case((apart < 0, 0.0), else_=apart)


def _is_sqlite(tx: Tx) -> bool:
    return tx.dialect.name == "sqlite"
