"""What holds for every action of a house at a moment: its clock, its kill switches, and the counters that rules ask for.

`drafting` reads it once for all that it judges, and `judgement` states it as facts. Nothing is counted unless a rule in force
names a counter, and the switches come from what the process knows already, so most cases cost no statement more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from workers.store.records import Switch
from workers.switchboard import applying


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Read once, good for all actions that are judged together."""

    #: an IANA name; empty where nobody said: then the facts of the local clock are not stated
    zone: str = ""
    thrown: tuple[Switch, ...] = ()
    #: counters as facts, by the kind of action that they are of; a kind that is not in it was not counted
    counted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def facts(self, domain: str, kind: str, vendor: str, *, now: datetime) -> dict[str, Any]:
        """What is so for one action."""
        stated: dict[str, Any] = {
            "vendor": vendor,
            # Said also where there is none: whoever leaves it out has not looked.
            "thrown_switches": applying(self.thrown, domain, kind, vendor) if self.thrown else [],
        }
        if self.zone:
            stated |= clock(self.zone, now)
        if kind in self.counted:
            stated |= {"has_counters": True, **self.counted[kind]}
        return stated


#: nothing is thrown, nothing is counted, and nobody said where the house is
ORDINARY = Circumstances()


def clock(zone: str, now: datetime) -> dict[str, Any]:
    """What the clock on the wall of the house shows."""
    local = now.astimezone(_named(zone))
    return {
        "time_zone": zone,
        "local_hour": local.hour,
        "local_weekday": local.isoweekday(),
        "local_date": f"{local:%Y-%m-%d}",
    }


@cache
def _named(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)
