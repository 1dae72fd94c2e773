"""What the processes wrote: how often each warning came, and every traceback. An error that nobody foresaw is a broken promise."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

#: what Celery says, as an error, where it leaves its loop because its broker is gone; it connects anew
LEAVING = "Error cleaning up after event loop"


def told(folder: Path) -> tuple[dict[str, int], list[str]]:
    """How often each warning and error was logged; and the last line of each traceback, with who wrote it and when."""
    warned: Counter[str] = Counter()
    unforeseen = []
    for log in sorted(folder.glob("*.log")):
        if log.stem in ("postgres", "house"):
            continue
        with log.open(errors="replace") as lines:
            for what, said in _read(lines):
                warned[what] += 1
                if said:
                    unforeseen.append(f"{log.stem}: {what}: {said}")
    return dict(sorted(warned.items())), unforeseen


def _read(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Each warning's name, and the end of its traceback where it has one."""
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            if line.startswith("Traceback"):
                yield "a traceback", "outside the log"
            continue
        if not isinstance(entry, dict) or entry.get("level") not in ("warning", "error", "critical"):
            continue
        # Celery tells of a lost broker with a traceback too, mostly as a warning.
        foreseen = entry["level"] == "warning" or str(entry.get("event")).startswith(LEAVING)
        traceback = [] if foreseen else str(entry.get("exception") or "").strip().splitlines()
        yield str(entry.get("event"))[:60], f"{entry.get('timestamp')} {traceback[-1]}" if traceback else ""
