"""Builds the objects that a process runs on, once. Tests build the same `System` with a clock and readers of their own.

Writers are not part of it: they are made apart (`hands`), for the process that carries actions out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from celery import Celery

from integrations import registry
from integrations.models.base import Embedder, Model
from integrations.models.redaction import Classifying, Redaction, kept_key
from integrations.registry import Readers, Writers
from policies import cel
from policies.rules import Policy
from workers.agents.base import Agent
from workers.agents.roster import AGENTS
from workers.bill.budgets import Budgets, Limits
from workers.bill.late import Late
from workers.guards import Guards, parse
from workers.guards.shared import Quiet, RedisBucket, TableBucket
from workers.lease import Leases
from workers.lessons.notebook import LEARNING_LOT
from workers.lessons.taught import teach
from workers.memory.recalling import with_memory
from workers.queue import Hints, make_app
from workers.request_priority import RequestPriority
from workers.rulebook.book import Book, Fixed, Rulebook
from workers.rulebook.enacting import SYSTEM_NAME, Enacting
from workers.settings import FOLDER_WINS, Settings, vendor_environment
from workers.store import examples, processes
from workers.store.database import Database
from workers.switchboard import Switchboard
from workers.telemetry import metrics
from workers.telemetry.observed import ObservedModel


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class System:
    """What thinking needs. No Writers, no web."""

    settings: Settings
    db: Database
    clock: Callable[[], datetime]
    #: which policy is in force; most want no more than `policy`
    rulebook: Rulebook
    agents: Mapping[str, Agent]
    readers: Readers
    model: Model
    app: Celery
    hints: Hints
    leases: Leases
    worker: str
    request_priority: RequestPriority = field(default_factory=RequestPriority)
    guards: Guards = field(default_factory=Guards)
    monotonic: Callable[[], float] = time.monotonic
    #: makes vectors of what is remembered; None where no route of the task ``embed`` has credentials
    embedder: Embedder | None = None
    #: the kill switches as this process last saw them
    switchboard: Switchboard = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "switchboard", Switchboard(self.db))

    @property
    def policy(self) -> Policy:
        """The policy in force now. Whoever judges asks once and keeps what they got."""
        return self.rulebook.policy

    def under(self, policy: Policy) -> System:
        """The same system with this policy in force and no other."""
        return replace(self, rulebook=Fixed(policy))

    def close(self) -> None:
        self.hints.close()
        self.leases.close()
        self.guards.close()
        self.db.dispose()


def environment(settings: Settings, vendors: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """The vendors' settings (those given, else this machine's), with the secret shared with the sample company."""
    env = dict(vendor_environment() if vendors is None else vendors)
    if settings.sample_company:
        env.setdefault("SAMPLE_WEBHOOK_SECRET", registry.sample_secret(settings.data))
    return env


def build(settings: Settings, *, environment: Mapping[str, str]) -> System:
    """Open the database, connect the readers. Raise what is wrong, before anything is served.

    The policy is in the database, which may have to be migrated first: `Book.begin` takes it up.
    """
    cel.choose(settings.policy_engine)
    db = Database(settings.database, connections=settings.database_connections)
    app = make_app(settings.broker_url, stop_seconds=settings.stop_seconds)
    request_priority = RequestPriority()
    worker = processes.new_id()
    guards = guard(settings, db)
    limits = Limits.of(settings)
    model = registry.models(
        environment,
        data=settings.data,
        learned=lambda: learned_examples(db),
        timeout=settings.model_timeout_seconds,
        routing=settings.models_file,
        wrap=guards.wrap,
        budget=Budgets(limits, db, utc_now) if limits else None,
        late=Late(db, utc_now),
        notice=metrics.model_gave_nothing,
        redaction=(redaction := redaction_of(settings)),
        released_during=guards.slots.released_during,
    )
    # A memory does not say which class its source was of.
    embedder = (
        None
        if redaction.keeps()
        else registry.embedder(
            environment,
            timeout=settings.model_timeout_seconds,
            routing=settings.models_file,
            wrap=guards.wrap,
            on_usage=metrics.model_call,
            redaction=redaction,
        )
    )
    return System(
        settings=settings,
        db=db,
        clock=utc_now,
        rulebook=Book(db, settings.policy_dir, folder_wins=settings.policy_changes == FOLDER_WINS, clock=utc_now),
        agents=AGENTS,
        readers=with_memory(
            registry.readers(environment, data=settings.data, sample_company=settings.sample_company, wrap=guards.wrap),
            settings,
            db,
            utc_now,
            embedder,
            guards.slots,
        ),
        embedder=embedder,
        model=ObservedModel(teach(Classifying(model, redaction), db), failures=False),
        app=app,
        hints=Hints(app, request_priority=request_priority),
        request_priority=request_priority,
        guards=guards,
        leases=Leases(
            # A connection of its own: a process whose others are all in use must still be able to say that it lives.
            db if db.is_sqlite else Database(settings.database, connections=1),
            utc_now,
            lease=settings.lease,
            longest=settings.longest,
            process=worker,
        ),
        worker=worker,
    )


def hands(settings: Settings, *, guards: Guards, environment: Mapping[str, str]) -> Writers:
    """The Writers, for the worker of the ``actions`` queue alone; under the same `guards` as its readers."""
    own = {SYSTEM_NAME: Enacting(settings.database, utc_now)}
    return registry.writers(
        environment, data=settings.data, sample_company=settings.sample_company, own=own, wrap=guards.wrap
    )


def redaction_of(settings: Settings) -> Redaction:
    """What may leave for a model elsewhere. The same secret in all processes gives the same placeholders in all of them."""
    secret = settings.secret_key.get_secret_value().encode() if settings.secret_key else kept_key(settings.data)
    return Redaction.from_settings(secret, data_classes=settings.data_classes, file=settings.privacy_file)


def guard(settings: Settings, db: Database) -> Guards:
    """How often each vendor may be called, reckoned over all processes: in the broker where that is Redis."""
    limits = parse(settings.vendor_limits)
    table = TableBucket(db)
    in_redis = limits and settings.broker_url.startswith(("redis:", "rediss:"))
    return Guards(
        limits,
        bucket=RedisBucket(settings.broker_url, table) if in_redis else table,
        quiet=Quiet(db),
    )


def learned_examples(db: Database) -> list[tuple[str, str, str, str]]:
    """(domain, field, text, label) from cases that people decided, for the local model to learn from.

    In full lots only: what was learned is kept until the examples change, and should not be learned anew at each start.
    """
    with db.read() as tx:
        confirmed = examples.confirmed(tx)
    return confirmed[: len(confirmed) // LEARNING_LOT * LEARNING_LOT]
