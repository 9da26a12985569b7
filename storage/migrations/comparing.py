"""Compares a database with `storage.schema`: what a migration would still have to change."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from storage.schema import Base


def is_ours(_thing: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    """Whether Alembic should look at it: what full-text search is made of is not in the schema (SQLite: the
    index and its shadow tables; PostgreSQL: a column and its index).
    """
    if kind == "column":
        return name != "words"
    return not (kind in ("table", "index") and name is not None and name.startswith("moment_fts"))


def differences(connection: sa.Connection) -> list[Any]:
    """Alembic's list of steps that lead from the database to `storage.schema`; empty when they are equal."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"include_object": is_ours, "render_as_batch": True, "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))
