"""A process that calls a limited vendor for a while and prints how often it was let through, from when and until when:
`python allowing.py`."""

from __future__ import annotations

import sys
import time

from integrations.errors import Postponed
from workers.settings import Settings
from workers.store.database import Database
from workers.wiring import guard


class Vendor:
    def __init__(self) -> None:
        self.calls = 0

    def call(self) -> None:
        self.calls += 1


def main(database: str, broker: str, limits: str, seconds: float) -> tuple[int, float, float]:
    settings = Settings(_env_file=None, database_url=database, broker_url=broker, vendor_limits=limits)
    db = Database(settings.database, connections=2)
    guards = guard(settings, db)
    inner = Vendor()
    vendor = guards.wrap("desk", inner)
    began = time.time()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            vendor.call()
        except Postponed:
            time.sleep(0.02)
    ended = time.time()
    guards.close()
    db.dispose()
    return inner.calls, began, ended


if __name__ == "__main__":
    print(*main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))  # noqa: T201 - what it is for
