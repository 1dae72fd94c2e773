"""Who stands in for whom, for whom somebody said yes, until when an action is put off, and what people were told.

Only adds. The columns may be empty, so the version before goes on writing its rows beside this one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "delegations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("stand_in_id", sa.String(length=40), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_delegations_person_id")),
        sa.ForeignKeyConstraint(["stand_in_id"], ["people.id"], name=op.f("fk_delegations_stand_in_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegations")),
    )
    op.create_index("ix_delegations_ends_at", "delegations", ["ends_at"])
    op.add_column("decisions", sa.Column("on_behalf_of", sa.String(length=40), nullable=True))
    op.add_column("actions", sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
    _add_notices()


def _add_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("action_id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("cause", sa.String(length=12), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("action_id", "role", "cause", name=op.f("uq_notices_action_id_role_cause")),
    )
    op.create_index("ix_notices_role_at", "notices", ["role", "at"])
    op.create_index("ix_notices_at", "notices", ["at"])
    op.create_table(
        "notice_reads",
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("notice_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "notice_id", name=op.f("pk_notice_reads")),
    )
    op.create_index("ix_notice_reads_at", "notice_reads", ["at"])
    op.create_table(
        "notice_marks",
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("upto", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_notice_marks")),
    )


def downgrade() -> None:
    op.drop_table("notice_marks")
    op.drop_table("notice_reads")
    op.drop_table("notices")
    with op.batch_alter_table("actions") as batch_op:
        batch_op.drop_column("snoozed_until")
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.drop_column("on_behalf_of")
    op.drop_table("delegations")
