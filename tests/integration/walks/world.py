"""An installation to which anything may happen at any moment: what can happen, drawn from a seed, and the outside that sees it.

Everything runs in one thread. At each crash point, call outside and transaction's begin the walk may die, or something else may
happen first: another worker, a person, a message, time. So whoever goes on after it is late, as a zombie is.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from integrations.base import EventType, Receipt
from integrations.errors import Permanent, Stale, Temporary
from integrations.registry import Readers, Writers
from tests.integration.walks.checks import may_happen
from tests.integration.walks.decides import STAFF, Decides
from tests.integration.walks.rules import House as Rules
from tests.integration.walks.rules import houses
from tests.kit.died import Died
from tests.kit.engine import Engine, documents, escalate, refund, reply, tags
from tests.kit.house import House, timed_out
from workers import execute, faults, pipeline
from workers.inbox.words import DecisionError
from workers.rulebook.book import Fixed
from workers.store import actions, cases, due, limit_cleanup
from workers.store.database import Database
from workers.store.records import Action, ActionState
from workers.switchboard import release, throw

TICKETS = ("1", "2", "3")
SCOPES = ("all", "domain:support", "action:refund_payment", "vendor:house", "rule:house/little")
TIMES = (1, 5, 40, 70, 320, 900, 3_700, 20_000, 90_000)
#: how deep one thing happens within another
DEEPEST = 3


class Garbage(ValueError):
    """An answer that nobody foresaw."""


class Outside(House):
    """The house, which tells the world before it does something and after, and forgets keys after a day."""

    world: World

    def _read(self, what: str) -> None:
        self.world.meanwhile("read")
        super()._read(what)

    def _write(self, kind: str, ref: str, key: str, if_version: str, what: Any, *, dedupe: bool = True) -> Receipt:
        self.world.hurried += 1
        try:
            self.world.meanwhile("write")
        finally:
            self.world.hurried -= 1
        now = self.world.engine.clock()
        for known in [k for k, at in self.world.keys.items() if now - at > timedelta(hours=24)]:
            del self.world.keys[known]
            if known in self.by_key and known in self.world.idempotent:
                del self.by_key[known]
        before = len(self.effects)
        if (
            not self.before
            and not (dedupe and key in self.by_key)
            and not (if_version and if_version != self.version(ref))
        ):
            self.world.about_to(kind, ref, key, what)
        receipt = super()._write(kind, ref, key, if_version, what, dedupe=dedupe)
        if len(self.effects) > before and dedupe:
            self.world.keys[key] = now
            self.world.idempotent.add(key)
        self.world.meanwhile("written")
        return receipt


class World(Decides):
    """An engine, the outside, and all that was seen of both."""

    def __init__(self, engine: Engine, seed: int, folder: Path) -> None:
        self.engine, self.dice = engine, random.Random(seed)
        self.often, self.deadly = self.dice.choice((0.02, 0.05, 0.15)), self.dice.choice((0.005, 0.02, 0.06))
        self.told: list[str] = []
        self.depth = 0
        self.in_tx = 0
        self.quiet = True
        #: a request is on its way: it arrives soon, or not at all
        self.hurried = 0
        self.keys: dict[str, Any] = {}
        self.idempotent: set[str] = set()
        self.broken: list[str] = []
        self.turn = 0
        self.deliveries: list[Any] = []
        self.seen: list[Action] = []
        self.thrown: dict[str, int] = {}
        self.houses = houses(folder)
        #: which house was in force since which turn
        self.in_force: list[tuple[int, Any]] = []
        #: when the calls of `execute` that are going on began: turn, and the action's state then
        self.calls: list[tuple[str, int, str]] = []
        #: of each effect: key, kind, what, when
        self.effects: list[tuple[str, str, Any, Any]] = []
        outside = Outside()
        outside.world = self
        engine.house = outside
        engine.writers = Writers({"house": outside})
        engine.system = replace(engine.system, readers=Readers({"house": outside}))
        engine.model.during = lambda: self.meanwhile("model")
        # It is asked in one thread, and again each time.
        board = engine.system.switchboard
        board._fresh_seconds, board._lock = 0.0, threading.RLock()
        self.enact(self.dice.choice(self.houses))
        self.staff = {name: engine.person(name, groups) for name, groups in STAFF.items()}
        if self.dice.random() < 0.5:
            engine.begins_at_once()

    # what may come between

    def point(self, name: str) -> None:
        if self.quiet or self.depth == 0:
            return
        # In one process a statement of PostgreSQL's that is cut off keeps its locks, which a dead process does not.
        in_pieces = self.in_tx and not self.engine.system.db.is_sqlite
        if self.dice.random() < self.deadly and not in_pieces:
            self.told.append(f"{'  ' * self.depth}DIED at {name}")
            raise Died(name)
        self.meanwhile(name)

    def meanwhile(self, where: str) -> None:
        if self.quiet or self.in_tx or self.depth == 0 or self.depth >= DEEPEST or self.dice.random() > self.often:
            return
        for _ in range(self.dice.choice((1, 1, 2, 4))):
            self.told.append(f"{'  ' * self.depth}at {where}:")
            self.step()

    def about_to(self, kind: str, ref: str, key: str, what: Any) -> None:
        """Something is being done outside, at this moment."""
        self.effects.append((key, kind, what, self.engine.clock()))
        self.told.append(f"{'  ' * self.depth}EFFECT {kind} {key[-6:]} {what}")
        self.broken += may_happen(self, kind, ref, key, what)

    # steps

    def step(self) -> None:
        self.turn += 1
        self.depth += 1
        name, weight = zip(*STEPS.items(), strict=True)
        chosen = self.dice.choices(name, weight)[0]
        if self.dice.random() < 0.7 and self.engine.hints.waiting and self.depth == 1:
            chosen = World._hint
        self.told.append(f"{'  ' * self.depth}{self.turn} {chosen.__name__[1:]}")
        try:
            chosen(self)
        except Died:
            self.note("(dead)")
        except DecisionError as error:
            self.note(f"refused: {str(error)[:90]}")
        finally:
            self.depth -= 1

    def note(self, what: str) -> None:
        self.told.append(f"{'  ' * self.depth}  . {what}")

    def enact(self, one: Rules) -> None:
        self.in_force.append((self.turn, one))
        # In place, so that those who are in the middle of something see it too.
        object.__setattr__(self.engine.system, "rulebook", Fixed(one.policy))

    def all_actions(self) -> list[Action]:
        self.in_tx += 1
        try:
            with self.engine.system.db.read() as tx:
                return [a for case in cases.listing(tx, limit=500) for a in actions.of_case(tx, case.id)]
        finally:
            self.in_tx -= 1

    def event(self) -> None:
        ticket = self.dice.choice(TICKETS)
        new = self.dice.random() < 0.4
        kind = EventType.TICKET_CREATED if new else EventType.TICKET_COMMENTED
        delivery = f"d{self.turn}.{self.dice.randrange(10**6)}"
        self.deliveries.append((delivery, ticket, kind))
        self.engine.model.drafts = [self._draft()]
        self.engine.event(delivery=delivery, ticket=ticket, type=kind, text=f"text {delivery}")

    def _draft(self) -> list[dict[str, Any]]:
        amounts = (500, 2_000, 2_900, 4_000, 6_500, 9_500)
        wanted: list[dict[str, Any]] = []
        if self.dice.random() < 0.9:
            wanted.append(refund(self.dice.choice(amounts), self.dice.choice(("ch_1", "ch_1b", "ch_1c"))))
        if self.dice.random() < 0.6:
            wanted.append(reply(f"Hello {self.turn}"))
        if self.dice.random() < 0.25:
            wanted.append(documents())
        if self.dice.random() < 0.25:
            wanted.append(tags())
        if self.dice.random() < 0.15:
            wanted.append(escalate())
        return wanted

    def work(self, kind: str, row: str, known: Any = None) -> None:
        if kind == "case":
            try:
                pipeline.advance(self.engine.system, row)
            except Garbage:
                # As the task does: whoever holds it lets go of it, or its lease runs out.
                self.note("(broke)")
            return
        with self.engine.system.db.read() as tx:
            before = actions.get(tx, row)
        state = (
            ActionState.EXECUTING if known is not None and known.begun is not None else before.state if before else ""
        )
        self.calls.append((row, self.turn, str(state)))
        try:
            execute.carry_out(self.engine.system, self.engine.writers, row, snapshot=known)
        except Garbage:
            self.note("(broke)")
        finally:
            self.calls.pop()

    def _hint(self) -> None:
        waiting = self.engine.hints.waiting
        for _ in range(self.dice.choice((1, 1, 3, 10))):
            if not waiting:
                return
            kind, row = waiting.pop(self.dice.randrange(len(waiting)))
            luck = self.dice.random()
            known = self.engine.hints.known.pop(row, None) if kind == "action" else None
            if luck < 0.05 and (known is None or known.begun is None):
                continue
            if luck > 0.95:
                waiting.append((kind, row))
            self.note(f"work {kind} {row[-6:]}{' begun' if known is not None and known.begun is not None else ''}")
            self.work(kind, row, known)

    def _sweep(self) -> None:
        with self.engine.system.db.read() as tx:
            now = self.engine.clock()
            found = [("case", d.id) for d in due.due_cases(tx, now, 100)] + [
                ("action", d.id) for d in due.due_actions(tx, now, 100)
            ]
        self.dice.shuffle(found)
        for kind, row in found[: self.dice.choice((1, 2, 50))]:
            self.note(f"work {kind} {row[-6:]}")
            self.work(kind, row)

    def sweep_all(self) -> int:
        with self.engine.system.db.read() as tx:
            now = self.engine.clock()
            found = [("case", d.id) for d in due.due_cases(tx, now, 100)] + [
                ("action", d.id) for d in due.due_actions(tx, now, 100)
            ]
        self.engine.hints.waiting.clear()
        self.engine.hints.known.clear()
        for kind, row in found:
            self.work(kind, row)
        return len(found)

    def _event(self) -> None:
        self.event()

    def _again(self) -> None:
        if self.deliveries:
            delivery, ticket, kind = self.dice.choice(self.deliveries)
            self.engine.event(delivery=delivery, ticket=ticket, type=kind, text=f"text {delivery}")

    def _time(self) -> None:
        seconds = self.dice.choices(TIMES, (6, 5, 5, 5, 4, 4, 3, 1, 1))[0]
        if self.hurried:
            seconds = 1
        self.note(f"{seconds} s")
        self.engine.clock.on(seconds=seconds)

    def _policy(self) -> None:
        one = self.dice.choice(self.houses)
        self.note(one.name)
        self.enact(one)

    def _switch(self) -> None:
        scope = self.dice.choice([*SCOPES, *list(self.thrown) * 8])
        with self.engine.system.db.write() as tx:
            if scope in self.thrown:
                release(tx, scope, reason="enough", actor="test", now=self.engine.clock())
                self.thrown.pop(scope)
                self.note(f"release {scope}")
            else:
                throw(tx, scope, reason="stop", actor="test", now=self.engine.clock())
                self.thrown[scope] = self.turn
                self.note(f"throw {scope}")

    def _touch(self) -> None:
        ref = self.dice.choice([f"house:ticket:{t}" for t in TICKETS] + ["house:charge:ch_1"])
        self.engine.house.touched_by_somebody_else(ref)

    def _trouble(self) -> None:
        house = self.engine.house
        error = self.dice.choice(
            (
                timed_out(maybe_done=True),
                timed_out(maybe_done=False),
                *([Permanent("No.")] if self.dice.random() < 0.3 else []),
                Stale("It changed."),
                Temporary("Later", retry_after=30),
                Garbage("garbage"),
            )
        )
        where = self.dice.choice(("before", "before", "after", "reads", "model"))
        if where == "after" and not isinstance(error, Garbage):
            error = timed_out(maybe_done=True)
        if where == "before" and isinstance(error, Garbage):
            error = timed_out(maybe_done=True)
        if where in ("reads", "model") and isinstance(error, Stale):
            error = timed_out(maybe_done=False)
        self.note(f"{where} {error!r}")
        {"before": house.before, "after": house.after, "reads": house.read_faults, "model": self.engine.model.faults}[
            where
        ].append(error)

    def _tidy(self) -> None:
        with self.engine.system.db.write() as tx:
            limit_cleanup.tidy(tx, self.engine.clock(), 100)

    def _free(self) -> None:
        """What broke off is let go of long before its lease is over, as the sweeper does for the dead."""
        self.engine.system.leases._let_go(float("inf"))

    def _restart(self) -> None:
        if self.depth == 1:
            with self.engine.system.db.write() as tx:
                cases.free_all(tx, self.engine.clock())


STEPS: dict[Callable[[World], None], int] = {
    World._hint: 10,
    World._sweep: 14,
    World._event: 3,
    World._again: 2,
    World._time: 14,
    World._look: 4,
    World._decide: 24,
    World._decide_case: 2,
    World._policy: 1,
    World._switch: 2,
    World._touch: 2,
    World._trouble: 3,
    World._away: 1,
    World._leave: 1,
    World._tidy: 1,
    World._free: 4,
    World._restart: 1,
}


def watch(monkeypatch: Any, world: World) -> None:
    """From now on the world hears of every crash point, and of every transaction before it begins."""
    monkeypatch.setattr(faults, "point", world.point)
    world.quiet = False
    for name in ("read", "write", "direct"):
        monkeypatch.setattr(Database, name, _watched(getattr(Database, name), world, name))
    ask = Database.ask

    def asked(db: Database, *args: Any, **more: Any) -> Any:
        mine = db is world.engine.system.db and threading.current_thread() is threading.main_thread()
        if mine:
            world.meanwhile("ask")
        world.in_tx += mine
        try:
            return ask(db, *args, **more)
        finally:
            world.in_tx -= mine

    monkeypatch.setattr(Database, "ask", asked)


def _watched(way: Any, world: World, name: str) -> Any:
    @contextmanager
    def watched(db: Database):
        mine = db is world.engine.system.db and threading.current_thread() is threading.main_thread()
        if mine:
            world.meanwhile(name)
        with way(db) as tx:
            world.in_tx += mine
            try:
                yield tx
            finally:
                world.in_tx -= mine

    return watched
