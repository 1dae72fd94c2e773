"""What a long-running command opens so that it can be watched: its log, its traces, and the port for its metrics.

Called once by ``up``, ``web``, ``worker`` and ``sweep``, before they work. Opens nothing that is not asked for by a setting; what
they will open is let through.
"""

from __future__ import annotations

from workers.cli import opening
from workers.cli.failures import Failure
from workers.exposition import FleetNumbers
from workers.settings import Settings
from workers.telemetry import serving, traces
from workers.wiring import System

#: show the installation's numbers beside their own on their port
SHOWING_ALL = ("up", "web")


def begin(found: Settings, system: System, process: str) -> None:
    """`process` is the command's name. Ends with the process; spans that wait are sent then."""
    opening.as_many_files_as_allowed()
    speak_as(found, system, process)
    if not found.metrics_port:
        return
    numbers = FleetNumbers(system.db, system.clock) if process in SHOWING_ALL else None
    try:
        serving.serve(found.metrics_host, found.metrics_port, numbers)
    except OSError as error:
        raise Failure(
            f"Metrics cannot be shown on {found.metrics_host}, port {found.metrics_port}: {error.strerror or error}. "
            "Each process of a machine needs a CASEWORKER_METRICS_PORT of its own; 0 opens none."
        ) from error


def speak_as(found: Settings, system: System, process: str) -> None:
    """What this process logs and traces bears the name that it has in the database: a fork would go by its parent's."""
    opening.log_to(found.log_level, found.log_format, process=process, worker=system.worker)
    traces.configure(found.traces, process=process, worker=system.worker)
