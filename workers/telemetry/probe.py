"""Asks a process on this machine whether it answers: ``python -m workers.telemetry.probe``, for a container's health check.

Exit status 0 when the port of `CASEWORKER_METRICS_PORT` answers on `CASEWORKER_METRICS_HOST`, 1 when not. Asks no database, so that a
slow one restarts nothing. Imports nothing of ours: it is started every few seconds.
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 4
#: where a process that listens on all addresses is asked
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not bound


def answers(port: int, host: str = "") -> bool:
    """Whether a process shows its sign of life on this port of what it was given as `CASEWORKER_METRICS_HOST`."""
    connection = HTTPConnection(_EVERYWHERE.get(host, host), port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    asked = os.environ.get("CASEWORKER_METRICS_PORT") or "0"
    if asked == "0":
        sys.exit("CASEWORKER_METRICS_PORT is not set, so there is no port to ask.")
    sys.exit(0 if answers(int(asked), os.environ.get("CASEWORKER_METRICS_HOST", "")) else 1)
