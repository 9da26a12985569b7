"""Runs the migrations on the connection that `storage.upgrading` has put into the configuration.

The connection's transaction is already open and is committed by its owner: all steps, or none.
"""

from __future__ import annotations

from alembic import context

from storage.migrations.comparing import is_ours
from storage.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    include_object=is_ours,
)
context.run_migrations()
