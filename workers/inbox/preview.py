"""What an edit would change, before it is saved: the differing fields, the new sentence, and what the policy would say.

Judged exactly as saving would judge it, but nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from policies.record import verdict_of
from workers.actions.catalogue import CATALOGUE
from workers.drafting import judge_anew, matter_of
from workers.inbox.changes import Change, between
from workers.inbox.forms import Filled, read
from workers.judgement import Judged
from workers.quorum import Staff, in_words, position
from workers.store import actions, cases, inbox
from workers.store.database import Tx
from workers.store.records import Action, Case, Person
from workers.wiring import System


@dataclass(frozen=True, slots=True)
class Preview:
    filled: Filled
    changes: tuple[Change, ...] = ()
    sentence: str = ""
    outcome: str = ""
    reasons: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    #: whether the editor's own yes will count
    counts: bool = True


def preview(system: System, tx: Tx, person: Person, action_id: str, submitted: Mapping[str, str]) -> Preview | None:
    """None where there is no such action, or its kind is gone."""
    action = actions.get(tx, action_id)
    case = cases.get(tx, action.case_id) if action is not None else None
    kind = CATALOGUE.get(action.kind) if action is not None else None
    if action is None or case is None or kind is None:
        return None
    filled = read(kind, action.arguments, submitted)
    if filled.arguments is None or not filled.edited:
        return Preview(filled)
    verdict = _judged(system, tx, case, action, filled.arguments).verdict
    return Preview(
        filled=filled,
        changes=tuple(between(action.arguments, filled.arguments)),
        sentence=kind.describe(filled.arguments, case.customer),
        outcome=str(verdict["outcome"]),
        reasons=tuple(verdict["reasons"]),
        needed=tuple(in_words([r]) for r in verdict_of(verdict).requirements),
        counts=_counts(system, tx, case, replace(action, verdict=verdict, revision=action.revision + 1), person),
    )


def _counts(system: System, tx: Tx, case: Case, edited: Action, person: Person) -> bool:
    """Whether the editor's own yes would count for the revision that their edit makes."""
    now = system.clock()
    waiting = inbox.standing_of(tx, edited, case)
    waiting = replace(waiting, asked_at=now, editors=(*waiting.editors, person.actor))
    return position(waiting, Staff.at(tx, now), now).voice(person) is not None


def _judged(system: System, tx: Tx, case: Case, action: Action, arguments: Mapping[str, Any]) -> Judged:
    return judge_anew(system, tx, matter_of(tx, case), action, arguments, edited=True, now=system.clock())
