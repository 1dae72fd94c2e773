"""Telling a group what was done: because the policy's outcome was `notify`, or because a rule obliges to.

Called within the transaction in which an action becomes done (`ledger`, and the inbox where a person looked and found it
done), so that there is no moment in which it is done and nobody will be told. Writes ids only; the words stay with the action.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workers.store import notices
from workers.store.database import Tx
from workers.store.records import Action

OUTCOME, OBLIGATION = "outcome", "obligation"


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
