"""Which schema a database file holds, told by one plain SQL read (loading Alembic takes a quarter second)."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from grounding.errors import StorageError, printable

REVISIONS = ("0001", "0002", "0003_report")
"""Every schema that this program knows, oldest first; the last one is the one that it uses."""

CURRENT = REVISIONS[-1]


def stored_version(connection: sa.Connection) -> str | None:
    """The revision in the database, or None when it holds no schema of ours (it may be empty)."""
    known = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").first()
    if known is None:
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])


def require_current(version: str | None, *, path: Path) -> None:
    """Raise `StorageError` unless `version` is the schema that this program uses."""
    if version == CURRENT:
        return
    if version is None:
        raise StorageError(not_ours(path))
    refuse_newer(version, path=path)
    raise StorageError(
        f"{printable(path)} has the older schema {version}; run `proofreel db upgrade --home "
        f"{printable(path.parent)}` (it makes a backup first)"
    )


def refuse_newer(version: str, *, path: Path) -> None:
    """Raise `StorageError` when `version` is none of this program's: it comes from a later one."""
    if version not in REVISIONS:
        raise StorageError(
            f"{printable(path)} was made by a newer Proofreel (schema {version}, this one knows up to "
            f"{CURRENT}); update Proofreel"
        )


def not_ours(path: Path) -> str:
    """What to say of a database file that holds something else."""
    return f"{printable(path)}: it is not a Proofreel database; give another --home or move that file away"


def no_index(home: Path) -> str:
    """What to say of a home that holds no database."""
    return f"there is no index in {printable(home)}; run `proofreel index` on some videos first"
