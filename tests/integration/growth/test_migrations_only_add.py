"""Migrations run beside the processes of the version before, so each only adds, and builds no index under a lock.

What is read is what the database was really told, migration by migration. What takes something away needs two versions: one
that no longer uses it, and a later one that removes it, raises the floor and is written down here with its reason.
"""

from __future__ import annotations

import re

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import event

from workers.store import schema
from workers.store.database import Database

#: the first migration that found a fleet at work
SINCE = "0003"
#: what breaks a rule and may: (revision, the statement's beginning) with why
EXCEPTIONS = {
    (
        "0003",
        "DROP INDEX ix_cases_attention",
    ): "made again in the same transaction, over a column that steps leave alone",
    ("0003", "CREATE INDEX ix_cases_attention"): "holds the few cases that ask for a person; before this, no fleet ran",
    ("0003", "CREATE INDEX ix_cases_claimed"): "holds what is worked on just now; before this, no fleet ran",
    ("0003", "CREATE INDEX ix_cases_urgent"): "holds what is urgent just now; before this, no fleet ran",
    ("0003", "CREATE INDEX ix_actions_target"): "before this, no fleet ran",
    **{
        ("0005", f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS fk_{table}_"): "no code leans on the check"
        for table in ("events", "steps", "facts", "model_usage", "actions", "revisions", "attempts")
    },
    ("0005", "ALTER TABLE facts DROP CONSTRAINT IF EXISTS pk_facts"): "no code ever looked for a fact by its id",
    ("0019", "ALTER TABLE steps DROP CONSTRAINT IF EXISTS pk_steps"): "a step is found by its case, round and name",
    (
        "0015",
        "UPDATE schema_floor",
    ): "one row, which nobody waits for: ends of chains are kept where only newer code looks",
    (
        "0019",
        "UPDATE schema_floor",
    ): "one row, which nobody waits for: what steps came to is kept where only newer code looks",
    (
        "0018",
        "UPDATE schema_floor",
    ): "one row, which nobody waits for: claims and events are where only newer code looks",
    ("0018", "ALTER TABLE events DROP CONSTRAINT IF EXISTS uq_events_source_body_key"): "an index says the same",
    (
        "0021",
        "UPDATE schema_floor",
    ): "one row, which nobody waits for: what the log says is packed for newer code to read",
    ("0020", "UPDATE schema_floor"): "one row, which nobody waits for: what rides along in a hold only newer code sees",
    ("0022", "UPDATE schema_floor"): "one row, which nobody waits for: what is under way is found by newer code alone",
    (
        "0023",
        "UPDATE schema_floor",
    ): "one row, which nobody waits for: revisions are in rows where only newer code looks",
    (
        "0023",
        "ALTER TABLE limit_holds DROP CONSTRAINT IF EXISTS pk_limit_holds",
    ): "over the same columns again, by an index that was built beside the work: no row is looked at",
    ("0011", "ALTER TABLE switches ALTER COLUMN scope TYPE"): "a longer text: no row is looked at or written again",
}
_TAKES_AWAY = (
    (r"\bDROP (TABLE|COLUMN|CONSTRAINT|VIEW|TYPE)\b", "takes something away"),
    (r"^DROP INDEX(?! CONCURRENTLY)", "drops an index under a lock"),
    (r"\bRENAME\b", "renames"),
    (r"\bALTER COLUMN\b.*\b(TYPE|SET NOT NULL|DROP DEFAULT)\b", "changes a column"),
    (r"\bADD COLUMN\b(?!.*\bDEFAULT\b).*\bNOT NULL\b", "adds a column that the version before does not fill"),
    (r"\bADD CONSTRAINT\b(?!.*\bNOT VALID\b)", "checks every row under a lock"),
    (r"^(UPDATE|DELETE|TRUNCATE)\b(?!.* alembic_version)(?! alembic_version)", "rewrites rows under a lock"),
    (r"^LOCK\b", "locks a table"),
)


def wrong(statement: str, made: set[str]) -> str:
    """What a statement does that it must not, beside the old version; `made` are tables of the same migration."""
    statement = " ".join(statement.split()).rstrip(";")
    for pattern, what in _TAKES_AWAY:
        if re.search(pattern, statement, re.IGNORECASE):
            return what
    index = re.match(
        r"CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?\S+ ON (\S+)", statement, re.IGNORECASE
    )
    if index and not index[1] and index[2] not in made:
        return "builds an index under a lock"
    return ""


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("ALTER TABLE cases DROP COLUMN title", True),
        ("DROP TABLE steps", True),
        ("ALTER TABLE cases RENAME COLUMN title TO name", True),
        ("ALTER TABLE cases RENAME TO matters", True),
        ("ALTER TABLE cases ALTER COLUMN title TYPE TEXT", True),
        ("ALTER TABLE cases ALTER COLUMN assignee SET NOT NULL", True),
        ("ALTER TABLE cases ADD COLUMN size INTEGER NOT NULL", True),
        ("ALTER TABLE cases ADD COLUMN size INTEGER DEFAULT '0' NOT NULL", False),
        ("ALTER TABLE cases ADD COLUMN size INTEGER", False),
        ("ALTER TABLE cases ADD CONSTRAINT c CHECK (round > 0)", True),
        ("ALTER TABLE cases ADD CONSTRAINT c CHECK (round > 0) NOT VALID", False),
        ("CREATE INDEX ix ON cases (title)", True),
        ("CREATE UNIQUE INDEX ix ON cases (title)", True),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix ON cases (title)", False),
        ("CREATE INDEX ix ON fresh (title)", False),
        ("DROP INDEX ix_cases_due", True),
        ("DROP INDEX CONCURRENTLY IF EXISTS ix_cases_due", False),
        ("UPDATE cases SET title = ''", True),
        ("UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003'", False),
        ("ALTER TABLE cases SET (fillfactor = 70)", False),
    ],
)
def test_the_rule_tells_what_adds_from_what_takes_away(statement, refused):
    assert bool(wrong(statement, {"fresh"})) == refused


def test_every_migration_of_a_fleet_only_adds(postgres):
    db = Database(postgres.database("adding"), connections=4)
    told: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: told.append(given[2]))
    revisions = [step.revision for step in ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions()][::-1]
    used, faults = set(), []

    for revision in revisions:
        told.clear()
        with schema._patient(db) as connection:
            command.upgrade(schema._config(connection), revision)
        made = {m[1] for statement in told if (m := re.match(r"\s*CREATE TABLE (\w+)", statement))}
        for statement in told if revision >= SINCE else ():
            why = wrong(statement, made)
            allowed = [key for key in EXCEPTIONS if key[0] == revision and statement.strip().startswith(key[1])]
            used |= set(allowed)
            if why and not allowed:
                faults.append(f"{revision} {why}: {' '.join(statement.split())}")
    db.dispose()

    assert revisions[-1] >= SINCE
    assert faults == []
    assert used == EXCEPTIONS.keys(), "an exception that nothing needs any more"
