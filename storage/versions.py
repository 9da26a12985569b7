"""Which schema a database holds, told by one plain SQL read (loading Alembic takes a quarter second)."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from grounding.errors import StorageError, printable
from storage.address import Address

REVISIONS = ("0001", "0002", "0003_report", "0004_leases")
"""Every schema that this program knows, oldest first; the last one is the one that it uses."""

CURRENT = REVISIONS[-1]


def stored_version(connection: sa.Connection) -> str | None:
    """The revision in the database, or None when it holds no schema of ours (it may be empty)."""
    table = (
        "to_regclass('alembic_version')"
        if connection.dialect.name == "postgresql"
        else "(SELECT name FROM sqlite_master WHERE name = 'alembic_version')"
    )
    if connection.scalar(sa.text(f"SELECT 1 WHERE {table} IS NOT NULL")) is None:
        return None
    row = connection.execute(sa.text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def require_current(version: str | None, *, address: Address) -> None:
    """Raise `StorageError` unless `version` is the schema that this program uses."""
    if version == CURRENT:
        return
    if version is None:
        raise StorageError(not_ours(address))
    refuse_newer(version, label=address.label)
    raise StorageError(
        f"{address.label} has the older schema {version}; run `proofreel db upgrade --home "
        f"{printable(address.home)}` (it makes a backup first)"
    )


def refuse_newer(version: str, *, label: str) -> None:
    """Raise `StorageError` when `version` is none of this program's: it comes from a later one."""
    if version not in REVISIONS:
        raise StorageError(
            f"{label} was made by a newer Proofreel (schema {version}, this one knows up to "
            f"{CURRENT}); update Proofreel"
        )


def not_ours(address: Address) -> str:
    """What to say of a database that holds something else, or nothing yet."""
    if address.url is not None:
        return (
            f"{address.label}: there is no index in it; run `proofreel index` on some videos first, with an "
            "empty database"
        )
    return f"{address.label}: it is not a Proofreel database; give another --home or move that file away"


def no_index(home: Path) -> str:
    """What to say of a home that holds no database."""
    return f"there is no index in {printable(home)}; run `proofreel index` on some videos first"
