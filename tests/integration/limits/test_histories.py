"""Whatever happens, in whatever order: a decision has what fits by adding up one by one, no cent more and no cent less, and a
counter's row says what its holds come to.

The history is made up: actions that reserve, are done, fail, become uncertain or are looked at by people, cases that are archived or
erased, processes that die before their commit, time that goes by, and a sweeper that comes now and then. Beside it runs the plain
sum, in Python, of all that ever was.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from policies.types import DecisionRecord, Use
from tests.integration.limits.reading import agree
from tests.integration.limits.spending import ALL, EUROS, START, decision
from tests.kit.migrated import migrate
from workers.limits.reserving import counter_of, reserve
from workers.store import action_rows, limit_cleanup, limits
from workers.store.database import Database
from workers.store.limit_tables import limit_counters, limit_holds
from workers.store.records import ActionState
from workers.store.tables import actions, cases

#: as many as are met in a minute or two of these limits
SMALL = replace(ALL, max_count=4, max_minor=9_000)
#: leaves before the others do, out of rows in which it rides along
BRIEF = replace(ALL, id="brief", window_minutes=4, max_count=3, max_minor=None)
LIMITS = {EUROS.ref: EUROS, SMALL.ref: SMALL, BRIEF.ref: BRIEF}
CUSTOMERS = ("ana", "bo")
#: what an action may become, and whether that uses anything up
FATES = {
    ActionState.DONE: True,
    ActionState.FAILED: False,
    ActionState.UNCERTAIN: True,
    ActionState.STALE: False,
}
CASE = "case_of_all"


def since(now: datetime, key: str) -> datetime:
    """Where the window of a counter begins."""
    return now - timedelta(minutes=LIMITS[key.partition(":")[0]].window_minutes)


@dataclass
class Held:
    """What one action holds, as the plain sum knows it."""

    minor: int
    keys: tuple[str, ...]
    state: ActionState = ActionState.APPROVED
    ended: datetime | None = None
    nameless: bool = False

    def counts(self, now: datetime, key: str) -> bool:
        if self.state == ActionState.DONE:
            assert self.ended is not None
            return self.ended > since(now, key)
        return self.state in (ActionState.APPROVED, ActionState.UNCERTAIN)


@dataclass
class History:
    db: Database
    now: datetime = START
    held: dict[str, Held] = field(default_factory=dict)
    tried: int = 0
    refused: int = 0

    def reserve(self, customer: str, minor: int, *, dies: bool) -> None:
        """Held exactly where the plain sum has room."""
        self.tried += 1
        action = f"act_{self.tried}"
        uses = (
            Use(EUROS, f"{EUROS.ref}:{customer}", minor),
            Use(SMALL, SMALL.ref, minor),
            Use(BRIEF, BRIEF.ref, 0),
        )
        with self.db.write() as tx:
            (record,) = reserve(tx, [(action, decision(*uses))], now=self.now, once=True)
            tx.execute(actions.insert().values(_row(action, self.now)))
            if dies:
                tx.rollback()
                return
        fits = all(self._fits(use) for use in uses)
        assert [tried.held for tried in record.reserved] == [self._fits(use) for use in uses]
        if fits:
            self.held[action] = Held(minor, tuple(use.key for use in uses))
        else:
            self.refused += 1
            self._told_exactly(record)
            with self.db.write() as tx:
                tx.execute(actions.update().where(actions.c.id == action).values(state=ActionState.PENDING))

    def end(self, which: int, fate: ActionState) -> None:
        """One of those that are open is carried out, or is not."""
        going = [action for action, held in self.held.items() if held.state == ActionState.APPROVED]
        if not going:
            return
        action = going[which % len(going)]
        self.held[action].state, self.held[action].ended = fate, self.now
        settled = None if fate == ActionState.UNCERTAIN else self.now
        with self.db.write() as tx:
            tx.execute(update(actions).where(actions.c.id == action).values(state=fate, settled_at=settled))

    def archive(self) -> None:
        """The actions that are over leave, as with their cases: the rows of the others are hidden from it."""
        over = [a for a, held in self.held.items() if held.state in (ActionState.DONE, ActionState.FAILED)]
        with self.db.write() as tx:
            present = set(tx.execute(select(actions.c.id).where(actions.c.id.in_(over))).scalars())
            tx.execute(update(actions).where(actions.c.id.in_(present)).values(case_id="case_over"))
            limit_cleanup.wind_up(tx, ["case_over"])
            tx.execute(delete(actions).where(actions.c.case_id == "case_over"))

    def forget(self) -> None:
        """All that is settled loses its name; what it used up counts to the end of its minute, so no test can be exact after
        it but by the same minute."""
        with self.db.write() as tx:
            limit_cleanup.forget(tx, [CASE], self.now)
            named = set(tx.execute(select(limit_holds.c.action_id)).scalars())
        for action, held in self.held.items():
            if held.state == ActionState.DONE and action not in named and not held.nameless:
                held.nameless = True
                held.keys = tuple(key for key in held.keys if held.counts(self.now, key))
                held.ended = held.ended.replace(second=0, microsecond=0) + timedelta(minutes=1)

    def tidy(self) -> None:
        for _ in range(20):
            with self.db.write() as tx:
                if not limit_cleanup.tidy(tx, self.now, 100):
                    return
        raise AssertionError("it does not come to an end")

    def spoil(self, by: int) -> None:
        """What a counter's row must never be: wrong. Too much is found out by whoever is refused for it."""
        with self.db.write() as tx:
            tx.execute(
                update(limit_counters).values(times=limit_counters.c.times + by, minor=limit_counters.c.minor + by)
            )

    def check(self) -> None:
        """A counter's row is what its holds come to, and those are never less than what counts."""
        with self.db.read() as tx:
            said = {row.counter: (row.times, row.minor) for row in tx.execute(select(limit_counters)).all()}
            assert agree(tx)
            for key, (times, minor) in self._sums().items():
                counter = counter_of(Use(EUROS, key, 0))
                assert limits.used(tx, counter, since=since(self.now, key)) == (times, minor)
                assert said[counter][0] >= times
                assert said[counter][1] >= minor

    def _sums(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for held in self.held.values():
            for key in held.keys:
                if held.counts(self.now, key):
                    found[key] = (found[key][0] + 1, found[key][1] + (0 if key == BRIEF.ref else held.minor))
        return found

    def _fits(self, use: Use) -> bool:
        times, minor = self._sums()[use.key]
        limit = use.limit
        return (limit.max_count is None or times < limit.max_count) and (
            limit.max_minor is None or minor + use.amount_minor <= limit.max_minor
        )

    def _told_exactly(self, record: DecisionRecord) -> None:
        """Who is refused is told what really counts."""
        for tried in record.reserved:
            if not tried.held:
                assert (tried.used_count, tried.used_minor) == self._sums()[tried.key]


def _row(action: str, now: datetime) -> dict[str, object]:
    given = {"id": action, "case_id": CASE, "ordinal": int(action[4:]), "state": ActionState.APPROVED}
    return {**{name: _filled(column, now) for name, column in actions.c.items()}, **given}


def _filled(column, now):
    # SQLite keeps them in plain columns, which are never empty there.
    if column.nullable and column.name not in (*action_rows.OF_ACTION, "digest"):
        return None
    plain = {"JSON": {}, "INTEGER": 1, "FLOAT": 1.0, "BOOLEAN": False, "UTCDATETIME": now}
    return plain.get(type(column.type).__name__.upper(), "x")


def _empty(db: Database) -> None:
    with db.write() as tx:
        for table in (limit_holds, limit_counters, actions, cases):
            tx.execute(delete(table))
        for case in (CASE, "case_over"):
            tx.execute(
                cases.insert().values(
                    {**{n: _filled(c, START) for n, c in cases.c.items()}, "id": case, "subject": case}
                )
            )


PAID, DONE = ("reserve", "ana", 4_000, False), ("end", 0, ActionState.DONE)
MINORS = st.integers(1, 4_000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.sampled_from(CUSTOMERS), MINORS, st.integers(0, 9).map(lambda n: n == 0)),
        st.tuples(st.just("reserve"), st.sampled_from(CUSTOMERS), MINORS, st.just(False)),
        st.tuples(st.just("end"), st.integers(0, 9), st.sampled_from(list(FATES))),
        st.tuples(st.just("wait"), st.sampled_from([1, 59, 200, 301, 599, 600])),
        st.tuples(st.sampled_from(["tidy", "archive", "forget"])),
    ),
    min_size=5,
    max_size=40,
)


