"""Named queries on the policies themselves: adding a set, reading one back as it was, and which is in force.

A set is added once and its files are never written again; putting one in force is one new row, whose number decides who
was first. Nothing here knows what the files mean: `workers.rulebook` compiles them and checks them against their hash.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from workers.store.database import Tx
from workers.store.policy_tables import policy_activations, policy_sets
from workers.store.rows import columns, many, one


class SetState(StrEnum):
    PROPOSED = "proposed"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"


class How(StrEnum):
    """How a set came into force."""

    GENESIS = "genesis"  # the folder's, where the database had none
    APPROVED = "approved"  # people said yes to the action that carried it
    FOLDER = "folder"  # the folder's, because the setting says that the folder always wins


@dataclass(frozen=True, slots=True)
class PolicySet:
    """A set without its files; see `of_hash`."""

    hash: str
    name: str
    added_by: str
    why: str
    added_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Activation:
    seq: int
    hash: str
    from_hash: str | None
    how: str
    by: str
    action_id: str | None
    at: datetime


_SET = columns(policy_sets, PolicySet)
_ACTIVATION = columns(policy_activations, Activation)
_A = policy_activations.c
_IN_FORCE = select(*_ACTIVATION).order_by(_A.seq.desc()).limit(1)
_FILES = select(policy_sets.c.files).where(policy_sets.c.hash == bindparam("of_hash"))


def _once(make: Callable[..., Any], table: Any, key: Any) -> Any:
    return make(table).on_conflict_do_nothing().returning(key)


_ADD = {
    "sqlite": _once(sqlite_insert, policy_sets, policy_sets.c.hash),
    "postgresql": _once(pg_insert, policy_sets, policy_sets.c.hash),
}
_ACTIVATE = {
    "sqlite": _once(sqlite_insert, policy_activations, _A.seq),
    "postgresql": _once(pg_insert, policy_activations, _A.seq),
}


def add(
    tx: Tx,
    hash_: str,
    *,
    name: str,
    files: Mapping[str, str],
    by: str,
    why: str,
    now: datetime,
    state: SetState = SetState.PROPOSED,
) -> bool:
    """Keep a set; False where it is there already, which stays as it was."""
    row = {
        "hash": hash_,
        "name": name,
        "files": zlib.compress(json.dumps(dict(files), sort_keys=True).encode()),
        "added_by": by,
        "why": why,
        "added_at": now,
        "state": state,
    }
    return tx.execute(_ADD[tx.dialect.name], row).first() is not None


def of_hash(tx: Tx, hash_: str) -> dict[str, str] | None:
    """The files of a set as they were added, by name; None where there is no such set. Nobody has checked them yet."""
    packed = tx.execute(_FILES, {"of_hash": hash_}).scalar()
    if packed is None:
        return None
    files: dict[str, str] = json.loads(zlib.decompress(packed))
    return files


def get(tx: Tx, hash_: str) -> PolicySet | None:
    return one(PolicySet, tx.execute(select(*_SET).where(policy_sets.c.hash == hash_)).first())


def beginning_with(tx: Tx, prefix: str) -> list[PolicySet]:
    """Sets whose hash begins so: people copy no more than its first characters."""
    query = select(*_SET).where(func.substr(policy_sets.c.hash, 1, len(prefix)) == prefix).order_by(policy_sets.c.hash)
    return many(PolicySet, tx.execute(query).all())


def listing(tx: Tx, *, limit: int = 200) -> list[PolicySet]:
    """Newest first."""
    query = select(*_SET).order_by(policy_sets.c.added_at.desc(), policy_sets.c.hash).limit(limit)
    return many(PolicySet, tx.execute(query).all())


def in_state(tx: Tx, state: SetState) -> list[PolicySet]:
    query = select(*_SET).where(policy_sets.c.state == state).order_by(policy_sets.c.added_at, policy_sets.c.hash)
    return many(PolicySet, tx.execute(query).all())


def set_state(tx: Tx, hash_: str, state: SetState, *, was: SetState | None = None) -> bool:
    """Move a set on; with `was`, only from there."""
    query = update(policy_sets).where(policy_sets.c.hash == hash_).values(state=state)
    if was is not None:
        query = query.where(policy_sets.c.state == was)
    return tx.execute(query).rowcount == 1


def in_force(tx: Tx) -> Activation | None:
    """The newest activation; None where nothing was ever put in force."""
    return one(Activation, tx.execute(_IN_FORCE).first())


def history(tx: Tx, *, limit: int = 200) -> list[Activation]:
    """What was in force, newest first."""
    return many(Activation, tx.execute(select(*_ACTIVATION).order_by(_A.seq.desc()).limit(limit)).all())


def by_action(tx: Tx, action_id: str) -> Activation | None:
    """What an action put in force, where it did."""
    return one(Activation, tx.execute(select(*_ACTIVATION).where(_A.action_id == action_id)).first())


def activate(
    tx: Tx, hash_: str, *, after: Activation | None, how: How, by: str, now: datetime, action_id: str | None = None
) -> Activation | None:
    """Put a set in force as the next after `after`; None, and nothing written, where another one was."""
    row = Activation(
        seq=1 if after is None else after.seq + 1,
        hash=hash_,
        from_hash=None if after is None else after.hash,
        how=how,
        by=by,
        action_id=action_id,
        at=now,
    )
    values = {column.name: getattr(row, column.name) for column in _ACTIVATION}
    if tx.execute(_ACTIVATE[tx.dialect.name], values).first() is None:
        return None
    if after is not None:
        set_state(tx, after.hash, SetState.RETIRED)
    set_state(tx, hash_, SetState.ACTIVE)
    return row
