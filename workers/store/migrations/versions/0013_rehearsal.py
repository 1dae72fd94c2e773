"""What another policy would have said, what was proposed to run by itself, and how that went. Only adds tables."""

from __future__ import annotations

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
