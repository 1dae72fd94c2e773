"""Who asks, and what about: a token with its person, and an action with all that must be known to decide it, in one round trip.

PostgreSQL only. Called by the inbox for a program's plain yes; what both are good for is judged there. `ahead` is for the thread that
reads requests: it asks and does not wait, so that the answer is on its way while another thread is woken to judge it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workers.store import flow_postgresql, people
from workers.store import flow_statements as statements
from workers.store.database import Database, StoreUnavailable
from workers.store.flow_types import ActionSnapshot
from workers.store.phrasing import Rows
from workers.store.records import Person, Token

#: who asks, with the person for whom the token was made, and what about
Known = tuple[tuple[Token, Person | None] | None, ActionSnapshot | None]
#: what hears the answers to what was asked
Hearing = Callable[[], list[Rows]]


def at_once(db: Database, token_hash: str, action_id: str, asked: Hearing | None = None) -> Known:
    """As `people.token_at_once` and `flow.snapshot`, of one moment; what was `asked` of both already is heard out. Raises
    `StoreUnavailable`."""
    if asked is not None:
        try:
            return _known(asked())
        except StoreUnavailable:
            # That connection has died; the next one is looked at before it is used.
            pass
    with db.direct() as cursor:
        answers = cursor.together(_questions(token_hash, action_id))
    return _known(answers)


def ahead(db: Database, token_hash: str, action_id: str) -> Hearing | None:
    """Ask both, and do not wait. None, and nothing asked, where even asking might take a while."""
    return db.ahead(_questions(token_hash, action_id))


def _questions(token_hash: str, action_id: str) -> Sequence[tuple[str, dict[str, Any]]]:
    return (people.OF_TOKEN_DIRECT, {"hash": token_hash}), (statements.ACTION_SNAPSHOT, {"action": action_id})


def _known(answers: Sequence[Rows]) -> Known:
    who, what = answers
    return people.with_person(who.fetchone()), flow_postgresql.snapshot_in(what.fetchone())
