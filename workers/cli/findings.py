"""What ``caseworker doctor`` says of each thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `remedy` says what to do where it is not ok."""

    about: str
    level: Level
    told: str
    remedy: str = ""
