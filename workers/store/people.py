"""Named queries on people, their sessions, and tokens for machines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from workers.store.database import Database, Tx
from workers.store.ids import new_id
from workers.store.records import Person, Session, Token
from workers.store.rows import columns, many, one
from workers.store.tables import people, sessions, tokens

_PERSON = columns(people, Person)
_SESSION = columns(sessions, Session)
_TOKEN = columns(tokens, Token)


_OF_TOKEN = (
    select(*_TOKEN, *_PERSON)
    .outerjoin_from(tokens, people, people.c.id == tokens.c.person_id)
    .where(tokens.c.token_hash == bindparam("hash"), tokens.c.revoked_at.is_(None))
)
#: the same as text, for a cursor of the driver's
OF_TOKEN_DIRECT = str(_OF_TOKEN.compile(dialect=PGDialect_psycopg()))  # type: ignore[no-untyped-call] # SQLAlchemy's


def add(tx: Tx, *, email: str, name: str, password_hash: str, groups: Sequence[str], now: datetime) -> Person:
    person = Person(new_id("person"), email.casefold(), name, password_hash, list(groups), True, now)
    tx.execute(
        insert(people).values(
            id=person.id,
            email=person.email,
            name=name,
            password_hash=password_hash,
            groups=list(groups),
            active=True,
            created_at=now,
        )
    )
    return person


def change(tx: Tx, person_id: str, changes: Mapping[str, Any]) -> None:
    tx.execute(update(people).where(people.c.id == person_id).values(**changes))


def by_email(tx: Tx, email: str) -> Person | None:
    return one(Person, tx.execute(select(*_PERSON).where(people.c.email == email.casefold())).first())


def get(tx: Tx, person_id: str) -> Person | None:
    return one(Person, tx.execute(select(*_PERSON).where(people.c.id == person_id)).first())


def everyone(tx: Tx) -> list[Person]:
    return many(Person, tx.execute(select(*_PERSON).order_by(people.c.email)).all())


def hold(tx: Tx, ids: Collection[str]) -> None:
    """Keep others who hold these people too waiting until the commit."""
    tx.execute(select(people.c.id).where(people.c.id.in_(ids)).order_by(people.c.id).with_for_update()).all()


def count(tx: Tx) -> int:
    return int(tx.execute(select(func.count()).select_from(people)).scalar_one())


def open_session(tx: Tx, session: Session) -> None:
    tx.execute(delete(sessions).where(sessions.c.expires_at <= session.created_at))
    tx.execute(
        insert(sessions).values(
            token_hash=session.token_hash,
            person_id=session.person_id,
            csrf=session.csrf,
            created_at=session.created_at,
            expires_at=session.expires_at,
        )
    )


def session(tx: Tx, token_hash: str, now: datetime) -> tuple[Session, Person] | None:
    """A live session and its person, who must be active."""
    query = (
        select(*_SESSION, *_PERSON)
        .join(people, people.c.id == sessions.c.person_id)
        .where(sessions.c.token_hash == token_hash, sessions.c.expires_at > now, people.c.active)
    )
    row = tx.execute(query).first()
    if row is None:
        return None
    return Session(*row[: len(_SESSION)]), Person(*row[len(_SESSION) :])


def close_session(tx: Tx, token_hash: str) -> None:
    tx.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def shut_out(tx: Tx, person_id: str) -> None:
    """End all sessions of somebody."""
    tx.execute(delete(sessions).where(sessions.c.person_id == person_id))


def add_token(
    tx: Tx, *, name: str, token_hash: str, scopes: Sequence[str], person_id: str | None, now: datetime
) -> Token:
    token = Token(new_id("tok"), name, token_hash, list(scopes), person_id, now, None)
    tx.execute(
        insert(tokens).values(
            id=token.id,
            name=name,
            token_hash=token_hash,
            scopes=list(scopes),
            person_id=person_id,
            created_at=now,
        )
    )
    return token


def token(tx: Tx, token_hash: str) -> tuple[Token, Person | None] | None:
    """A token that was not revoked, and the person whom it was made for."""
    return with_person(tx.execute(_OF_TOKEN, {"hash": token_hash}).first())


def token_at_once(db: Database, token_hash: str) -> tuple[Token, Person | None] | None:
    """As `token`, in one round trip where the database is one away."""
    if db.is_sqlite:
        with db.read() as tx:
            return token(tx, token_hash)
    with db.direct() as cursor:
        return with_person(cursor.execute(OF_TOKEN_DIRECT, {"hash": token_hash}).fetchone())


def with_person(row: Sequence[Any] | None) -> tuple[Token, Person | None] | None:
    """A row of `OF_TOKEN_DIRECT`."""
    if row is None:
        return None
    person = row[len(_TOKEN) :]
    return Token(*row[: len(_TOKEN)]), Person(*person) if person[0] is not None else None


def tokens_in_use(tx: Tx) -> list[Token]:
    return many(Token, tx.execute(select(*_TOKEN).where(tokens.c.revoked_at.is_(None))).all())


def tokens_of(tx: Tx, person_id: str) -> list[Token]:
    """Those in use that were made for somebody."""
    return [token for token in tokens_in_use(tx) if token.person_id == person_id]


def revoke_token(tx: Tx, token_id: str, now: datetime) -> bool:
    return tx.execute(update(tokens).where(tokens.c.id == token_id).values(revoked_at=now)).rowcount == 1
