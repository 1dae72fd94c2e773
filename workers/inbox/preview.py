"""What an edit would change, before it is saved: the differing fields, the new sentence, and what the policy would say.

Judged exactly as saving would judge it, but nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.approvals import Approval, may_fill
from workers.actions.catalogue import CATALOGUE
from workers.drafting import judge_anew, matter_of
from workers.inbox.changes import Change, between
from workers.inbox.forms import Filled, read
from workers.judgement import Judged
from workers.store import actions, cases
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
    roles = [str(r["role"]) for r in verdict["requirements"]]
    mine = Approval(person.id, frozenset(person.groups))
    return Preview(
        filled=filled,
        changes=tuple(between(action.arguments, filled.arguments)),
        sentence=kind.describe(filled.arguments, case.customer),
        outcome=str(verdict["outcome"]),
        reasons=tuple(verdict["reasons"]),
        needed=tuple(f"{r['n']} of {r['role'] or 'anybody'}" for r in verdict["requirements"]),
        counts="editor" not in verdict["exclude"] and (not roles or any(may_fill(mine, role) for role in roles)),
    )


def _judged(system: System, tx: Tx, case: Case, action: Action, arguments: Mapping[str, Any]) -> Judged:
    return judge_anew(system, tx, matter_of(tx, case), action, arguments, edited=True, now=system.clock())
