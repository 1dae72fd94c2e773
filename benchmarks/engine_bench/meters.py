"""Reading what a contender costs, from outside: CPU and memory from /proc, commits and bytes from PostgreSQL's log."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from workers.cli import interpreter

TICK = os.sysconf("SC_CLK_TCK")


def family(roots: list[int]) -> list[int]:
    """These processes and all that descend from them."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += parents.get(pid, [])
    return found


def cpu_seconds(roots: list[int]) -> float:
    """User and system time of these processes, their children, and the children that they have already buried."""
    total = 0
    for pid in family(roots):
        if fields := _stat(pid):
            total += sum(int(field) for field in fields[11:15])
    return total / TICK


def main_thread_seconds(pid: int) -> float:
    """CPU of a process's main thread alone: of a Celery worker, the loop that fetches messages."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def memory_mb(pid: int) -> tuple[float, float]:
    """(PSS, RSS) of one process."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0, 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
    return sizes["Pss"] / 1024, sizes["Rss"] / 1024


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@dataclass(frozen=True, slots=True)
class Written:
    """What went into the write-ahead log."""

    commits: int
    bytes: int
    full_pages: int


class WriteAheadLog:
    """Counts commit records, so that a read that was committed is not taken for a write."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute("CHECKPOINT")
        self.began = self._position()

    def written(self) -> Written:
        ended = self._position()
        if ended == self.began:
            return Written(0, 0, 0)
        rows = self._connection.execute(
            'SELECT "resource_manager/record_type", count, fpi_size, combined_size'
            " FROM pg_get_wal_stats(%s::pg_lsn, %s::pg_lsn, true)",
            (self.began, ended),
        ).fetchall()
        commits = sum(int(count) for kind, count, _, _ in rows if kind == "Transaction/COMMIT")
        return Written(commits, sum(int(row[3]) for row in rows), sum(int(row[2]) for row in rows))

    def _position(self) -> str:
        row = self._connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        assert row is not None
        return str(row[0])


def machine() -> dict[str, Any]:
    """Where this was measured."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory) / 1024 / 1024, 1),
        "system": platform.platform(),
        "python": platform.python_version() + (", built without optimisations" if interpreter.plain() else ""),
        "load_before": [round(value, 2) for value in os.getloadavg()],
    }


def log_by_table(url: str, began: str) -> list[tuple[str, int, int]]:
    """(table or index and kind of record, records, bytes) of what was logged since, the largest first."""
    with psycopg.connect(url, autocommit=True) as connection:
        names = {
            str(node): str(name)
            for node, name in connection.execute("SELECT pg_relation_filenode(oid), relname FROM pg_class").fetchall()
        }
    with psycopg.connect(url.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
        rows = connection.execute(
            "SELECT resource_manager || '/' || record_type, substring(block_ref FROM 'rel \\d+/\\d+/(\\d+)'),"
            " count(*), sum(record_length)"
            " FROM pg_get_wal_records_info(%s::pg_lsn, pg_current_wal_flush_lsn()) GROUP BY 1, 2",
            (began,),
        ).fetchall()
    found = [(f"{names.get(node, '-')} {kind}", int(count), int(size)) for kind, node, count, size in rows]
    return sorted(found, key=lambda row: -row[2])


STATEMENTS = (
    "SELECT calls, total_plan_time, total_exec_time, wal_bytes, regexp_replace(query, '\\s+', ' ', 'g') FROM pg_stat_statements"
    " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = %s) ORDER BY total_plan_time + total_exec_time DESC LIMIT 30"
)


def statements(admin: psycopg.Connection[Any], database: str) -> list[tuple[int, float, float, int, str]]:
    """(calls, ms of planning, ms of execution, bytes of log, text) of what the server was asked, the dearest first."""
    rows = admin.execute(STATEMENTS, (database,)).fetchall()
    return [(int(row[0]), float(row[1]), float(row[2]), int(row[3]), str(row[4])) for row in rows]


def calibration_ms() -> float:
    """CPU time of a fixed piece of Python: what a figure was worth at that moment on this machine."""
    began = time.process_time()
    total = 0
    for number in range(400_000):
        total += hash(str(number)) & 1
    assert total
    return (time.process_time() - began) * 1000
