"""Leases: which driver works on a job, until when, and how it is known. Null where nobody does.

With an index of the jobs that wait, in the order in which they are claimed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_leases"
down_revision = "0003_report"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for name, kind in (("lease_owner", _TEXT), ("lease_token", _TEXT), ("lease_until_s", sa.Double())):
        op.add_column("job", sa.Column(name, kind, nullable=True))
    waiting = sa.text("state = 'pending'")
    op.create_index(
        op.f("ix_job_run_id_id"), "job", ["run_id", "id"], sqlite_where=waiting, postgresql_where=waiting
    )
