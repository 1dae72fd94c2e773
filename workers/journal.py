"""Writing a step down: what it read (as a digest), what came of it, what the model used, and a line in the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from integrations.errors import Permanent
from integrations.models.base import ModelAnswer
from workers.actions.digest import digest_of
from workers.store import audit, steps
from workers.store.audit import Note
from workers.store.database import Tx
from workers.store.records import Case, Step
from workers.wiring import System


def record_step(
    system: System,
    tx: Tx,
    case: Case,
    name: str,
    started: datetime,
    inputs: Mapping[str, Any],
    output: Mapping[str, Any],
    answer: ModelAnswer[Any] | None = None,
    *,
    notes: Sequence[Note] = (),
) -> None:
    """Journal one step of a case's present round. A second recording of the same step breaks the unique key."""
    now = system.clock()
    digest = digest_of(_without_floats(inputs))
    steps.record(
        tx,
        case_id=case.id,
        round=case.round,
        name=name,
        input_digest=digest,
        output=output,
        started_at=started,
        finished_at=now,
    )
    data: dict[str, Any] = {"round": case.round, "input": digest, "output": digest_of(_without_floats(output))}
    if answer is not None:
        usage = asdict(answer.usage)
        steps.add_usage(tx, {**usage, "case_id": case.id, "round": case.round, "step": name, "at": now})
        data |= {"provider": answer.usage.provider, "model": answer.usage.model}
    audit.append(tx, case.id, now, Note("caseworker", name, data), *notes)


def output_of(step: Step | None) -> Mapping[str, Any]:
    if step is None:
        raise Permanent("A step that this one builds on was never recorded.")
    return step.output


def _without_floats(value: Any) -> Any:
    """Confidences as text: a digest must not depend on how a float is printed elsewhere."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {key: _without_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_floats(item) for item in value]
    return value
