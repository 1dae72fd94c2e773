"""Who must say yes, put together from what several rules ask for. Pure; `engine`, `loader` and `limits` call it.

Putting more together never lets fewer people suffice: for whoever fills the places of the whole fills those of each part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policies.types import Requirement, Rung

ANYBODY = (Requirement(""),)


def union(parts: Iterable[Sequence[Requirement]]) -> tuple[Requirement, ...]:
    """All parts together, each of them what one rule asks for.

    A part with stages says in which order; its places stay where they are, the larger number for the same role in the same
    stage. A part of one stage says nothing of the order: people of the same role whom a stage of another part asks for
    fill its places too, and only those that are missing are added, to the first stage. "Anybody" is met by as many of any
    one role.
    """
    staged: dict[tuple[str, int], Requirement] = {}
    plain: dict[str, Requirement] = {}
    for part in parts:
        ordered = any(requirement.stage for requirement in part)
        for asked in part:
            if ordered:
                place = (asked.role, asked.stage)
                staged[place] = _both(staged.get(place), asked)
            else:
                plain[asked.role] = _both(plain.get(asked.role), asked)

    for role, asked in plain.items():
        # Nobody may come in over a ladder that one of the parts does not have.
        for place in [place for place in staged if place[0] == role]:
            staged[place] = _with(staged[place], ladder=_common(staged[place].ladder, asked.ladder))
        missing = asked.n - sum(there.n for place, there in staged.items() if place[0] == role)
        if missing > 0:
            first = staged.get((role, 0))
            staged[role, 0] = _with(first, n=first.n + missing) if first else _with(asked, n=missing)
    return tuple(sorted(_without_anybody(staged.values()), key=lambda asked: (asked.stage, asked.role)))


def _both(one: Requirement | None, other: Requirement) -> Requirement:
    if one is None:
        return other
    return _with(one, n=max(one.n, other.n), ladder=_common(one.ladder, other.ladder))


def _common(one: tuple[Rung, ...], other: tuple[Rung, ...]) -> tuple[Rung, ...]:
    """Rungs that both have, each at the later time."""
    later = {rung.role: rung.after_minutes for rung in other}
    both = (Rung(max(rung.after_minutes, later[rung.role]), rung.role) for rung in one if rung.role in later)
    return tuple(sorted(both, key=lambda rung: (rung.after_minutes, rung.role)))


def _with(asked: Requirement, *, n: int | None = None, ladder: tuple[Rung, ...] | None = None) -> Requirement:
    return Requirement(asked.role, asked.n if n is None else n, asked.stage, asked.ladder if ladder is None else ladder)


def _without_anybody(asked: Iterable[Requirement]) -> list[Requirement]:
    """All but the places that are for anybody, where as many people of one role are asked anyway."""
    everything = list(asked)
    by_role: dict[str, int] = {}
    for requirement in everything:
        by_role[requirement.role] = by_role.get(requirement.role, 0) + requirement.n
    named = max((n for role, n in by_role.items() if role), default=0)
    return [requirement for requirement in everything if requirement.role or by_role[""] > named]
