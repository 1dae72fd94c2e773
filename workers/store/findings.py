"""What a gathering found, as it is kept: in the record of its step, all of it in one piece.

It is read as a whole, by whoever reads the facts of a case, and never changes but when a person is erased. What is looked up
later, one by one, has rows of its own (`tables.facts`), and so has all that earlier versions gathered. Called by `journal`,
which writes it, and by the queries that read facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workers.store.records import Fact, Step

#: the step, and where in its output
GATHER = "gather"
FOUND = "found"
_KEPT = ("name", "ref", "kind", "title", "data", "version", "trusted", "url")


def id_of(case_id: str, round_: int, position: int) -> str:
    """A gathered fact is known by its place, so its id need not be kept."""
    return f"fact_{case_id.partition('_')[2]}_{round_}_{position}"


def with_facts(output: Mapping[str, Any], facts: Sequence[Fact]) -> dict[str, Any]:
    """The output of a gathering with what it found, in the order of their positions."""
    return {**output, FOUND: [{name: getattr(fact, name) for name in _KEPT} for fact in facts]}


def without_facts(step: Step) -> Mapping[str, Any]:
    """What a step came to, but for the facts."""
    return {name: value for name, value in step.output.items() if name != FOUND}


def facts_in(step: Step) -> list[Fact] | None:
    """The facts that a gathering found; None where they have rows of their own."""
    found = step.output.get(FOUND)
    if found is None:
        return None
    return [
        Fact(
            id=one.get("id") or id_of(step.case_id, step.round, position),
            case_id=step.case_id,
            round=step.round,
            position=position,
            name=one["name"],
            ref=one["ref"],
            kind=one["kind"],
            title=one["title"],
            data=one["data"],
            version=one["version"],
            trusted=one["trusted"],
            url=one["url"],
            fetched_at=step.finished_at,
        )
        for position, one in enumerate(found)
    ]


def emptied(step: Step, address: str, erased: str) -> dict[str, Any]:
    """As it stays of an erased person's case: which records there were, and nothing that they said."""
    return {
        FOUND: [
            {
                **one,
                "ref": f"erased:{fact.id}" if address in fact.ref.casefold() else fact.ref,
                "title": erased,
                "data": {},
                "version": "",
                "url": None,
            }
            for one, fact in zip(step.output.get(FOUND, ()), facts_in(step) or (), strict=True)
        ]
    }