@pytest.fixture
def db(url):
    made = Database(url)
    migrate(made)
    yield made
    made.dispose()


def replay(db: Database, steps) -> History:
    _empty(db)
    history = History(db)
    for step, *told in steps:
        if step == "reserve":
            history.reserve(told[0], told[1], dies=told[2])
        elif step == "wait":
            history.now += timedelta(seconds=told[0])
        else:
            getattr(history, step)(*told)
        history.check()
    return history


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
@example([PAID, ("wait", 599), DONE, ("wait", 301), ("tidy",), PAID, ("wait", 301), ("tidy",), PAID])
@example([PAID, ("wait", 599), DONE, ("archive",), ("wait", 301), ("tidy",), PAID, ("wait", 301), ("tidy",), PAID])
@example(
    [PAID, PAID, ("end", 0, ActionState.UNCERTAIN), ("wait", 600), ("tidy",), DONE, ("forget",), ("wait", 600), PAID]
)
def test_a_decision_has_what_fits_and_a_counter_says_what_its_holds_come_to(db, steps):
    replay(db, steps)


def test_a_history_that_meets_the_limits(db):
    """The one above shows nothing where nothing is ever refused."""
    pay = [("reserve", "ana", 2_500, False)] * 6
    steps = [*pay, ("end", 0, ActionState.DONE), ("wait", 400), ("end", 0, ActionState.FAILED), *pay, ("tidy",)]

    history = replay(db, [*steps, ("wait", 300), *pay, ("archive",), ("wait", 700), *pay])

    assert 0 < history.refused < history.tried - 4


@pytest.mark.parametrize("by", [3, 10**6])
def test_a_total_that_says_too_much_stands_in_nobodys_way_and_is_set_right(db, by):
    history = replay(db, [("reserve", "ana", 100, False), ("reserve", "bo", 100, False)])
    history.spoil(by * 1_000)

    history.reserve("ana", 500, dies=False)

    assert history.refused == 0
    with db.read() as tx:
        assert limits.total(tx, counter_of(Use(SMALL, SMALL.ref, 0))) == (3, 700)


def test_a_total_that_says_too_little_is_set_right_by_the_sweeper(db):
    """No way of ours leads there. Each counter is added up anew when something may have left its window, at the latest."""
    history = replay(db, [("reserve", "ana", 2_000, False), ("wait", 300), ("reserve", "ana", 2_500, False)])
    history.spoil(-1)
    history.now += timedelta(seconds=301)

    history.tidy()

    history.check()
