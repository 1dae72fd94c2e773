"""Strikes by plan, from a thread of its own, and keeps a timeline of what was broken when and for how long."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import psycopg

from tests.faults.plan import Strike
from tests.faults.stack import PATIENCE, STOP_SECONDS, Member, Stack
from workers.queue import ADVANCE, EXECUTE, make_app

GIVE_BACK = 3.0
#: a process that is told to stop may need so much longer than it lets its work finish
LEAVE = 5.0
#: a process that finds no database when it starts says so and ends with this; whoever runs it starts it again after so long,
#: as the systemd units and the compose file have it
NOT_AVAILABLE = 2
RESTART_SECONDS = 2.0


@dataclass
class Happening:
    """One line of the timeline. `pid` is the process that was struck; times are the clock's."""

    at: float
    what: str
    target: str
    pid: int = 0
    until: float = 0.0

    def as_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class Recovery:
    """How long the rows of a killed worker lay still."""

    waits: list[float] = field(default_factory=list)
    never: list[str] = field(default_factory=list)


@dataclass
class Deploy:
    """How the processes that were told to stop ended."""

    seconds: list[float] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


class Chaos:
    """Executes a plan against a stack. `timeline` and `counts` say what really happened."""

    def __init__(self, stack: Stack, strikes: list[Strike]) -> None:
        self.timeline: list[Happening] = []
        self.counts: Counter[str] = Counter()
        self.recovery = Recovery()
        self.deploy = Deploy()
        self._stack, self._strikes = stack, strikes
        self._locks = {name: threading.Lock() for name in [*stack.members, "database", "broker"]}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        #: (table, id) -> (version at the kill, when)
        self._watched: dict[tuple[str, str], tuple[int, float]] = {}
        #: strikes that could not be made, which makes the run worth nothing
        self.missed: list[str] = []
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="recovery", daemon=True)
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._watcher.start()
        self._supervisor.start()

    def finished(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)
        self._watcher.join(10)
        self._supervisor.join(10)
        with self._lock:
            self.recovery.never = [f"{table} {row}" for table, row in self._watched]

    def _run(self) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(16, thread_name_prefix="strike") as pool:
            running = []
            for strike in self._strikes:
                if self._stop.wait(max(0.0, strike.at - (time.monotonic() - began))):
                    break
                running.append(pool.submit(self._strike, strike))
        self.missed = [repr(error) for done in running if (error := done.exception()) is not None]

    def _strike(self, strike: Strike) -> None:
        verb, _, target = strike.what.partition(" ")
        if target in ("worker", "web", "sweep"):
            self._on_process(verb, target, strike)
        elif verb == "kill":
            self._kill_server(target, strike)
        elif verb in ("cut", "stall"):
            self._on_link(verb, target, strike)
        elif verb == "swallow":
            happened = self._note("swallow", "database")
            self._stack.to_database.swallow(1 + strike.pick % 4)
            time.sleep(strike.down)
            self._stack.to_database.swallow(0)
            happened.until = time.time()
        elif verb == "flush":
            self._flush()
        elif verb == "restart":
            self._restart_all()
        elif verb == "hint":
            self._hint_twice(strike)

    # processes

    def _on_process(self, verb: str, kind: str, strike: Strike) -> None:
        """Strike the planned one, or the next of its kind that is not down already."""
        members = [member for member in self._stack.members.values() if member.kind == kind]
        for turn in range(len(members)):
            member = members[(strike.pick + turn) % len(members)]
            if self._locks[member.name].acquire(blocking=False):
                try:
                    if verb == "kill":
                        self._kill(member, strike.down)
                    else:
                        self._put_to_sleep(member, strike.down)
                finally:
                    self._locks[member.name].release()
                return

    def _supervise(self) -> None:
        """Start again what ended by itself. Only the database's absence at a start is a reason for that."""
        while not self._stop.wait(RESTART_SECONDS):
            for member in self._stack.members.values():
                if member.running() or not self._locks[member.name].acquire(blocking=False):
                    continue
                try:
                    self._start_again(member)
                finally:
                    self._locks[member.name].release()

    def _start_again(self, member: Member) -> None:
        """With the member's lock held. It may have been started since the look that found it gone."""
        if member.running():
            return
        if (status := member.ended(0)) != NOT_AVAILABLE:
            self.deploy.bad.append(f"{member.name} ended with {status} by itself: {self._stack.log_of(member.name)}")
        self._note("start again", member.name, member.pid)
        member.start()

    def _kill(self, member: Member, down: float) -> None:
        if not member.running():
            self._start_again(member)
        pid = member.pid
        member.kill()
        happened = self._note("kill", member.name, pid)
        if member.kind == "worker":
            self._watch_rows_of(pid)
        time.sleep(down)
        member.start()
        happened.until = time.time()

    def _put_to_sleep(self, member: Member, down: float) -> None:
        happened = self._note("stop", member.name, member.pid)
        member.send(signal.SIGSTOP)
        time.sleep(down)
        member.send(signal.SIGCONT)
        happened.until = time.time() + GIVE_BACK

    def _restart_all(self) -> None:
        """A deploy: each process in turn is told to stop, and the next one goes when its successor is at work."""
        for member in self._stack.members.values():
            with self._locks[member.name]:
                self._note("restart", member.name)
                began = time.monotonic()
                member.send(signal.SIGTERM)
                try:
                    status = member.ended(STOP_SECONDS + LEAVE)
                except subprocess.TimeoutExpired:
                    self.deploy.bad.append(f"{member.name} still runs after {STOP_SECONDS + LEAVE:.0f} s")
                    member.kill()
                else:
                    self.deploy.seconds.append(time.monotonic() - began)
                    if status != 0:
                        self.deploy.bad.append(f"{member.name} ended with {status}")
                member.start()
                if not self._at_work(member):
                    self.deploy.bad.append(f"the new {member.name} did not begin to work")

    def _at_work(self, member: Member) -> bool:
        if member.kind == "web":
            self._stack.until_ready()
            return True
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with psycopg.connect(self._stack.postgres.url, connect_timeout=5) as db:
                if db.execute("SELECT 1 FROM processes WHERE id LIKE %s", (f"%:{member.pid}:%",)).fetchone():
                    return True
            time.sleep(0.2)
        return False

    # servers and links

    def _kill_server(self, target: str, strike: Strike) -> None:
        with self._locks[target]:
            happened = self._note("kill", target)
            if target == "database":
                self._stack.postgres.kill()
                time.sleep(strike.down)
                self._stack.postgres.start()
            else:
                self._stack.broker.kill()
                time.sleep(strike.down)
                self._stack.broker.start()
            happened.until = time.time()

    def _on_link(self, verb: str, target: str, strike: Strike) -> None:
        link = self._stack.to_database if target == "database" else self._stack.to_broker
        with self._locks[target]:
            happened = self._note(verb, target)
            if verb == "cut":
                link.cut()
            else:
                link.stall()
                time.sleep(strike.down)
                link.flow()
            happened.until = time.time()

    def _flush(self) -> None:
        with self._locks["broker"]:
            self._note("flush", "broker")
            self._stack.broker.flush()

    def _hint_twice(self, strike: Strike) -> None:
        """What a broker that delivers again would do: hints of rows that are being worked, waiting or long done."""
        try:
            with psycopg.connect(self._stack.postgres.url, connect_timeout=2) as db:
                cases = db.execute("SELECT id FROM cases ORDER BY updated_at DESC LIMIT 200").fetchall()
                actions = db.execute("SELECT id FROM actions ORDER BY updated_at DESC LIMIT 200").fetchall()
        except psycopg.OperationalError:
            return
        dice = random.Random(strike.pick)
        app = make_app(self._stack.broker.url(self._stack.broker.port))
        with self._locks["broker"], app.connection_for_write() as connection:
            self._note("hint twice", "broker")
            for task, queue, rows in ((ADVANCE, "support", cases), (EXECUTE, "actions", actions)):
                for (row,) in dice.sample(rows, min(8, len(rows))):
                    for _ in range(3):
                        app.send_task(task, args=[row], queue=queue, connection=connection)
        app.close()

    # how soon it goes on

    def _watch_rows_of(self, pid: int) -> None:
        now = time.time()
        try:
            with psycopg.connect(self._stack.postgres.url, connect_timeout=2) as db:
                for table in ("cases", "actions"):
                    query = f"SELECT id, version FROM {table} WHERE claimed_by LIKE %s"
                    for row, version in db.execute(query, (f"%:{pid}%",)).fetchall():
                        with self._lock:
                            self._watched.setdefault((table, row), (version, now))
        except psycopg.OperationalError:
            return  # the database is down as well: these rows cannot be watched

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            with self._lock:
                watched = dict(self._watched)
            if not watched:
                continue
            try:
                with psycopg.connect(self._stack.postgres.url, connect_timeout=2) as db:
                    for table in ("cases", "actions"):
                        ids = [row for name, row in watched if name == table]
                        query = f"SELECT id, version FROM {table} WHERE id = ANY(%s)"
                        for row, version in db.execute(query, (ids,)).fetchall():
                            was, since = watched[table, row]
                            if version != was:
                                self.recovery.waits.append(time.time() - since)
                                with self._lock:
                                    self._watched.pop((table, row), None)
            except psycopg.OperationalError:
                continue

    def _note(self, what: str, target: str, pid: int = 0) -> Happening:
        now = time.time()
        happened = Happening(now, what, target, pid, now)
        with self._lock:
            self.timeline.append(happened)
            kind = self._stack.members[target].kind if target in self._stack.members else target
            self.counts[f"{what} {kind}"] += 1
        return happened
