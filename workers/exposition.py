"""The installation's numbers as metrics: asked of the database, kept for a few seconds, shown by the web process.

Other than what a process counts of itself (`workers.telemetry.metrics`), these are the same whoever shows them, so a fleet of
web processes must be read with `max`, not with `sum`. Mounted by `workers.web` at ``/metrics``, for tokens of scope ``read``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workers.access import Scope, bearer
from workers.log import logger
from workers.store import figures
from workers.store.database import Database, StoreUnavailable
from workers.store.figures import Figures
from workers.telemetry import serving
from workers.telemetry.serving import Numbers, Spread
from workers.wiring import System

KEPT_SECONDS = 5.0
#: below the ten seconds that Prometheus waits for an answer
PATIENCE_SECONDS = 4.0
#: how far back “lately” goes
LATELY = timedelta(minutes=5)
#: a process beats every few seconds; one that was not seen for so long is gone
SEEN_WITHIN = timedelta(seconds=20)


def route(system: System) -> Route:
    """``GET /metrics``. Nobody without a token learns how much there is to do, and what is due."""
    numbers = FleetNumbers(system.db, system.clock)

    def answer(request: Request) -> Response:
        if bearer(system, request.headers.raw, Scope.READ) is None:
            return JSONResponse(
                {"detail": "A bearer token with the scope “read” is needed."},
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
        return Response(serving.render(numbers), media_type=serving.CONTENT_TYPE)

    async def metrics(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return Route("/metrics", metrics, methods=["GET"])


class FleetNumbers:
    """Asks the database at most every `KEPT_SECONDS`, whoever wants to know. One that does not answer within `PATIENCE_SECONDS` is
    called away: with a server that hangs, whoever wants to see what this process counted would hang too, and see nothing."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: list[Numbers | Spread] = []
        self._until = 0.0
        #: one at a time, however long it takes
        self._asking: threading.Thread | None = None

    def __call__(self) -> Iterable[Numbers | Spread]:
        with self._lock:
            asking = self._asking
            if asking is None and time.monotonic() >= self._until:
                asking = threading.Thread(target=self._ask, name="figures", daemon=True)
                asking.start()
                self._asking = asking
        if asking is not None:
            asking.join(PATIENCE_SECONDS)
            if asking.is_alive():
                return [_up(0)]
        return self._kept

    def _ask(self) -> None:
        found: list[Numbers | Spread] = [_up(0)]
        try:
            found = self._found()
        finally:
            with self._lock:
                self._kept, self._until, self._asking = found, time.monotonic() + KEPT_SECONDS, None

    def _found(self) -> list[Numbers | Spread]:
        now = self._clock()
        try:
            with self._db.read() as tx:
                found = figures.take(tx, now, since=now - LATELY, seen_within=SEEN_WITHIN)
        except StoreUnavailable as error:
            logger.warning("metrics_without_database", error=str(error))
            return [_up(0)]
        return [_up(1), *of(found, now)]


def of(found: Figures, now: datetime) -> list[Numbers | Spread]:
    """The figures as metrics."""
    queues: dict[str, tuple[int, float]] = {}
    for name, due, oldest in [
        *((row.domain, row.due, row.oldest_due) for row in found.cases),
        *(("actions", row.due, row.oldest_due) for row in found.actions),
    ]:
        depth, age = queues.get(name, (0, 0.0))
        queues[name] = (depth + due, max(age, (now - oldest).total_seconds() if oldest is not None else 0.0))
    return [
        Numbers(
            "caseworker_queue_depth",
            "Cases (by domain) and actions that are due and that nobody works on.",
            ("queue",),
            [((name,), depth) for name, (depth, _) in queues.items()],
        ),
        Numbers(
            "caseworker_oldest_due_seconds",
            "How long the oldest of them has been due.",
            ("queue",),
            [((name,), age) for name, (_, age) in queues.items()],
        ),
        Numbers(
            "caseworker_sweep_lag_seconds",
            "How long the oldest of all has been due: what neither a hint nor the sweeper brought to a worker.",
            (),
            [((), max((age for _, age in queues.values()), default=0.0))],
        ),
        Numbers(
            "caseworker_cases_open",
            "Cases that are not closed.",
            ("domain", "state"),
            [((row.domain, row.state), row.count) for row in found.cases],
        ),
        Numbers(
            "caseworker_cases_claimed",
            "Open cases that a worker holds.",
            ("domain", "state"),
            [((row.domain, row.state), row.claimed) for row in found.cases],
        ),
        Numbers(
            "caseworker_actions_open",
            "Actions that have not come to their end.",
            ("kind", "state"),
            [((row.kind, row.state), row.count) for row in found.actions],
        ),
        Numbers(
            "caseworker_oldest_action_seconds",
            "Age of the oldest of them.",
            ("kind", "state"),
            [((row.kind, row.state), (now - row.oldest).total_seconds()) for row in found.actions],
        ),
        Numbers(
            "caseworker_processes_alive",
            "Processes whose heartbeat was seen lately.",
            ("kind",),
            [((kind,), count) for kind, count in found.processes],
        ),
        Numbers(
            "caseworker_dead_letters",
            "Messages that could not be read and were not replayed.",
            (),
            [((), found.dead_letters)],
        ),
        Numbers(
            "caseworker_quarantined",
            "Requests that were refused and not replayed.",
            (),
            [((), found.quarantined)],
        ),
        *_lately(found),
    ]


def _lately(found: Figures) -> list[Numbers | Spread]:
    models = [((row.provider, row.model), row) for row in found.models]
    return [
        Spread(
            "caseworker_recent_step_seconds",
            "Time that steps took which were recorded in the last five minutes.",
            ("step",),
            figures.STEP_BOUNDS,
            [((row.name,), row.counts, row.seconds) for row in found.steps],
        ),
        Numbers(
            "caseworker_recent_model_calls",
            "Recorded calls to models in the last five minutes.",
            ("provider", "model"),
            [(labels, row.calls) for labels, row in models],
        ),
        Numbers(
            "caseworker_recent_model_tokens",
            "Tokens that they used.",
            ("provider", "model", "kind"),
            [
                ((*labels, kind), tokens)
                for labels, row in models
                for kind, tokens in (("input", row.input_tokens), ("output", row.output_tokens))
            ],
        ),
        Numbers(
            "caseworker_recent_model_cost_usd",
            "What they cost, where a price is known.",
            ("provider", "model"),
            [(labels, row.cost_usd) for labels, row in models],
        ),
        Numbers(
            "caseworker_recent_attempts",
            "Tries of the last five minutes to carry an action out, by outcome.",
            ("kind", "outcome"),
            [((row.kind, row.outcome), row.count) for row in found.attempts],
        ),
        Numbers(
            "caseworker_recent_events",
            "Events of the last five minutes.",
            ("source",),
            [((row.source,), row.count) for row in found.events],
        ),
        Numbers(
            "caseworker_recent_duplicates",
            "How often one of them was delivered again.",
            ("source",),
            [((row.source,), row.duplicates) for row in found.events],
        ),
    ]


def _up(value: int) -> Numbers:
    return Numbers("caseworker_database_up", "Whether the database answers.", (), [((), value)])
