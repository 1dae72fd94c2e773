"""The flow as a LangGraph graph with its PostgreSQL checkpointer, each step a node, approval by `interrupt`.

The library has neither queue nor recovery, so both are added here in the plainest way: an inbox table that the door inserts
into (one commit) and workers claim from, and at a worker's start the cases that it had claimed go on from their last
checkpoint. Durability is `sync`: what a node returned is written before the next begins.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from engine_bench.peers import door, steps

POLL_SECONDS = 0.01
CLAIM = (
    "UPDATE inbox SET state = 'working', worker = %s, resumed = (state = 'approved') WHERE id IN (SELECT id FROM inbox"
    " WHERE state IN ('new', 'approved') ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING id, event, resumed"
)


class Case(TypedDict, total=False):
    key: str
    event: dict[str, Any]
    triage: dict[str, Any]
    facts: dict[str, Any]
    drafted: dict[str, Any]
    allowed: bool
    receipt: dict[str, Any]


def classify(case: Case) -> Case:
    return {"triage": steps.classify(case["event"])}


def gather(case: Case) -> Case:
    return {"facts": steps.gather(case["event"])}


def draft(case: Case) -> Case:
    return {"drafted": steps.draft(case["event"], case["triage"], case["facts"])}


def decide(case: Case) -> Case:
    return {"allowed": steps.may_run(case["triage"], case["facts"], case["drafted"])}


def ask(_case: Case) -> Case:
    return {"allowed": bool(interrupt({"question": "approve?"}))}


def act(case: Case) -> Case:
    return {"receipt": steps.act(case["drafted"], case["key"])}


def graph(pool: ConnectionPool[Any]) -> Any:
    made = StateGraph(Case)
    made.add_node("classify", classify)
    made.add_node("gather", gather)
    made.add_node("draft", draft)
    made.add_node("decide", decide)
    made.add_node("ask", ask)
    made.add_node("act", act)
    made.add_edge(START, "classify")
    made.add_edge("classify", "gather")
    made.add_edge("gather", "draft")
    made.add_edge("draft", "decide")
    made.add_conditional_edges("decide", lambda case: "act" if case["allowed"] else "ask", ["act", "ask"])
    made.add_conditional_edges("ask", lambda case: "act" if case["allowed"] else END, ["act", END])
    made.add_edge("act", END)
    return made.compile(checkpointer=PostgresSaver(pool))


def pool_of(connections: int) -> ConnectionPool[Any]:
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    return ConnectionPool(os.environ["BENCH_DSN"], min_size=2, max_size=connections, kwargs=options, open=True)


def prepare() -> None:
    with pool_of(2) as pool:
        PostgresSaver(pool).setup()
        with pool.connection() as connection:
            connection.execute(
                "CREATE TABLE inbox (id text PRIMARY KEY, number bigserial, state text NOT NULL, worker text,"
                " resumed boolean, event jsonb NOT NULL)"
            )
            connection.execute("CREATE INDEX inbox_waiting ON inbox (number) WHERE state IN ('new', 'approved')")


class Worker:
    def __init__(self, slots: int, name: str) -> None:
        self._pool = pool_of(min(slots, 20) + 2)
        # A checkpointer does one thing at a time under a lock of its own, so each thread has one, on the common pool.
        self._own = threading.local()
        self._slots, self._name = slots, name
        self._free = threading.Semaphore(slots)
        self._threads = ThreadPoolExecutor(slots)

    def run(self) -> None:
        with self._pool.connection() as connection:
            mine = connection.execute(
                "SELECT id, event, resumed FROM inbox WHERE state = 'working' AND worker = %s", (self._name,)
            ).fetchall()
        for row in mine:
            self._free.acquire()
            self._threads.submit(self._one, row, again=True)
        while True:
            wanted = self._take_free()
            rows = []
            if wanted:
                with self._pool.connection() as connection:
                    rows = connection.execute(CLAIM, (self._name, wanted)).fetchall()
            for row in rows:
                self._threads.submit(self._one, row, again=False)
            for _ in range(wanted - len(rows)):
                self._free.release()
            if not rows:
                time.sleep(POLL_SECONDS)

    def _take_free(self) -> int:
        taken = 0
        while taken < self._slots and self._free.acquire(blocking=False):
            taken += 1
        return taken

    def _one(self, row: dict[str, Any], *, again: bool) -> None:
        where = {"configurable": {"thread_id": row["id"]}}
        if not hasattr(self._own, "graph"):
            self._own.graph = graph(self._pool)
        mine = self._own.graph
        begin: Any = {"key": row["id"], "event": row["event"]}
        try:
            if row["resumed"]:
                begin = Command(resume=True)
            if again and mine.get_state(where).values:
                waiting = any(task.interrupts for task in mine.get_state(where).tasks)
                begin = begin if waiting else None
            result = mine.invoke(begin, where, durability="sync")
            state = "parked" if "__interrupt__" in result else "done"
            with self._pool.connection() as connection:
                connection.execute("UPDATE inbox SET state = %s WHERE id = %s", (state, row["id"]))
        except (psycopg.Error, OSError) as error:
            print(f"{row['id']}: {error!r}", file=sys.stderr, flush=True)
        finally:
            self._free.release()


def web(port: int) -> None:
    pool = AsyncConnectionPool(
        os.environ["BENCH_DSN"], min_size=4, max_size=16, kwargs={"autocommit": True}, open=False
    )

    async def accept(message_id: str, event: dict[str, Any]) -> None:
        if pool.closed:
            await pool.open()
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO inbox (id, state, event) VALUES (%s, 'new', %s) ON CONFLICT DO NOTHING",
                (message_id, Jsonb(event)),
            )

    async def approve(marker: str) -> None:
        async with pool.connection() as connection:
            await connection.execute(
                "UPDATE inbox SET state = 'approved' WHERE id = %s AND state = 'parked'", (f"msg_{marker}",)
            )

    door.serve(port, accept, approve)


def main() -> None:
    match sys.argv[1:]:
        case ["prepare"]:
            prepare()
        case ["worker", slots]:
            Worker(int(slots), os.environ["BENCH_NUMBER"]).run()
        case ["web", port]:
            web(int(port))


if __name__ == "__main__":
    main()
