"""What this process has done, counted as it happens: one function for each thing that is worth counting.

Called on the hot path by every stage, so each call is one or two microseconds and can neither fail nor wait. Labels are
names of ours (a kind, a step, a queue), never something that came from outside: each new value would be a new series for
ever. What is true of the whole installation is asked of the database instead, by `workers.exposition`.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from integrations.models.base import Usage
from integrations.models.router import Failed

# When a series began is told by when it is first seen; a series of its own for each would double them.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Where the processes of a pool leave their counts a file is opened for each series, and so as soon as they are named below.
if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    Path(folder).mkdir(parents=True, exist_ok=True)

#: what this process counted; `workers.telemetry.serving` shows it
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_AT_THE_DOOR = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_STEP = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

_requests = Histogram(
    "caseworker_request_seconds",
    "Time from a request to its answer, by door and status.",
    ("door", "status"),
    registry=REGISTRY,
    buckets=_AT_THE_DOOR,
)
_events = Counter(
    "caseworker_events",
    "Events that came in, by door and what became of them: accepted, duplicate, refused.",
    ("door", "result"),
    registry=REGISTRY,
)
_steps = Histogram(
    "caseworker_step_seconds",
    "Time that a step of a case took, with its calls outside.",
    ("domain", "step"),
    registry=REGISTRY,
    buckets=_STEP,
)
# Of a pool's processes only those that live count (`serving`): what a killed one was at, nobody is at any more.
_tasks = Gauge(
    "caseworker_tasks_running", "Tasks that this process works on.", registry=REGISTRY, multiprocess_mode="livesum"
)
_claims_lost = Counter("caseworker_claims_lost", "Claims that another worker had taken over.", registry=REGISTRY)
_model_calls = Counter(
    "caseworker_model_calls", "Calls to models, by outcome.", ("provider", "model", "outcome"), registry=REGISTRY
)
_model_seconds = Histogram(
    "caseworker_model_call_seconds",
    "Time that a model took to answer.",
    ("provider", "model"),
    registry=REGISTRY,
    buckets=_STEP,
)
_model_tokens = Counter(
    "caseworker_model_tokens",
    "Tokens used: input, output, cache_read, cache_write.",
    ("provider", "model", "kind"),
    registry=REGISTRY,
)
_model_cost = Counter(
    "caseworker_model_cost_usd", "What models cost, where a price is known.", ("provider", "model"), registry=REGISTRY
)
_fallbacks = Counter(
    "caseworker_model_fallbacks",
    "Answers that came from another than the one that was asked first, by who failed and who answered.",
    ("provider", "instead"),
    registry=REGISTRY,
)
_outside = Histogram(
    "caseworker_outside_call_seconds",
    "Time of calls to connected systems and models, by what was asked and outcome (ok, or the error's name).",
    ("system", "call", "outcome"),
    registry=REGISTRY,
    buckets=_STEP,
)
_actions = Counter(
    "caseworker_actions", "Actions that ended, by kind and outcome.", ("kind", "outcome"), registry=REGISTRY
)
_policy_kept_back = Gauge(
    "caseworker_policy_kept_back",
    "1 where this process could not load the policy in force and judges by the one before.",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
_hints = Counter("caseworker_hints", "Hints to the queue: published, failed, dropped.", ("result",), registry=REGISTRY)


@cache
def _series(metric: Any, *labels: str) -> Any:
    """One series of a metric, looked up once: that costs more than to count."""
    return metric.labels(*labels)


def answered(door: str, status: int, seconds: float) -> None:
    """A request was answered. `door` is one of ours: ``hooks``, ``events``, ``api``, …"""
    _series(_requests, door, str(status)).observe(seconds)


def may_break(*doors: str) -> None:
    """These doors are open here: their errors are shown as none so far. Prometheus sees no rise in a series that begins with one."""
    for door in doors:
        for status in ("500", "503"):
            _series(_requests, door, status)


def may_fail(*kinds: str) -> None:
    """Actions of these kinds are carried out here; `may_break` says why that is told."""
    for kind in kinds:
        _series(_actions, kind, "failed")


def received(door: str, *, accepted: int = 0, duplicates: int = 0, refused: int = 0) -> None:
    """Events came in through a door: ``webhook``, ``events``, ``task``, ``exchange``. `refused` is what is not taken as it is, and
    will not be at the next try."""
    if accepted:
        _series(_events, door, "accepted").inc(accepted)
    if duplicates:
        _series(_events, door, "duplicate").inc(duplicates)
    if refused:
        _series(_events, door, "refused").inc(refused)


def step(domain: str, name: str, seconds: float) -> None:
    """A step was committed."""
    _series(_steps, domain, name).observe(seconds)


def claim_lost() -> None:
    _claims_lost.inc()


class task:  # noqa: N801 - used as a function: `with metrics.task():`
    """A task runs as long as the block."""

    __slots__ = ()

    def __enter__(self) -> None:
        _tasks.inc()

    def __exit__(self, *_: object) -> None:
        _tasks.dec()


def model_call(usage: Usage, outcome: str = "ok") -> None:
    """A model answered, or cost something without an answer that can be used."""
    provider, model = usage.provider, usage.model
    _series(_model_calls, provider, model, outcome).inc()
    _series(_model_seconds, provider, model).observe(usage.latency_ms / 1000)
    for kind, tokens in (
        ("input", usage.input_tokens),
        ("output", usage.output_tokens),
        ("cache_read", usage.cache_read_tokens),
        ("cache_write", usage.cache_write_tokens),
    ):
        if tokens:
            _series(_model_tokens, provider, model, kind).inc(tokens)
    if usage.cost_usd is not None:
        _series(_model_cost, provider, model).inc(float(usage.cost_usd))


def model_failed(provider: str, model: str, outcome: str) -> None:
    """A model did not answer. `outcome` is the error's name."""
    _series(_model_calls, provider, model, outcome).inc()


def model_gave_nothing(failed: Failed) -> None:
    """One route failed, whether another answered instead or nobody did."""
    for used in failed.usages:
        model_call(used, failed.error)
    if not failed.usages:
        model_failed(failed.provider, failed.model, failed.error)
    if failed.instead:
        _series(_fallbacks, failed.provider, failed.instead.partition("/")[0]).inc()


class outside:  # noqa: N801 - used as a function: `with metrics.outside("stripe", "refund"):`
    """Times a call to a connected system; `call` is our name for what is asked of it."""

    __slots__ = ("_began", "_call", "_system")

    def __init__(self, system: str, call: str) -> None:
        self._system = system
        self._call = call
        self._began = time.perf_counter()

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        outcome = "ok" if kind is None else kind.__name__
        _series(_outside, self._system, self._call, outcome).observe(time.perf_counter() - self._began)


def action_ended(kind: str, outcome: str) -> None:
    """An action came to its end, by being tried (``done``, ``failed``, ``uncertain``, ``stale``), by a decision on it
    (``rejected``, ``cancelled``, …) or by its deadline (``expired``)."""
    _series(_actions, kind, outcome).inc()


def policy_kept_back(kept_back: bool) -> None:
    """Whether this process judges by another policy than the one in force."""
    _policy_kept_back.set(int(kept_back))


def hints(result: str, count: int = 1) -> None:
    """Hints were ``published``, ``failed`` to be, or ``dropped`` because too many waited."""
    _series(_hints, result).inc(count)


for _result in ("published", "failed", "dropped"):
    hints(_result, 0)
