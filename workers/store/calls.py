"""Every call of a model that was paid for, wherever it is on record, as rows of one kind.

A call that answered a step stands in the step's row; one that gave nothing, that came late, or that no step was waiting for has a
row of `model_usage`, and so has every call that earlier versions recorded. Called by `bill`, `figures` and `steps`, which put
sums and lists over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, Subquery, Text, case, func, literal, select, union_all

from workers.store.ids import first_id
from workers.store.tables import cases, model_usage, steps

OK, FAILED, HEDGED = "ok", "failed", "hedged"
#: what is known of a call, by the same names in both tables
USED = (
    "provider",
    "model",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "latency_ms",
    "cost_usd",
    "request_id",
    "stop_reason",
)
#: clocks of processes differ by less; ids are made by one clock, `at` may come from another
SLACK = timedelta(days=1)
#: no id was made before
FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def since(moment: datetime) -> Subquery:
    """All calls from a moment on, found without reading what is long over."""
    earliest = max(moment, FIRST) - SLACK
    return _both(
        (model_usage.c.id >= first_id("use", earliest), model_usage.c.at >= moment),
        (steps.c.finished_at >= moment,),
    )


def of(case_ids: Sequence[str]) -> Subquery:
    """All calls for these cases."""
    return _both((model_usage.c.case_id.in_(case_ids),), (steps.c.case_id.in_(case_ids),))


def _task_of(step: ColumnElement[str]) -> ColumnElement[str]:
    """What a step asks models for (`bill.task_of`)."""
    return case(
        (step.like("%.%"), "summarise"), (step.like("turn-%"), "draft"), (step == "answer", "draft"), else_=step
    )


def _both(of_rows: Sequence[ColumnElement[bool]], of_steps: Sequence[ColumnElement[bool]]) -> Subquery:
    return union_all(_ROWS.where(*of_rows), _STEPS.where(steps.c.provider.is_not(None), *of_steps)).subquery("calls")


# Where a version before wrote the row, its case knows the domain and its step the task, and the call answered.
_ROWS: Select[Any] = select(
    model_usage.c.case_id,
    model_usage.c.round,
    model_usage.c.step,
    *(model_usage.c[name] for name in USED),
    model_usage.c.at,
    func.coalesce(model_usage.c.task, _task_of(model_usage.c.step), type_=Text).label("task"),
    func.coalesce(model_usage.c.outcome, OK, type_=String).label("outcome"),
    func.coalesce(
        model_usage.c.domain,
        select(cases.c.domain).where(cases.c.id == model_usage.c.case_id).scalar_subquery(),
        type_=Text,
    ).label("domain"),
)
_STEPS: Select[Any] = select(
    steps.c.case_id,
    steps.c.round,
    steps.c.name.label("step"),
    *(steps.c[name] for name in USED),
    steps.c.finished_at.label("at"),
    _task_of(steps.c.name).label("task"),
    literal(OK).label("outcome"),
    steps.c.domain,
)
