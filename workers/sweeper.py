"""The sweeper: asks one question, *what is due?*, and hints at it again. What it finds is what a message lost.

Several may run; one acts at a time. It also finds the processes that died, by its own clock: a row in `processes` that has
not moved, and no connection left; sooner where they ran on this very machine, which says that they ended; and it frees what they held. It anchors the audit log and clears old quarantine. The
interval is the recovery time, so it stays at seconds. It works nothing itself and decides nothing: whoever takes a hint
claims the row.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from workers.autonomy.background import AutonomyPass
from workers.learning.background import LearningPass
from workers.log import logger
from workers.memory.keeper import Keeper
from workers.memory.terms import Terms
from workers.rehearsal.background import RehearsalThread
from workers.store import audit, due, limit_cleanup, notices, processes, quarantine
from workers.store.database import StoreUnavailable, Tx
from workers.store.due import Due, Waiting
from workers.wiring import System

#: rows hinted per pass and table; a backlog is worked off over several passes
BATCH = 500
#: a row that was just hinted is probably in the queue: it is hinted again after so long, then after twice as long, up to
REPEAT_SECONDS = 5.0
LONGEST_REPEAT_SECONDS = 30.0
#: a process that missed a sign of life may be asked after; only where the system says that it ended is it dead so soon
MISSED_SECONDS = 1.0
UPKEEP_SECONDS = 60.0
#: counters of limits that are looked at in one commit, which decisions wait for, and how many such lots one upkeep takes: more
#: than a busy house comes by in that time
TIDIED, LOTS = 200, 100
#: a sweeper whose row did not move for so long, and for two of its rounds, has lost the lead
TAKE_OVER_SECONDS = 3.0
#: how often somebody who wants to sweep once looks whether that one moves
LOOK_SECONDS = 0.5
#: after a pass that ended in an error that nobody foresaw
BROKEN_OFF_SECONDS = 5.0
#: work that waits longer than this, taken by nobody, is worth a warning
LAG_WARNING_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one pass found and did.

    `due` counts rows whose time has come and that nobody has taken; `lag_seconds` is the age of the oldest of them. A
    sweeper that stands by (`leading` is false) counts neither.
    """

    leading: bool
    due: int = 0
    hinted: int = 0
    freed: int = 0
    lag_seconds: float = 0.0


class Pulse:
    """Which processes have stopped moving, over looks that follow each other closely enough.

    After a longer gap (the database was away, or this sweeper was stopped) the watch starts anew: nobody is taken for
    dead for having been silent while nobody could have heard.
    """

    def __init__(self, dead_after: float, *, longest_gap: float) -> None:
        self._dead_after = dead_after
        self._longest_gap = longest_gap
        self._seen: dict[str, tuple[int | None, float]] = {}
        self._looked_at = float("-inf")

    def look(self, beats: Mapping[str, int | None], moment: float) -> None:
        anew = moment - self._looked_at > self._longest_gap
        self._looked_at = moment
        before = {} if anew else self._seen
        self._seen = {
            process: before[process] if process in before and before[process][0] == beat else (beat, moment)
            for process, beat in beats.items()
        }

    def start_anew(self) -> None:
        self._seen = {}

    def silent(self, process: str) -> float:
        """Seconds since this process was last seen moving, or was first seen."""
        _, since = self._seen[process]
        return self._looked_at - since

    def dead(self, after: float | None = None) -> list[str]:
        """Those who were silent for long enough, or for `after` seconds."""
        least = self._dead_after if after is None else after
        return [process for process in self._seen if self.silent(process) >= least]


