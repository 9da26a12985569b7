"""What a library asks of all its videos, how severe a hit is, and how it is to be reviewed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "standing_question",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("library_id", _WHOLE, nullable=False),
        sa.Column("question_id", _WHOLE, nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("reviewers", _WHOLE, nullable=False),
        sa.Column("blur", sa.Boolean(), nullable=False),
        sa.Column("pack", sa.Text(), nullable=True),
        sa.Column("pack_version", _WHOLE, nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("retired_at", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "severity IN ('low', 'medium', 'high', 'critical')", name=op.f("ck_standing_question_severity")
        ),
        sa.ForeignKeyConstraint(
            ["library_id"], ["library.id"], name=op.f("fk_standing_question_library_id_library")
        ),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_standing_question_question_id_question")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_question")),
        sa.UniqueConstraint(
            "library_id", "question_id", name=op.f("uq_standing_question_library_id_question_id")
        ),
    )
