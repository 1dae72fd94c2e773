"""What people do to memories: look at them, add a note, correct one, forget one. Called by the inbox and the command line.

Each change leaves a note in the audit log, with ids and never with text: in the chain of the case that taught it, or in that
of the system.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from workers.agents.remembered import customer_key, topic_key
from workers.memory.terms import Kind, Origin, signature, vouched
from workers.store import audit, cases, memories
from workers.store.audit import SYSTEM, Note
from workers.store.database import Tx
from workers.store.ids import new_id
from workers.store.memories import Memory
from workers.store.rows import shallow

KINDS = ("customer", "vendor", "topic")
MOST_TEXT = 1000


class NotRemembered(Exception):
    """There is nothing of the kind to be changed; the message says so to people."""


def subject(key: str) -> tuple[str, str]:
    """``customer:ana@example.com``, ``vendor:sample:V-3``, ``topic:garden chairs``; a bare address is a customer.

    Raises ValueError.
    """
    kind, _, rest = key.partition(":")
    if kind in KINDS and rest.strip():
        return kind, {"customer": customer_key, "topic": topic_key}.get(kind, str.strip)(rest)
    if "@" in key:
        return "customer", customer_key(key)
    raise ValueError(f"{key!r} is nobody that is remembered: write customer:…, vendor:… or topic:…")


def note(tx: Tx, about: tuple[str, str], text: str, *, by: str, now: datetime) -> Memory:
    """Remember what a colleague says, until somebody forgets it."""
    made = _by_person(text, about, Kind.NOTE, f"note:{new_id('slot')}", by, now)
    memories.add(tx, [_row(made)])
    audit.append(tx, SYSTEM, now, Note(by, "remembered", {"memory": made.id}))
    return made


def correct(tx: Tx, memory_id: str, text: str, *, by: str, now: datetime) -> Memory:
    """Put a colleague's words in the place of a memory, which is kept, marked as replaced. Raise `NotRemembered`."""
    held = memories.get(tx, memory_id)
    if held is None or not held.current:
        raise NotRemembered(f"There is no memory {memory_id!r} that still holds.")
    about = (held.about_kind, held.about_key)
    made = replace(_by_person(text, about, Kind.NOTE, held.slot, by, now), case_id=held.case_id, domain=held.domain)
    if not memories.supersede(tx, held.id, made.id, now):
        raise NotRemembered(f"Somebody else has just changed {memory_id!r}.")
    memories.add(tx, [_row(made)])
    audit.append(tx, _chain(tx, held), now, Note(by, "memory_corrected", {"memory": held.id, "by": made.id}))
    return made


def forget(tx: Tx, memory_ids: list[str], *, by: str, now: datetime) -> int:
    """Take away what these memories say, for good. How many there were; raise `NotRemembered` for none."""
    held = [found for i in memory_ids if (found := memories.get(tx, i)) is not None and found.erased_at is None]
    if not held:
        raise NotRemembered("There is nothing of it left to be forgotten.")
    held += _replaced_by(tx, held)
    memories.erase(tx, [memory.id for memory in held], by, now)
    for chain in sorted({_chain(tx, memory) for memory in held}):
        ids = [memory.id for memory in held if _chain(tx, memory) == chain]
        audit.append(tx, chain, now, Note(by, "memory_forgotten", {"memories": ids}))
    return len(held)


def _replaced_by(tx: Tx, held: Sequence[Memory]) -> list[Memory]:
    """What these stand in the place of: forgetting the newest wording leaves no older one behind."""
    place = memories.in_slots(tx, list({(m.about_kind, m.about_key, m.slot) for m in held}))
    known = {memory.id for memory in held}
    older: list[Memory] = []
    while more := [m for m in place if m.superseded_by in known and m.id not in known and m.erased_at is None]:
        known |= {memory.id for memory in more}
        older += more
    return older


def _chain(tx: Tx, memory: Memory) -> str:
    """The case's own chain, where the case is still here."""
    case = cases.get(tx, memory.case_id) if memory.case_id else None
    return case.id if case is not None else SYSTEM


def _by_person(text: str, about: tuple[str, str], kind: Kind, slot: str, by: str, now: datetime) -> Memory:
    said = " ".join(text.split())[:MOST_TEXT]
    if not said:
        raise NotRemembered("Say what is to be remembered.")
    return Memory(
        number=0,
        id=new_id("mem"),
        about_kind=about[0],
        about_key=about[1],
        kind=kind.value,
        slot=slot,
        text=said,
        data={"vouched": vouched(Origin.PERSON, said)},
        signature=signature(slot, Origin.PERSON, said),
        origin=Origin.PERSON.value,
        confidence=1.0,
        case_id=None,
        domain="",
        refs=[],
        seen=1,
        created_at=now,
        confirmed_at=now,
        expires_at=None,
        corrected_by=by,
        superseded_by=None,
        superseded_at=None,
        erased_by=None,
        erased_at=None,
    )


def _row(memory: Memory) -> dict[str, object]:
    return {name: value for name, value in shallow(memory).items() if name != "number"}
