"""The command line, with a pool whose processes do not begin as they should: `python -m tests.kit.tardy worker … --pool prefork`.

The first does. The second finds no database, and all others take longer than Celery gives a process unless told otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from integrations.registry import Writers
from workers.cli import main, worker
from workers.settings import Settings
from workers.store.database import StoreUnavailable
from workers.wiring import System

#: a letter for each process that began, in the folder where it runs
BEGUN = Path("begun")
LONGER_THAN_CELERY_WAITS = 5.0

begin = worker._in_a_process


def tardily(found: Settings, chosen: Sequence[str]) -> tuple[System, Writers | None]:
    with BEGUN.open("a+") as book:
        book.write("x")
    begun = len(BEGUN.read_text())
    if begun == 2:
        raise StoreUnavailable("it is away")
    if begun > 2:
        time.sleep(LONGER_THAN_CELERY_WAITS)
    return begin(found, chosen)


if __name__ == "__main__":
    worker._in_a_process = tardily
    main()
