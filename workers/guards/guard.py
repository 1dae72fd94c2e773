"""The guard of each vendor: quiet asked for, breaker, limit, in this order before a call; and what its end teaches.

`wiring` wraps readers, writers and the model. A call that may not be made raises `Postponed`: nothing was sent, and the
reason is fit for the card of whatever waits. Without limits a call costs about a microsecond more. It gives its
slot back for all of it, so that others of this process work meanwhile (`workers.work_slots`).
"""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from integrations.errors import IntegrationError, LeftAlone, Postponed, Temporary
from workers.backoff import LONGEST_ASKED
from workers.guards.breaker import FAILURES, Breaker
from workers.guards.limits import ENDLESS, PATIENCE, Limit
from workers.guards.shared import Bucket, Quiet
from workers.log import logger
from workers.store.database import StoreUnavailable
from workers.telemetry import metrics, traces
from workers.work_slots import WorkSlots

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: how often a process looks which vendors other processes were asked to leave alone
LOOK_SECONDS = 1.0
#: the farthest turn that is promised; beyond it one comes back and asks again
LONGEST_PROMISE = 60.0
#: so long a piece of work that was let through waits for each further turn, in its thread; a turn that is farther away is owed
LONGEST_IN_HAND = 10.0

#: the vendors that the piece of work of this thread was let through to (`Guards.admit_once`)
_admitted: ContextVar[set[str] | None] = ContextVar("admitted", default=None)
#: what this thread looks at once more where it had to wait for its turn (`Guards.recheck_after_waiting`)
_recheck: ContextVar[Callable[[float], None] | None] = ContextVar("recheck", default=None)


class Guard:
    """One vendor's."""

    def __init__(self, vendor: str, guards: Guards) -> None:
        self.vendor = vendor
        self.breaker = Breaker()
        self.limit = guards.limits.get(vendor)
        self.quiet_until = 0.0
        #: until when others know that it wants quiet
        self.quiet_told = float("-inf")
        self._guards = guards
        self._promised = 0.0

    @property
    def name(self) -> str:
        return self.vendor.replace("_", " ").capitalize()

    def around(self, call: Callable[P, R]) -> Callable[P, R]:
        """`call`, guarded."""

        asked = getattr(call, "__name__", "call")

        @wraps(call)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            self._enter()
            try:
                with metrics.outside(self.vendor, asked), traces.outside(f"{self.vendor} {asked}"):
                    answer = call(*args, **kwargs)
            except Temporary as error:
                self._failed(error)
                raise
            except IntegrationError:
                self.breaker.answered()
                raise
            except BaseException:
                self.breaker.given_up()
                raise
            self.breaker.answered()
            return answer

        return self._guards.slots.released_during(guarded)

    def _enter(self) -> None:
        """Return when the call may be made. Raise `Postponed`."""
        now = self._guards.monotonic()
        self._refuse_if_quiet(now)
        wait = self.breaker.refuses(now)
        if wait:
            raise LeftAlone(
                f"{self.name} is left alone for a while: it could not be reached {FAILURES} times in a row.",
                retry_after=_later(wait),
            )
        if self.limit is not None:
            try:
                self._take_turn(self.limit)
            except BaseException:
                # A probe that was not let through must not keep the others out.
                self.breaker.given_up()
                raise

    def _refuse_if_quiet(self, now: float) -> None:
        if now >= self._guards.look_at:
            self._guards.look(now)
        if now < self.quiet_until:
            wait = self.quiet_until - now
            later = _later(wait)
            raise Postponed(f"{self.name} asked us to wait.", retry_after=later, scattered=later - wait)

    def _take_turn(self, limit: Limit) -> None:
        through = _admitted.get()
        patience = ENDLESS if through and self.vendor in through else PATIENCE
        try:
            turn = self._guards.bucket.take(self.vendor, limit, patience)
        except StoreUnavailable as error:
            raise Postponed(f"Nobody can tell just now how often {self.name} was called.", retry_after=1.0) from error
        if turn.granted:
            if through is not None:
                through.add(self.vendor)
            if turn.wait:
                self._wait(min(turn.wait, LONGEST_IN_HAND))
            return
        # Each one that is sent away is promised a moment of its own: else all would come back for the same turn.
        now = self._guards.monotonic()
        promised = max(self._promised + 1 / limit.rate, now + turn.wait)
        wait = promised - now
        if wait > LONGEST_PROMISE:
            # None is promised, nor kept for one who comes back and asks again: after a backlog all would wait so long.
            wait = LONGEST_PROMISE * random.uniform(0.5, 1)  # noqa: S311 - jitter, not a secret
        else:
            self._promised = promised
        raise Postponed(f"{self.name} is called as often as it may be ({limit}).", retry_after=wait)

    def _wait(self, seconds: float) -> None:
        """Until its turn. What was said while it waited long holds for it, too; the turn is lost then."""
        began = self._guards.monotonic()
        self._guards.sleep(seconds)
        if seconds <= PATIENCE:
            return
        now = self._guards.monotonic()
        self._refuse_if_quiet(now)
        recheck = _recheck.get()
        if recheck is not None:
            recheck(now - began - seconds)

    def _failed(self, error: Temporary) -> None:
        if isinstance(error, Postponed):
            self.breaker.given_up()
        elif error.retry_after:
            self.breaker.given_up()
            self._guards.ask_for_quiet(self, min(error.retry_after, LONGEST_ASKED))
        else:
            self.breaker.failed(self._guards.monotonic())
            if self.breaker.state == "open":
                logger.warning("vendor_left_alone", vendor=self.vendor, reason=str(error))


