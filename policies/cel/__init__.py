"""Conditions: one language, two engines that mean the same by it, and a strict adapter. `loader` and `engine` use this.

`environment` chooses the engine and checks facts, `google` and `rust` are the engines, `portable` says which part of the
language may be used, `tree` is what a condition consists of.
"""

from __future__ import annotations

from policies.cel.contract import MAX_LENGTH, Bound, Engine, Fault, Program, Refused
from policies.cel.environment import Environment, NoEngine, choose, installed

__all__ = [
    "MAX_LENGTH",
    "Bound",
    "Engine",
    "Environment",
    "Fault",
    "NoEngine",
    "Program",
    "Refused",
    "choose",
    "installed",
]
