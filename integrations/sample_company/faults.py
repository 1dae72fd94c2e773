"""Bad weather: faults that the sample company's systems shall show, set by a test, a drill or the `/sample` page.

Kept in the database, so that a fault set in one process is met by every other. `desk` asks before and after each
operation; without a row here nothing ever fails. A fault never does half of a write: it either happened or it did not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from integrations.errors import Permanent, Temporary
from integrations.sample_company.database import Database

RETRY_AFTER = 2.0
#: Names that stand for more than one operation.
EVERY, READS, WRITES = "*", "reads", "writes"


class Fault(StrEnum):
    """What a client would live through, and what it would make of it.

    - `refused`: 400. Permanent.
    - `throttled`: 429. Temporary, with the seconds to wait.
    - `broken`: 500 before anything was done. Temporary.
    - `garbage`: 200 with an HTML page, nothing done. Temporary; after a write the client cannot know, so `maybe_done`.
    - `timeout`: no connection. Temporary.
    - `timeout_after_doing`: the work is done, the answer is lost. Temporary with `maybe_done` after a write.
    - `slow`: the answer comes after so many seconds.
    """

    REFUSED = "400"
    THROTTLED = "429"
    BROKEN = "500"
    GARBAGE = "garbage"
    TIMEOUT = "timeout"
    TIMEOUT_AFTER_DOING = "timeout_after_doing"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Forecast:
    """One fault in force: for the next `remaining` calls, or for a share `rate` of all calls."""

    operation: str
    fault: Fault
    remaining: int | None
    rate: float | None
    seconds: float


class Weather:
    """The faults in force. `dice` gives numbers in [0, 1) for rates, `sleep` waits out slow answers."""

    def __init__(
        self,
        database: Database,
        *,
        dice: Callable[[], float] = random.random,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._dice = dice
        self._sleep = sleep

    def fail_next(self, operation: str, fault: Fault, *, times: int = 1, seconds: float = RETRY_AFTER) -> None:
        """Let the next `times` calls of `operation` (a method's name, ``reads``, ``writes`` or ``*``) meet `fault`.

        `seconds` is the wait of ``slow`` and the ``Retry-After`` of ``429``."""
        self._set(Forecast(operation, Fault(fault), times, None, seconds))

    def fail_often(self, operation: str, fault: Fault, *, rate: float, seconds: float = RETRY_AFTER) -> None:
        """Let a share of all calls of `operation` meet `fault`, until `clear`."""
        self._set(Forecast(operation, Fault(fault), None, rate, seconds))

    def clear(self) -> None:
        with self._database.writing() as connection:
            connection.execute("DELETE FROM faults")

    def forecast(self) -> list[Forecast]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT * FROM faults ORDER BY operation, kind").fetchall()
        return [
            Forecast(row["operation"], Fault(row["kind"]), row["remaining"], row["rate"], row["seconds"])
            for row in rows
        ]

    def draw(self, operation: str, *, writes: bool) -> Forecast | None:
        """The fault that this call meets, if any; a counted fault is used up by it."""
        for forecast in self.forecast():
            if forecast.operation not in {operation, WRITES if writes else READS, EVERY}:
                continue
            if forecast.rate is not None:
                if self._dice() < forecast.rate:
                    return forecast
            elif self._use_up(forecast):
                return forecast
        return None

    def before(self, forecast: Forecast | None, operation: str, *, writes: bool) -> None:
        """Raise, or wait, what comes before anything is done."""
        seconds = forecast.seconds if forecast else 0.0
        match forecast.fault if forecast else None:
            case Fault.REFUSED:
                raise Permanent(f"{operation}: the request was refused")
            case Fault.THROTTLED:
                raise Temporary(f"{operation}: too many requests", retry_after=seconds)
            case Fault.BROKEN:
                raise Temporary(f"{operation}: internal error on the other side")
            case Fault.GARBAGE:
                raise Temporary(f"{operation}: the answer was a web page, not data", maybe_done=writes)
            case Fault.TIMEOUT:
                raise Temporary(f"{operation}: no connection in time")
            case Fault.SLOW:
                self._sleep(seconds)
            case Fault.TIMEOUT_AFTER_DOING | None:
                pass

    def after(self, forecast: Forecast | None, operation: str, *, writes: bool) -> None:
        """Raise what comes after everything is done."""
        if forecast and forecast.fault is Fault.TIMEOUT_AFTER_DOING:
            raise Temporary(f"{operation}: no answer in time", maybe_done=writes)

    def _set(self, forecast: Forecast) -> None:
        if forecast.remaining is not None and forecast.remaining < 1:
            raise Permanent("a fault must be met at least once")
        if forecast.rate is not None and not 0 < forecast.rate <= 1:
            raise Permanent("the rate of a fault lies above 0 and at most at 1")
        if not 0 <= forecast.seconds <= 600:
            raise Permanent("the seconds of a fault lie between 0 and 600")
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO faults (operation, kind, remaining, rate, seconds) VALUES (?, ?, ?, ?, ?)",
                (forecast.operation, forecast.fault, forecast.remaining, forecast.rate, forecast.seconds),
            )

    def _use_up(self, forecast: Forecast) -> bool:
        # Two threads may have seen the last one: the count in the statement lets only one of them have it.
        with self._database.writing() as connection:
            taken = connection.execute(
                "UPDATE faults SET remaining = remaining - 1 WHERE operation = ? AND kind = ? AND remaining > 0",
                (forecast.operation, forecast.fault),
            ).rowcount
            connection.execute("DELETE FROM faults WHERE remaining = 0")
        return taken == 1
