"""Starts `caseworker_worker` as the command line starts `caseworker worker`: its imports are not gone through by the collector."""

from __future__ import annotations

from importlib import import_module

from workers.collector import uncollected

if __name__ == "__main__":
    with uncollected("imports"):
        worker = import_module("engine_bench.caseworker_worker")
    worker.main()
