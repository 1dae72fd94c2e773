"""What can be wrong with a fleet: the database server, the broker, and which processes give a sign of life.

Called by `workers.cli.checks`, for ``caseworker doctor``. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from workers.cli.findings import Finding, Level
from workers.queue import QUEUES, make_app
from workers.store import processes, server
from workers.store.database import Tx

OLDEST_POSTGRESQL = 130000
CLOCK_SLACK = timedelta(seconds=5)
#: a process moves its row each second
SEEN_WITHIN = timedelta(seconds=20)
#: of the server's connections in use, beyond which another process may find none
MANY_CONNECTIONS = 0.85
BROKER_SECONDS = 5
_REDIS_PARTS = ("server", "memory", "persistence", "replication")


def database_server(tx: Tx, now: datetime) -> Iterator[Finding]:
    """The server's version, clock, durability and room. Nothing for SQLite."""
    found = server.about(tx)
    if found is None:
        return
    version = f"PostgreSQL {found.version // 10000}.{found.version % 10000}"
    if found.version < OLDEST_POSTGRESQL:
        remedy = f"Upgrade it to {OLDEST_POSTGRESQL // 10000} or newer."
        yield Finding("database server", Level.PROBLEM, f"{version} is too old.", remedy)
    else:
        yield Finding("database server", Level.OK, version)
    if found.read_only:
        remedy = "Let CASEWORKER_DATABASE_URL lead to the primary, or set default_transaction_read_only = off."
        yield Finding("database writes", Level.PROBLEM, "The server takes none: it is a standby, or read-only.", remedy)
    off = [name for name in server.DURABLE if found.settings.get(name) == "off"]
    if off:
        yield Finding(
            "durability",
            Level.PROBLEM,
            f"{', '.join(off)} is off: what was acknowledged can be gone after a power cut.",
            f"Set {' and '.join(f'{name} = on' for name in off)} in postgresql.conf.",
        )
    else:
        yield Finding("durability", Level.OK, "what is acknowledged survives a power cut")
    yield _clock(found.now - now, "the database server's clock")
    told = f"{found.connections} of {found.most_connections} connections are in use"
    if found.connections > MANY_CONNECTIONS * found.most_connections:
        remedy = "Raise max_connections, or lower CASEWORKER_DATABASE_CONNECTIONS of the processes."
        yield Finding("connections", Level.PROBLEM, f"{told}.", remedy)
    else:
        yield Finding("connections", Level.OK, told)


def living(tx: Tx, now: datetime) -> Iterator[Finding]:
    """Who gives signs of life. Only where processes work together: `up` is one by itself."""
    alive = [process for process in processes.all_of(tx) if process.seen_at >= now - SEEN_WITHIN]
    workers = [process for process in alive if process.kind == processes.WORKER]
    sweepers = [process for process in alive if process.kind == processes.SWEEPER]
    if workers:
        yield Finding("workers", Level.OK, f"{len(workers)} alive: {', '.join(process.id for process in workers)}")
        unserved = [queue for queue in QUEUES if not any(queue in process.queues for process in workers)]
        if unserved:
            remedy = f"`caseworker worker --queues {','.join(unserved)}`, if there is to be work for them."
            yield Finding("queues", Level.NOTE, f"Nobody works {', '.join(unserved)}.", remedy)
    else:
        yield Finding("workers", Level.PROBLEM, "No worker gives a sign of life.", "Start `caseworker worker`.")
    if sweepers:
        yield Finding("sweepers", Level.OK, f"{len(sweepers)} alive: {', '.join(process.id for process in sweepers)}")
    else:
        yield Finding(
            "sweepers",
            Level.PROBLEM,
            "No sweeper gives a sign of life: what a lost message or a dead worker left behind stays where it is.",
            "Start `caseworker sweep`.",
        )


def broker(url: str, shown: str) -> Iterator[Finding]:
    """Whether the broker answers, and whether it keeps what it is given."""
    with make_app(url).connection_for_write(connect_timeout=BROKER_SECONDS) as connection:
        try:
            connection.connect()
            found = list(_redis(connection, shown) if url.startswith("redis") else _rabbitmq(connection, shown))
        except (*connection.connection_errors, *connection.channel_errors, OSError) as error:
            told = f"{shown} cannot be reached: {error}"
            remedy = "Start it, or mend CASEWORKER_BROKER_URL. Work goes on late."
            yield Finding("broker", Level.PROBLEM, told, remedy)
            return
    yield from found


def _redis(connection: Any, shown: str) -> Iterator[Finding]:
    client = connection.default_channel.client
    client.ping()
    try:
        found = {name: said for part in _REDIS_PARTS for name, said in client.info(part).items()}
    except connection.channel_errors as error:
        # It is among the commands that a user who only works is rarely given.
        told = f"{shown} answers. Whether it keeps what it is given cannot be seen: {error}."
        yield Finding("broker", Level.NOTE, told, "Let this user ask: ACL SETUSER … +info.")
        return
    version = found.get("redis_version", "of unknown version")
    yield Finding("broker", Level.OK, f"{shown}, Redis {version}")
    refuses = _why_redis_refuses(found)
    if refuses is not None:
        what, remedy = refuses
        yield Finding("broker writes", Level.PROBLEM, f"{what}, and takes no messages. Work goes on late.", remedy)
    policy = found.get("maxmemory_policy", "")
    if policy != "noeviction":
        yield Finding(
            "broker memory",
            Level.PROBLEM,
            f"maxmemory-policy is {policy}: when it is full, Redis drops messages and says nothing.",
            "Set maxmemory-policy noeviction in redis.conf.",
        )
    if not int(found.get("aof_enabled", 0)):
        yield Finding(
            "broker persistence",
            Level.NOTE,
            "appendonly is no: events that programs put on the queue are lost when Redis is killed. Hints do not matter.",
            "Set appendonly yes in redis.conf, or let programs send to POST /events.",
        )


def _why_redis_refuses(found: Mapping[str, Any]) -> tuple[str, str] | None:
    """What keeps it from being written to, and what to do."""
    if found.get("role") == "slave":
        return "Redis is a replica", "Let CASEWORKER_BROKER_URL lead to the master."
    if 0 < int(found.get("maxmemory", 0)) <= int(found.get("used_memory", 0)):
        return "Redis has used up its maxmemory", "Let it have more; what waits there is read all the same."
    # With stop-writes-on-bgsave-error, as it is unless told otherwise.
    if "err" in (found.get("rdb_last_bgsave_status"), found.get("aof_last_write_status")):
        return "Redis could not save its data", "Look into its log, and at its disk."
    return None


def _rabbitmq(connection: Any, shown: str) -> Iterator[Finding]:
    properties = connection.connection.server_properties
    version = properties.get("version", "of unknown version")
    yield Finding("broker", Level.OK, f"{shown}, RabbitMQ {version}")


def _clock(ahead: timedelta, whose: str) -> Finding:
    if abs(ahead) <= CLOCK_SLACK:
        return Finding("clocks", Level.OK, f"{whose} agrees with this machine's")
    direction = "ahead of" if ahead > timedelta(0) else "behind"
    return Finding(
        "clocks",
        Level.PROBLEM,
        f"{whose} is {abs(ahead)} {direction} this machine's.",
        "Let NTP keep both: what is due when is reckoned by the workers' clocks.",
    )
