"""Asks a process on this machine whether it answers: ``python -m workers.telemetry.probe``, for a container's health check.

Exit status 0 when the port of `CASEWORKER_METRICS_PORT` answers, 1 when not. Asks no database, so that a slow one restarts
nothing.
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 4


def answers(port: int) -> bool:
    """Whether a process shows its sign of life on this port."""
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if answers(int(os.environ["CASEWORKER_METRICS_PORT"])) else 1)