class Sweeper:
    """Runs in a thread of its own until stopped."""

    def __init__(self, system: System, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._system = system
        self._monotonic = monotonic
        self._id = processes.new_id()
        dead_after, every = system.settings.dead_after_seconds, system.settings.sweep_seconds
        self._take_over = max(TAKE_OVER_SECONDS, 2 * every)
        self._pulse = Pulse(dead_after, longest_gap=max(dead_after / 2, 2 * every + 0.5))
        #: row and the time at which it was due -> when it was hinted, and how long it is left alone
        self._hinted: dict[tuple[str, datetime], tuple[float, float]] = {}
        self._upkeep_at = 0.0
        self._warned_at = float("-inf")
        self._latest = Sweep(leading=False)
        self._memory = Keeper(
            system.db, Terms.of(system.settings), system.clock, system.request_priority, system.embedder
        )
        self._learning = LearningPass(system)
        self._rehearsal = RehearsalThread(system)
        self._autonomy = AutonomyPass(system)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._memory.stop()
        self._rehearsal.stop()
        if self._thread.is_alive():
            self._thread.join(5)
        self._learning.wait(5)
        self._autonomy.wait(5)

    def run(self) -> None:
        """In the foreground, for ``caseworker sweep``."""
        self._run()

    @property
    def latest(self) -> Sweep:
        """The last pass, for whoever measures."""
        return self._latest

    def sweep(self) -> Sweep:
        """One pass: look who lives, free what the dead held, hint at what is due. Raise `StoreUnavailable`."""
        now = self._system.clock()
        try:
            self._latest = self._pass(now)
        except StoreUnavailable:
            self._pulse.start_anew()
            raise
        if self._latest.lag_seconds > LAG_WARNING_SECONDS and self._monotonic() - self._warned_at > UPKEEP_SECONDS:
            self._warned_at = self._monotonic()
            logger.warning("work_waits", due=self._latest.due, lag_seconds=self._latest.lag_seconds)
        return self._latest

    def once(self) -> Sweep:
        """One pass with its upkeep, and out of the way again, for ``caseworker sweep --once``."""
        done = self._once_it_is_our_turn()
        if done.leading:
            self.upkeep()
            self._learning.run()
            self._rehearsal.once()
            self._autonomy.run()
            if self._system.settings.memory:
                self._memory.once()
        self._sign_off()
        return done

    def _once_it_is_our_turn(self) -> Sweep:
        """One that was killed left a row that says that it leads. Only who looks for a while sees that it moves no more."""
        done, looked = self.sweep(), 0.0
        while not done.leading and looked < self._take_over and not self._stop.wait(LOOK_SECONDS):
            looked += LOOK_SECONDS
            done = self.sweep()
        return done

    def upkeep(self) -> None:
        """Seal the audit log, drop what was kept for replay long enough and what no limit's window reaches any more."""
        now = self._system.clock()
        with self._system.db.write() as tx:
            sealed = audit.anchor(tx, now)
            notices.drop_older(tx, now)
            quarantine.drop_older(tx, now - timedelta(hours=self._system.settings.quarantine_hours))
        for _ in range(LOTS):
            with self._system.db.write() as tx:
                if not limit_cleanup.tidy(tx, now, TIDIED):
                    break
        if sealed is not None:
            logger.info("audit_anchored", last_entry=sealed[0], digest=sealed[1])

    def _pass(self, now: datetime) -> Sweep:
        db = self._system.db
        dead, freed = list[str](), list[Due]()
        with db.read() if db.is_sqlite else db.write() as tx:
            if not db.is_sqlite:
                if not processes.my_turn(tx) or not self._leads(tx, now):
                    return Sweep(leading=False)
                dead = processes.gone(
                    tx, {*self._pulse.dead(), *filter(processes.ended, self._pulse.dead(MISSED_SECONDS))}
                )
                freed = processes.free(tx, dead, now)
                processes.forget(tx, dead)
            behind = due.waiting(tx, now)
        if freed:
            logger.warning("claims_of_the_dead_freed", processes=dead, rows=len(freed))
        return Sweep(
            leading=True,
            due=sum(behind.rows.values()),
            hinted=self._hint(freed, behind, now),
            freed=len(freed),
            lag_seconds=round(behind.lag(now), 3),
        )

    def _leads(self, tx: Tx, now: datetime) -> bool:
        """Look who lives; lead, unless another sweeper is seen leading. Called with the sweepers' lock held.

        Not on SQLite: there one process serves one file, and who has died is known at the next one's start.
        """
        rows = processes.all_of(tx)
        self._pulse.look(processes.beats(rows, processes.holders(tx)), self._monotonic())
        leading = not any(
            row.kind == processes.SWEEPER
            and row.held
            and row.id != self._id
            and self._pulse.silent(row.id) < self._take_over
            for row in rows
        )
        processes.beat(tx, self._id, kind=processes.SWEEPER, queues=(), held=int(leading), now=now)
        return leading

    def _hint(self, freed: Sequence[Due], behind: Waiting, now: datetime) -> int:
        """Hint at what was not hinted just now, as far as the publisher keeps up. How many that were.

        What waits in a queue is a hint at something that is due: only where more is due than waits was a hint lost. Those of
        the dead are lost for certain, whatever waits.
        """
        room = max(0, BATCH - self._system.hints.backlog())
        moment = self._monotonic()
        lost = freed[:room]
        for row in lost:
            self._tell(row, moment, REPEAT_SECONDS)
        fresh = len(lost)
        hinted = Counter(row.domain for row in lost)
        waiting = {target: hinted[target] + self._system.hints.depth(target or "actions") for target in behind.rows}
        if all(rows <= waiting[target] for target, rows in behind.rows.items()):
            # To find the rows themselves, in fair order, is dear in a backlog.
            self._hinted = self._hinted if behind.rows else {}
            return fresh
        found = self._due(behind, now)
        spare = {
            target: rows - waiting.get(target, rows) for target, rows in Counter(row.domain for row in found).items()
        }
        for row in found:
            if fresh >= room:
                break
            at, gap = self._hinted.get((row.id, row.wake_at), (float("-inf"), REPEAT_SECONDS / 2))
            if moment - at < gap or spare[row.domain] <= 0:
                continue
            spare[row.domain] -= 1
            self._tell(row, moment, min(gap * 2, LONGEST_REPEAT_SECONDS))
            fresh += 1
        still_due = {(row.id, row.wake_at) for row in found}
        self._hinted = {key: kept for key, kept in self._hinted.items() if key in still_due}
        return fresh

    def _due(self, behind: Waiting, now: datetime) -> list[Due]:
        most, settings = BATCH + len(self._hinted), self._system.settings
        found: list[Due] = []
        with self._system.db.read() as tx:
            if "" in behind.rows:
                found += due.due_actions(tx, now, most)
            if any(behind.rows):
                found += due.due_cases(
                    tx, now, most, customer_cap=settings.customer_cap, source_cap=settings.source_cap
                )
        return found

    def _tell(self, row: Due, moment: float, gap: float) -> None:
        self._hinted[row.id, row.wake_at] = (moment, gap)
        if row.domain:
            self._system.hints.case(row.id, row.domain)
        else:
            self._system.hints.action(row.id)

    def _run(self) -> None:
        every = self._system.settings.sweep_seconds
        while not self._stop.is_set():
            began, pause = time.monotonic(), every
            try:
                done = self.sweep()
                if done.leading and time.monotonic() >= self._upkeep_at:
                    self._upkeep_at = time.monotonic() + UPKEEP_SECONDS
                    self.upkeep()
                    self._learning.begin()
                    self._rehearsal.begin()
                    self._autonomy.begin()
                    if self._system.settings.memory:
                        self._memory.wake()
                if 0 < done.hinted < done.due:
                    # A cap left some behind: they are next as soon as others are done.
                    pause = every / 4
                elif not done.leading:
                    # Out of step with the one that leads, whose lock would hide from us who lives.
                    pause = every * random.uniform(0.5, 1)  # noqa: S311 - jitter, not a secret
            except StoreUnavailable as error:
                logger.warning("sweep_failed", error=str(error))
            except Exception:  # noqa: BLE001 - the thread's edge: whatever one pass meets, work must go on being found
                logger.exception("sweep_broke_off")
                pause = max(every, BROKEN_OFF_SECONDS)
            # A great backlog must not make the sweeper the database's main work, nor keep it from seeing who died.
            self._stop.wait(max(pause, min((time.monotonic() - began) * 4, 1.0)))
        self._sign_off()

    def _sign_off(self) -> None:
        """Let another sweeper lead at once."""
        if self._system.db.is_sqlite:
            return
        # Twice: a connection that learning left in the pool may have been cut since, and the pool is new after that is seen.
        for left in (1, 0):
            try:
                with self._system.db.write() as tx:
                    processes.forget(tx, [self._id])
            except StoreUnavailable as error:
                if not left:
                    logger.warning("process_not_signed_off", error=str(error))
            else:
                return
