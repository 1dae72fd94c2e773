"""What is remembered beyond a case: memories with full text, their vectors, and which closed cases were looked at.

Only adds. A generated column and FTS5's triggers keep what is searched in step with the text, also where it is erased.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

CURRENT = sa.text("superseded_by IS NULL AND erased_at IS NULL")

#: external content: the index holds no second copy of the text
SQLITE = (
    "CREATE VIRTUAL TABLE memories_text USING fts5(text, content='memories', content_rowid='number')",
    (
        "CREATE TRIGGER memories_text_added AFTER INSERT ON memories BEGIN "
        "INSERT INTO memories_text(rowid, text) VALUES (new.number, new.text); END"
    ),
    (
        "CREATE TRIGGER memories_text_removed AFTER DELETE ON memories BEGIN "
        "INSERT INTO memories_text(memories_text, rowid, text) VALUES ('delete', old.number, old.text); END"
    ),
    (
        "CREATE TRIGGER memories_text_changed AFTER UPDATE OF text ON memories BEGIN "
        "INSERT INTO memories_text(memories_text, rowid, text) VALUES ('delete', old.number, old.text); "
        "INSERT INTO memories_text(rowid, text) VALUES (new.number, new.text); END"
    ),
)
#: words as they are: customers write in many languages, and stemming in the wrong one loses more than it finds
POSTGRESQL = (
    "ALTER TABLE memories ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED",
    "CREATE INDEX ix_memories_search ON memories USING gin (search)",
)


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "memories",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("about_kind", sa.String(length=16), nullable=False),
        sa.Column("about_key", sa.String(length=320), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("slot", sa.String(length=120), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("signature", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=True),
        sa.Column("domain", sa.String(length=32), nullable=False),
        sa.Column("refs", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("corrected_by", sa.String(length=200), nullable=True),
        sa.Column("superseded_by", sa.String(length=40), nullable=True),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_by", sa.String(length=200), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_memories")),
        sa.UniqueConstraint("id", name=op.f("uq_memories_id")),
    )
    op.create_index(
        "ix_memories_about",
        "memories",
        ["about_kind", "about_key", "confirmed_at"],
        postgresql_where=CURRENT,
        sqlite_where=CURRENT,
    )
    op.create_index("ix_memories_slot", "memories", ["about_kind", "about_key", "slot"])
    expires = sa.text("expires_at IS NOT NULL")
    op.create_index(
        "ix_memories_expires_at", "memories", ["expires_at"], postgresql_where=expires, sqlite_where=expires
    )
    op.create_index("ix_memories_case_id", "memories", ["case_id"])
    op.create_table(
        "memory_vectors",
        sa.Column("memory_id", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=120), nullable=False),
        sa.Column("vector", postgresql.ARRAY(sa.REAL()).with_variant(sa.LargeBinary(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("memory_id", name=op.f("pk_memory_vectors")),
    )
    op.create_table(
        "remembered",
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_remembered")),
    )
    op.create_index("ix_remembered_closed_at", "remembered", ["closed_at"])
    for statement in POSTGRESQL if on_postgresql else SQLITE:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("remembered")
    op.drop_table("memory_vectors")
    if op.get_bind().dialect.name != "postgresql":
        op.execute("DROP TABLE memories_text")
    op.drop_table("memories")
