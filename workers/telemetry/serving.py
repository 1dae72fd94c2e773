"""Numbers in the text that Prometheus reads, and a port on which a process shows its own.

`render` is called for `/metrics` of the web process; `serve` by every process with `CASEWORKER_METRICS_PORT`. The port
answers without asking who asks, so it is for loopback or a network of one's own. It never shows more than names and numbers.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from workers.telemetry.metrics import REGISTRY

CONTENT_TYPE = CONTENT_TYPE_LATEST


@dataclass(frozen=True, slots=True)
class Numbers:
    """One metric with its values by label. Not counted here but asked of the database just now."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: Sequence[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread: for each label, how many were at most as large as each bound, the last without a bound."""

    name: str
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    values: Sequence[tuple[tuple[str, ...], Sequence[int], float]]


Source = Callable[[], Iterable[Numbers | Spread]]


def render(source: Source | None = None) -> bytes:
    """What this process counted, and what `source` adds."""
    return generate_latest(_counted()) + (generate_latest(_Asked(source)) if source is not None else b"")


def serve(host: str, port: int, source: Source | None = None) -> WSGIServer:
    """Show the numbers at ``/metrics`` and a sign of life at ``/healthz``, on a thread of its own. Raise OSError."""

    def application(environ: Mapping[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            body, kind, status = render(source), CONTENT_TYPE, "200 OK"
        elif environ["PATH_INFO"] == "/healthz":
            body, kind, status = b'{"status":"ok"}', "application/json", "200 OK"
        else:
            body, kind, status = b"There are /metrics and /healthz.\n", "text/plain; charset=utf-8", "404 Not Found"
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    kind_of_server = _Sixth if ":" in host else ThreadingWSGIServer
    server = make_server(host, port, application, kind_of_server, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Sixth(ThreadingWSGIServer):
    """The same on an address of IPv6."""

    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    """Asked every few seconds for ever: not worth a line in the log each time."""

    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


class _Asked(Collector):
    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        for found in self._source():
            if isinstance(found, Numbers):
                family = GaugeMetricFamily(found.name, found.help, labels=found.labels)
                for labels, value in found.values:
                    family.add_metric(labels, value)
                yield family
            else:
                spread = GaugeHistogramMetricFamily(found.name, found.help, labels=found.labels)
                bounds = [*map(str, found.bounds), "+Inf"]
                for labels, counts, total in found.values:
                    spread.add_metric(labels, list(zip(bounds, map(float, counts), strict=True)), total)
                yield spread


def _counted() -> Collector:
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return REGISTRY
    # The pool of a prefork worker counts in processes of its own, which leave their counts in this folder.
    _bury(Path(folder))
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together


def _bury(folder: Path) -> None:
    """What is true of living processes only goes with those that ended, however they did. What they counted stays."""
    for left in folder.glob("gauge_live*_*.db"):
        process = int(left.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            # Somebody else who asks just now may have been first.
            with suppress(FileNotFoundError):
                mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]
        except PermissionError:
            continue  # its number is another one's by now
