"""The table of questions that one case asks of another agent, each worked on as a case of its own.

Declared beside `tables` so that the tables of the flow stay readable. Nothing here refers to a case by a foreign key: case
and child are archived each in their own time.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint

from workers.store.columns import Json, at, identity, metadata

consultations = Table(
    "consultations",
    metadata,
    identity(),
    Column("case_id", String(40), nullable=False),
    Column("round", Integer, nullable=False),
    # The call that asked: "2.1" is the first of the second turn.
    Column("number", String(16), nullable=False),
    Column("child_id", String(40), nullable=False),
    Column("agent", String(80), nullable=False),
    # Who asked whom, from the first case down to this agent: "support > transactions".
    Column("path", String(400), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("question", Text, nullable=False),
    at("asked_at"),
    at("deadline"),
    # open · answered · failed · timed_out (still open for a late answer) · late · cancelled
    Column("state", String(10), nullable=False),
    Column("answer", Json),
    Column("reason", Text),
    at("answered_at", nullable=True),
    UniqueConstraint("case_id", "round", "number"),
    Index("ix_consultations_child_id", "child_id", unique=True),
)
