"""How something learned meets what is already remembered: it confirms it, replaces it, or stands beside it.

Pure: rows in, changes out. What a colleague corrected or forgot is not learned again from the same words, and what a stranger
says neither confirms nor replaces what a record or a colleague said: their slots are apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from workers.memory.terms import Learned, Origin, Terms, vouched
from workers.store.ids import new_id
from workers.store.memories import Memory

Slot = tuple[str, str, str]


@dataclass(slots=True)
class Changes:
    """What is to be written."""

    added: list[Memory] = field(default_factory=list)
    #: columns to change, by the id of a memory
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: (what is replaced, by what)
    superseded: list[tuple[str, str]] = field(default_factory=list)


def slot_of(learned: Learned) -> Slot:
    return (*learned.about, learned.slot)


def merge(found: Sequence[Learned], known: Iterable[Memory], terms: Terms, now: datetime) -> Changes:
    """`known` is all that is or was remembered in the slots of what was found."""
    changes = Changes()
    places: dict[Slot, list[Memory]] = {}
    for memory in known:
        places.setdefault((memory.about_kind, memory.about_key, memory.slot), []).append(memory)
    fresh: dict[str, Memory] = {}
    for learned in sorted(found, key=lambda one: one.at):
        place = places.setdefault(slot_of(learned), [])
        same = [memory for memory in place if memory.signature == learned.signature]
        if any(_settled_by_a_person(memory, place) for memory in same):
            continue
        held = next((memory for memory in same if memory.current), None)
        if held is not None:
            end = terms.end(learned.kind, learned.at)
            after = replace(
                held,
                seen=held.seen + 1,
                confirmed_at=max(held.confirmed_at, learned.at),
                expires_at=None if held.expires_at is None or end is None else max(held.expires_at, end),
            )
            place[place.index(held)] = after
            if held.id in fresh:
                fresh[held.id] = after
            else:
                changes.changed[held.id] = {
                    "seen": after.seen,
                    "confirmed_at": after.confirmed_at,
                    "expires_at": after.expires_at,
                }
            continue
        made = _memory(learned, terms, now)
        if learned.single:
            # What a colleague put there stays until somebody forgets it.
            older = [memory for memory in place if memory.current and memory.origin != Origin.PERSON]
            for memory in older:
                place[place.index(memory)] = replace(memory, superseded_by=made.id)
                if memory.id in fresh:
                    fresh[memory.id] = replace(fresh[memory.id], superseded_by=made.id, superseded_at=now)
                else:
                    changes.superseded.append((memory.id, made.id))
        place.append(made)
        fresh[made.id] = made
    changes.added = list(fresh.values())
    return changes


def _settled_by_a_person(memory: Memory, place: Sequence[Memory]) -> bool:
    """Whether a colleague has forgotten this, or put something else in its place."""
    if memory.erased_at is not None:
        return True
    by = {other.id: other for other in place}
    return memory.superseded_by is not None and by.get(memory.superseded_by, memory).origin == Origin.PERSON


def _memory(learned: Learned, terms: Terms, now: datetime) -> Memory:
    return Memory(
        number=0,
        id=new_id("mem"),
        about_kind=learned.about[0],
        about_key=learned.about[1],
        kind=learned.kind.value,
        slot=learned.slot,
        text=learned.text,
        data={**learned.data, "vouched": vouched(learned.origin, learned.text)},
        signature=learned.signature,
        origin=learned.origin.value,
        confidence=learned.confidence,
        case_id=learned.case_id,
        domain=learned.domain,
        refs=list(learned.refs),
        seen=1,
        created_at=now,
        confirmed_at=learned.at,
        expires_at=terms.end(learned.kind, learned.at),
        corrected_by=None,
        superseded_by=None,
        superseded_at=None,
        erased_by=None,
        erased_at=None,
    )
