"""Steps in rows as versions before wrote them: for tests that these are still read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert

from workers.store import calls, steps
from workers.store.ids import new_id
from workers.store.tables import steps as step_rows


def as_versions_before_wrote_them(tx: Connection, case_id: str, outputs: Mapping[str, Any] | None = None) -> None:
    """All steps of a case in rows of their own, what they came to in JSON (where PostgreSQL has it packed as text), each call
    that answered in a row of the bill. `outputs` says what steps of some names came to, in place of what they did.
    """
    rows = []
    for step in steps.of_case(tx, case_id):
        whole = steps.whole(tx, case_id, step.name, up_to_round=step.round)
        assert whole is not None
        output = (outputs or {}).get(step.name, dict(whole.output))
        kept = {"id": new_id("step"), "input_digest": "0" * 64, "output": output}
        names = ("case_id", "round", "name", "started_at", "finished_at")
        rows.append({**kept, **{name: getattr(step, name) for name in names}})
    used = [use for use in steps.usage_of(tx, case_id) if use.outcome == calls.OK]
    tx.execute(delete(step_rows).where(step_rows.c.case_id == case_id))
    tx.execute(insert(step_rows), rows)
    for use in used:
        row = {name: getattr(use, name) for name in ("case_id", "round", "step", *calls.USED, "at")}
        steps.add_usage(tx, {**row, "id": new_id("use"), "task": None, "outcome": None, "domain": None})
