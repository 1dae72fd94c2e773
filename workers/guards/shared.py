"""What all processes know together: each vendor's bucket, in Redis where the broker is one, else in the database; and
which vendor asked for quiet, always in the database.

`guard` asks. Redis that does not answer is no reason to stop: the database's bucket serves until it does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Protocol

import redis

from workers.guards.limits import PATIENCE, Limit, Turn, turn
from workers.log import logger
from workers.store import allowances
from workers.store.database import Database

KEY = "caseworker:allowance:"
REDIS_SECONDS = 0.5
#: how long the database serves after Redis did not
MEANWHILE_SECONDS = 5.0

# As `limits.turn`, in one step for all processes, by the server's own clock.
_SCRIPT = """
local rate, burst, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(kept[1] or burst), tonumber(kept[2] or now)
local present = math.min(burst, tokens + math.max(0, now - at) * rate)
local left = present - 1
local granted = left >= -rate * patience
if granted then present = left end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', present), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(((burst - present) / rate + 60) * 1000))
return {granted and 1 or 0, string.format('%.9f', math.max(0, -left / rate))}
"""


#: the time; None is the database's own
Clock = Callable[[], datetime | None]


def of_all() -> None:
    """The clock of all processes: the database's, which no wrong one of a process moves."""


class Bucket(Protocol):
    def take(self, vendor: str, limit: Limit, patience: float = PATIENCE) -> Turn:
        """Ask for one call, which may be that many seconds away."""


class TableBucket:
    """In the table `allowances`: one row a vendor, one short transaction a call."""

    def __init__(self, db: Database, clock: Clock = of_all) -> None:
        self._db = db
        self._clock = clock

    def take(self, vendor: str, limit: Limit, patience: float = PATIENCE) -> Turn:
        reckon = partial(turn, limit, patience=patience)
        with self._db.write() as tx:
            return allowances.take(tx, vendor, self._clock(), full=limit.burst, reckon=reckon)


class RedisBucket:
    """In the broker's Redis: one script a call, a tenth of a millisecond."""

    def __init__(self, url: str, otherwise: Bucket, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=8,
            timeout=REDIS_SECONDS,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
        )
        self._client = redis.Redis(connection_pool=pool)
        self._script = self._client.register_script(_SCRIPT)
        self._otherwise = otherwise
        self._monotonic = monotonic
        self._back_at = float("-inf")

    def take(self, vendor: str, limit: Limit, patience: float = PATIENCE) -> Turn:
        if self._monotonic() >= self._back_at:
            try:
                granted, wait = self._script(keys=[KEY + vendor], args=[limit.rate, limit.burst, patience])
            except redis.RedisError as error:
                self._back_at = self._monotonic() + MEANWHILE_SECONDS
                logger.warning("limits_kept_in_the_database", error=str(error))
            else:
                return Turn(bool(granted), float(wait))
        return self._otherwise.take(vendor, limit, patience)

    def close(self) -> None:
        self._client.connection_pool.disconnect()


class Quiet:
    """Which vendors asked for quiet."""

    def __init__(self, db: Database, clock: Clock = of_all) -> None:
        self._db = db
        self._clock = clock

    def ask(self, vendor: str, seconds: float) -> None:
        with self._db.write() as tx:
            allowances.close(tx, vendor, seconds, self._clock())

    def remaining(self) -> Mapping[str, float]:
        """Seconds of quiet left, by vendor."""
        with self._db.read() as tx:
            return allowances.closed(tx, self._clock())
