"""The order of writes to one target: a case's actions on one thing go one after the other, each from where the one before left it.

Two writes to one target at once would make each other stale. Called by `execute`; knows actions as they were read and asks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from workers.store.records import Action, ActionState


def ahead_of(action: Action, others: Sequence[Action]) -> list[Action]:
    """Those that write to the same target and go before this one."""
    return [
        other
        for other in others
        if other.target == action.target
        and other.id != action.id
        and (
            other.state == ActionState.EXECUTING
            or (other.state == ActionState.APPROVED and other.wake_at is not None and _earlier(other, action))
        )
    ]


def expected_version(of_case: Sequence[Action], action: Action) -> str:
    """The version token to expect: the one drafted against, moved on by this case's own writes to the same target."""
    moves = {
        str(other.receipt["version_before"]): str(other.receipt["version_after"])
        for other in of_case
        if other.receipt and other.target == action.target and other.receipt.get("version_after")
    }
    expected, seen = action.target_version, set[str]()
    while expected in moves and expected not in seen:
        seen.add(expected)
        expected = moves[expected]
    return expected


def _earlier(one: Action, other: Action) -> bool:
    return (one.round, one.ordinal) < (other.round, other.ordinal)
