"""The journal of a case: what a worker knows of it while it works, and how a step is written down.

A step's record holds what it read (as a digest), what came of it and what the model used, with a line for the audit log.
The pipeline and `workers.deliberation` commit these rows with `record`, and read them back where an earlier worker left off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integrations.base import Record
from integrations.errors import IntegrationError, Permanent
from integrations.models.base import ModelAnswer, ToolUse, Usage
from workers import faults
from workers.actions.digest import rough_digest_of
from workers.store import bill, findings, outage, steps
from workers.store.audit import Chain, Note
from workers.store.cases import LostClaim
from workers.store.database import Database
from workers.store.flow import Progress
from workers.store.ids import new_id
from workers.store.record_digest import DIGITS
from workers.store.records import Case, Event, Fact, Step
from workers.store.rows import shallow
from workers.store.step_rows import together
from workers.wiring import System


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed case with what its worker knows of it: as it was read at the claim, or as it has just been recorded."""

    case: Case
    chain: Chain
    events: Sequence[Event]
    #: the triage of this round, or of the round that it builds on
    triage: Mapping[str, Any] | None = None
    facts: Sequence[Fact] | None = None
    missing: Sequence[str] = ()
    #: what was looked up, which is written down together with what comes next
    found: Entry | None = None

    @property
    def worked(self) -> Sequence[Event]:
        """The events that the present round answers."""
        return self.events[: self.case.events_worked]


@dataclass(frozen=True, slots=True)
class Entry:
    """A step as it is written down: its row, with the call that answered it; calls that were paid for in vain before that; and
    what the audit log says."""

    step: Mapping[str, Any]
    usage: Sequence[Mapping[str, Any]]
    note: Note


def entry(
    case: Case,
    name: str,
    times: tuple[datetime, datetime],
    inputs: Mapping[str, Any],
    output: Mapping[str, Any],
    answer: ModelAnswer[Any] | ToolUse | None = None,
    *,
    paid: Sequence[Usage] = (),
    remarks: Sequence[str] = (),
) -> Entry:
    """One step of a case's present round, from its start to its end. A second one of the same name breaks a unique key.

    `paid` is what a step used that is no model's answer; `remarks` are what people should know of it.
    """
    started, finished = times
    # Most cases have one round: the log says which only of the others.
    data: dict[str, Any] = {"round": case.round} if case.round > 1 else {}
    data |= {"input": rough_digest_of(inputs)[:DIGITS], "output": rough_digest_of(output)[:DIGITS]}
    if answer is not None:
        paid, remarks = (*answer.earlier, answer.usage), (*answer.remarks, *remarks)
        data |= {"provider": answer.usage.provider, "model": answer.usage.model}
    if remarks:
        data["remarks"] = list(remarks)
    answered, earlier = bill.of_step(case, name, paid, finished)
    step = {
        "case_id": case.id,
        "round": case.round,
        "name": name,
        "output": dict(output),
        "started_at": started,
        "finished_at": finished,
        **answered,
    }
    return Entry(step, earlier, Note("caseworker", name, data))


def rows_of(entries: Sequence[Entry]) -> list[Mapping[str, Any]]:
    """The rows of one commit's steps."""
    return together([made.step for made in entries])


def usage_rows(
    case: Case, step: str, paid: Sequence[Usage], now: datetime, *, answered: bool = True
) -> list[dict[str, Any]]:
    """A row of the bill for each call that was paid for, in order: the last is the one that answered, if any did."""
    return bill.entries(case, step, bill.task_of(step), paid, now, answered=answered)


def recalled(db: Database, work: Work) -> Work:
    """With what earlier steps recorded, where this worker did not make them itself."""
    if work.triage is not None and work.facts is not None:
        return work
    with db.read() as tx:
        triaged = output_of(steps.latest(tx, work.case.id, "triage", up_to_round=work.case.round))
        gathered = steps.latest(tx, work.case.id, "gather", up_to_round=work.case.round)
        facts = steps.facts_of(tx, work.case.id, up_to_round=work.case.round)
    missing = gathered.output.get("missing", ()) if gathered is not None else ()
    return Work(work.case, work.chain, work.events, triaged, facts, missing)


def record(
    system: System,
    work: Work,
    changes: Mapping[str, Any],
    entries: Sequence[Entry],
    *,
    facts: Sequence[Fact] = (),
    point: str | None = None,
    told_later: bool = False,
) -> Work:
    """Commit a step: its record, what it found, and where the case stands next. Raise `LostClaim`.

    `told_later` leaves it to the next entry of the log to tell of it, which whoever writes that cannot leave out.
    `point` names the crash points around the commit, where it is not the case's step.
    """
    if work.found is not None:
        changes, entries = {"step": work.case.step, **changes}, [work.found, *entries]
    progress = Progress(
        changes,
        steps=rows_of(entries),
        usage=[row for made in entries for row in made.usage],
        facts=[shallow(fact) for fact in facts],
        notes=[made.note for made in entries],
        told_later=told_later,
    )
    name = point or work.case.step
    faults.point(f"case.{name}.committing")
    case, chain = outage.record(system.db, work.case, work.chain, progress, now=system.clock())
    faults.point(f"case.{name}.committed")
    return replace(work, case=case, chain=chain, found=None)


def record_findings(system: System, work: Work) -> Work:
    """With what was looked up written down by itself, where nothing comes for now that it could be written with."""
    if work.found is None:
        return work
    try:
        return record(system, work, {}, [])
    except LostClaim:
        # Whoever has the case looks for themselves.
        return work


def gathered(made: Entry, facts: Sequence[Fact]) -> Entry:
    """A gathering with what it found."""
    return replace(made, step={**made.step, "output": findings.with_facts(made.step["output"], facts)})


def found_as_fact(
    case: Case, round_: int, position: int, name: str, record: Record, now: datetime, *, known_as: str = ""
) -> Fact:
    """A record that was read, as evidence of a case. What is gathered is known by its place (`findings.id_of`). Raise
    `IntegrationError` for what cannot be kept: that must be known before a model is paid to draw on it."""
    _refuse_unfit(name, record)
    return Fact(
        id=known_as or new_id("fact"),
        case_id=case.id,
        round=round_,
        position=position,
        name=name,
        ref=record.ref,
        kind=record.kind,
        title=record.title[:300],
        data=dict(record.data),
        version=record.version,
        trusted=record.trusted,
        url=record.url,
        fetched_at=now,
    )


def _refuse_unfit(name: str, read: object) -> None:
    if not isinstance(read, Record):
        raise IntegrationError(f"What “{name}” read is a {type(read).__name__} and no Record.")
    try:
        json.dumps(read.data, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise IntegrationError(f"What “{name}” read as {read.ref} is no plain JSON: {error}.") from error


def output_of(step: Step | None) -> Mapping[str, Any]:
    if step is None:
        raise Permanent("A step that this one builds on was never recorded.")
    return step.output
