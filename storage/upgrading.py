"""Makes an empty database current, and an older one too, in one transaction and after a backup."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

from grounding.errors import StorageError, printable
from grounding.plain import counted
from storage.failures import told
from storage.versions import CURRENT, not_ours, refuse_newer, stored_version

_WAL_TRIES = 100


def create_or_upgrade(path: Path) -> Path | None:
    """Bring the database at `path` to the current schema; a missing file is made, an empty one filled.

    Gives the backup that was made of an older schema, or None. Safe when several processes do it at once.
    Raises `StorageError` for a newer schema and for a file that is not ours.
    """
    from storage.database import connect

    with told(path):
        connection = connect(path, mode="rwc")
        try:
            _set_wal(connection)
        finally:
            connection.close()
        engine = _migration_engine(path)
        try:
            with engine.connect() as reader:
                found = stored_version(reader)
            if found == CURRENT:
                return None
            backup = None if found is None else _back_up(path, version=found)
            _migrate(engine, path=path)
            return backup
        finally:
            engine.dispose()


def _set_wal(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on. SQLite doesn't wait here when another process does the same: we do."""
    for _ in range(_WAL_TRIES):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            time.sleep(0.05)
    connection.execute("PRAGMA journal_mode=WAL")


def _migration_engine(path: Path) -> sa.Engine:
    from storage.database import connect

    engine = sa.create_engine("sqlite://", creator=lambda: connect(path), poolclass=sa.NullPool)

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # Foreign keys stay off (SQLite's default): a table that is made anew would lose its children.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _migrate(engine: sa.Engine, *, path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "storage:migrations")
    with engine.begin() as connection:
        version = stored_version(connection)
        if version is not None:
            refuse_newer(version, path=path)
        elif connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first() is not None:
            raise StorageError(not_ours(path))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            orphans = counted(len(broken), "row")
            raise StorageError(
                f"{printable(path)}: upgrading would leave {orphans} without a parent, so it was undone; "
                "run `proofreel db check`"
            )


def _back_up(path: Path, *, version: str) -> Path:
    from storage.backup import copy_database

    refuse_newer(version, path=path)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    out = path.parent / "backups" / f"{path.stem}-{version}-{stamp}.db"
    out.parent.mkdir(exist_ok=True)
    copy_database(path, out)
    return out
