"""What is broken when: drawn from a seed alone, so that a failure can be played again.

A profile says how often each fault strikes; a plan is the list of strikes in order. Nothing here touches a process.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

#: how long a stopped process sleeps: beyond its heartbeat and its lease
SLEEP_SECONDS = 13.0


@dataclass(frozen=True, slots=True)
class Profile:
    """How long, how many tickets, and how often each fault strikes."""

    name: str
    tickets: int
    seconds: float
    #: until everything is settled, after the last strike
    settle_seconds: float
    strikes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: what, when, against the how-manieth of its kind, and for how long."""

    at: float
    what: str
    pick: int
    down: float


LONG = Profile(
    "long",
    tickets=2000,
    seconds=840.0,
    settle_seconds=300.0,
    strikes={
        "kill worker": 108,
        "kill web": 16,
        "kill sweep": 14,
        "kill broker": 12,
        "kill database": 12,
        "stop worker": 8,
        "stop sweep": 3,
        "cut database": 16,
        "stall database": 6,
        "swallow commits": 30,
        "cut broker": 10,
        "stall broker": 4,
        "flush broker": 8,
        "hint twice": 80,
    },
)

SHORT = Profile(
    "short",
    tickets=160,
    seconds=45.0,
    settle_seconds=150.0,
    strikes={
        "kill worker": 7,
        "kill web": 1,
        "kill sweep": 1,
        "kill broker": 1,
        "kill database": 1,
        "stop worker": 1,
        "cut database": 2,
        "swallow commits": 3,
        "cut broker": 1,
        "flush broker": 1,
        "hint twice": 6,
    },
)

BRIEF = Profile(
    "brief",
    tickets=80,
    seconds=30.0,
    settle_seconds=150.0,
    strikes={
        "kill worker": 4,
        "kill broker": 1,
        "kill database": 1,
        "cut database": 1,
        "swallow commits": 1,
        "cut broker": 1,
        "flush broker": 1,
        "hint twice": 3,
    },
)

#: no faults but a deploy: every process is replaced, under load
DEPLOY = Profile("deploy", tickets=150, seconds=60.0, settle_seconds=400.0, strikes={"restart fleet": 1})

PROFILES = {profile.name: profile for profile in (LONG, SHORT, BRIEF, DEPLOY)}


def plan(profile: Profile, seed: int) -> list[Strike]:
    """The strikes of a run, in order. Each kind is spread over the whole time, with jitter."""
    dice = random.Random(f"plan {seed}")
    strikes = []
    for what, times in profile.strikes.items():
        for turn in range(times):
            at = profile.seconds * (turn + dice.uniform(0.15, 0.95)) / times
            strikes.append(Strike(at, what, dice.randrange(1000), _down(what, dice)))
    return sorted(strikes, key=lambda strike: strike.at)


def _down(what: str, dice: random.Random) -> float:
    if what.startswith("stop"):
        return SLEEP_SECONDS
    if what.startswith("stall"):
        return dice.uniform(1.0, 7.0)
    if what == "swallow commits":
        return 3.0
    if what in ("kill broker", "kill database"):
        return dice.uniform(0.3, 3.0)
    return dice.uniform(0.1, 1.5)
