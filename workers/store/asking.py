"""Who asks, and what about: a token with its person, and an action with all that must be known to decide it, in one round trip.

PostgreSQL only. Called by the inbox for a program's plain yes; what both are good for is judged there.
"""

from __future__ import annotations

from workers.store import flow_postgresql, people
from workers.store import flow_statements as statements
from workers.store.database import Database
from workers.store.flow_types import Errand
from workers.store.records import Person, Token


def at_once(db: Database, token_hash: str, action_id: str) -> tuple[tuple[Token, Person | None] | None, Errand | None]:
    """As `people.token_at_once` and `flow.errand`, of one moment. Raises `StoreUnavailable`."""
    with db.direct() as cursor:
        who, what = cursor.together(
            [(people.OF_TOKEN_DIRECT, {"hash": token_hash}), (statements.ERRAND, {"action": action_id})]
        )
    return people.with_person(who.fetchone()), flow_postgresql.errand_in(what.fetchone())