def _later(wait: float) -> float:
    """Later by a little, never sooner, so that not all come back in the same moment."""
    return wait + random.uniform(0, 0.5 + wait / 10)  # noqa: S311 - jitter, not a secret


class Guards:
    """All guards of a process. Without `bucket` no limits hold, without `quiet` no word is passed to other processes."""

    def __init__(
        self,
        limits: Mapping[str, Limit] | None = None,
        *,
        bucket: Bucket | None = None,
        quiet: Quiet | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = dict(limits or {}) if bucket is not None else {}
        self.monotonic = monotonic
        self.sleep = sleep
        #: given back while a call is made
        self.slots = WorkSlots()
        self.look_at = float("-inf") if quiet is not None else float("inf")
        self._bucket = bucket
        self._quiet = quiet
        self._guards: dict[str, Guard] = {}

    @property
    def bucket(self) -> Bucket:
        assert self._bucket is not None, "there are limits only where there is a bucket"
        return self._bucket

    def of(self, vendor: str) -> Guard:
        """The one guard of a vendor, shared by all that speak for it here."""
        return self._guards.setdefault(vendor, Guard(vendor, self))

    def wrap(self, vendor: str, speaker: T) -> T:
        """What speaks for a vendor, guarded. It answers to the same protocols."""
        return cast(T, Guarded(speaker, self.of(vendor)))

    def admit_once(self) -> AbstractContextManager[None]:
        """Around calls that are of no use by halves: whom a vendor's limit let through for the first is let through for all. They
        are made as far apart as the limit wants, and what they take is missing to whoever comes after. Sent away in the midst, it
        would begin again from the first, and where fewer calls may be made at once than it needs, never come to its end."""
        return _admit_once() if self.limits else nullcontext()

    def recheck_after_waiting(self, look: Callable[[float], None]) -> AbstractContextManager[None]:
        """Around a call that has been looked at a moment ago: where it has to wait long for its turn, `look` is called just before it
        is made, with how many seconds longer than it wanted it slept, and may raise."""
        return _recheck_after_waiting(look) if self.limits else nullcontext()

    def ask_for_quiet(self, guard: Guard, seconds: float) -> None:
        """The vendor said when to come back: that holds for every process."""
        until = self.monotonic() + seconds
        guard.quiet_until = max(guard.quiet_until, until)
        # By what others know, and not by what is known here: words that come one soon after the other would never be passed on.
        if self._quiet is None or until - guard.quiet_told < 1:
            return
        guard.quiet_told = until
        logger.info("vendor_asked_for_quiet", vendor=guard.vendor, seconds=seconds)
        try:
            self._quiet.ask(guard.vendor, seconds)
        except StoreUnavailable as error:
            guard.quiet_told = float("-inf")
            logger.warning("quiet_not_passed_on", vendor=guard.vendor, error=str(error))

    def look(self, now: float) -> None:
        """Learn what other processes were asked. Done by whoever calls a vendor first in a second."""
        self.look_at = now + LOOK_SECONDS
        if self._quiet is None:
            return
        try:
            remaining = self._quiet.remaining()
        except StoreUnavailable as error:
            logger.warning("quiet_not_known", error=str(error))
            return
        for vendor, seconds in remaining.items():
            guard = self.of(vendor)
            guard.quiet_until = max(guard.quiet_until, now + seconds)
            guard.quiet_told = max(guard.quiet_told, now + seconds)

    def close(self) -> None:
        closing = getattr(self._bucket, "close", None)
        if closing is not None:
            closing()


@contextmanager
def _admit_once() -> Iterator[None]:
    before = _admitted.set(set())
    try:
        yield
    finally:
        _admitted.reset(before)


@contextmanager
def _recheck_after_waiting(look: Callable[[float], None]) -> Iterator[None]:
    before = _recheck.set(look)
    try:
        yield
    finally:
        _recheck.reset(before)


class Guarded:
    """Stands for what speaks for a vendor: its public methods go through the guard, all else is passed on."""

    def __init__(self, inner: object, guard: Guard) -> None:
        self._inner = inner
        for name, _ in inspect.getmembers_static(type(inner), inspect.isfunction):
            if not name.startswith("_") and name != "close":
                # On the instance, where a protocol's `isinstance` looks for them.
                setattr(self, name, guard.around(getattr(inner, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
