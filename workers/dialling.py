"""A connection of one's own to a broker that the app knows."""

from __future__ import annotations

from typing import Any

from kombu.connection import Connection


def dial(known: Connection, **options: Any) -> Connection:
    """Open one, with the transport's options beside. Raise what its transport raises when the broker is away."""
    connection: Connection = known.clone(transport_options={**(known.transport_options or {}), **options})
    connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
    return connection
