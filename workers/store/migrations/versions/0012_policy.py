"""The policies that were ever in force or proposed, as they were, and which is. Only adds tables."""

from __future__ import annotations

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
