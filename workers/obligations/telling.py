"""Telling a group: what was done, because the policy's outcome was `notify` or a rule obliges to; and what waits for them
now, because nobody who was asked first has decided.

Called within the transaction in which an action becomes done (`ledger`, and the inbox where a person looked and found it
done) or is passed on (`deadlines`), so that there is no moment in which it is so and nobody will be told. Writes ids only; the
words stay with the action.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workers.store import notices
from workers.store.database import Tx
from workers.store.records import Action

OUTCOME, OBLIGATION, RUNG, TAKEN_BACK = "outcome", "obligation", "rung", "taken_back"
#: why somebody is told, in words
WORDS: Mapping[str, str] = {
    OUTCOME: "Done by rule, and everybody is told.",
    OBLIGATION: "Done, and a rule has {role} told.",
    RUNG: "Nobody had decided by then, so {role} may decide it too.",
    TAKEN_BACK: "It went wrong, like others before it: the rule that allowed it has lost its permission, and people are asked.",
}


def in_words(cause: str, role: str) -> str:
    return WORDS.get(cause, "").format(role=role or "everybody")


def told_of(verdict: Mapping[str, Any]) -> dict[str, str]:
    """The groups that are told once it is done, each with why. Empty for most actions.

    An outcome that is to be made heard, of which no rule says by whom, is told to everybody.
    """
    roles = {str(o["role"]): OBLIGATION for o in verdict.get("obligations", ()) if o["kind"] == "notify"}
    if not roles and verdict.get("outcome") == "notify":
        return {notices.EVERYBODY: OUTCOME}
    return roles


def tell(tx: Tx, action: Action, now: datetime) -> None:
    """Tell whoever has to be told of this action, which is done."""
    told = told_of(action.verdict)
    if told:
        notices.add(tx, action_id=action.id, case_id=action.case_id, told=told, now=now)


def tell_of_rung(tx: Tx, action: Action, role: str, now: datetime) -> None:
    """Tell a group that it may decide now what waits for others. Once for each action."""
    notices.add(tx, action_id=action.id, case_id=action.case_id, told={role: RUNG}, now=now)
