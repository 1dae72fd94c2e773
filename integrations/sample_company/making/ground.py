"""The ground that all departments are made on: written content, separate streams of chance, moments before the day."""

from __future__ import annotations

import csv
import json
import random
import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from integrations.sample_company.times import stamp

Row = dict[str, Any]
CONTENT = Path(__file__).parent.parent / "content"
#: PyYAML's C loader when it was built in: the same result, ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Ground:
    """A seed and a day."""

    def __init__(self, today: date, seed: int) -> None:
        self.seed = seed
        self.midnight = datetime.combine(today, time(), UTC)

    def chance(self, department: str) -> random.Random:
        """A stream of its own for each department: a new customer must not change the help articles."""
        return random.Random(f"{self.seed}:{department}")  # noqa: S311 - made-up data, not secrets

    def ago(self, days: float) -> datetime:
        """The moment so many days before the day begins, never later than a minute before."""
        return min(self.midnight - timedelta(days=days), self.midnight - timedelta(minutes=1))

    def before(self, moment: datetime) -> str:
        return stamp(min(moment, self.midnight - timedelta(minutes=1)))


@cache
def written(name: str) -> Any:
    """A YAML file of `content/`. Read once: its values are never changed."""
    return yaml.load((CONTENT / name).read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - both loaders are the safe ones


@cache
def listed(name: str) -> tuple[dict[str, str], ...]:
    """A CSV file of `content/`."""
    with (CONTENT / name).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def ascii_word(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(sign for sign in plain.casefold() if sign.isalnum())


def packed(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
