"""Makes an empty database current, and an older one too, in one transaction and after a backup."""

from __future__ import annotations

import sqlite3
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

from grounding.errors import StorageError
from grounding.plain import counted
from storage import postgres, sqlite
from storage.address import Address
from storage.failures import told
from storage.postgres import Lock
from storage.versions import CURRENT, not_ours, refuse_newer, stored_version

_WAL_TRIES = 100


def create_or_upgrade(address: Address) -> Path | None:
    """Bring the database to the current schema; a missing file is made, an empty database filled.

    Gives the backup that was made of an older schema, or None. Safe when several processes do it at once.
    Raises `StorageError` for a newer schema and for what is not ours.
    """
    from storage.backup import copy_of

    with told(address.label):
        if address.url is None:
            _make_file(address.path)
        engine = _migration_engine(address)
        try:
            with engine.connect() as reader:
                found = stored_version(reader)
            if found == CURRENT:
                return None
            if found is None:
                _migrate(engine, address=address)
                return None
            refuse_newer(found, label=address.label)
            with _nobody_working(engine, address):
                backup = copy_of(address, named=found)
                _migrate(engine, address=address)
                return backup
        finally:
            engine.dispose()


def _nobody_working(engine: sa.Engine, address: Address) -> AbstractContextManager[None]:
    """Drivers of the older program, whose schema goes; on SQLite the `HomeLock` is held."""
    if address.url is None:
        return nullcontext()
    busy = "it has an older schema, and another proofreel is indexing into it; wait until that one is done"
    return postgres.held(engine, Lock.DRIVERS, label=address.label, busy=busy)


def _make_file(path: Path) -> None:
    connection = sqlite.connect(path, mode="rwc")
    try:
        _set_wal(connection)
    finally:
        connection.close()


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


def _migration_engine(address: Address) -> sa.Engine:
    if address.url is not None:
        return postgres.engine(address, writes=True)
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite.connect(address.path), poolclass=sa.NullPool
    )

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # Foreign keys stay off (SQLite's default): a table that is made anew would lose its children.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _migrate(engine: sa.Engine, *, address: Address) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "storage:migrations")
    with engine.begin() as connection:
        postgres.hold(connection, Lock.SCHEMA)
        version = stored_version(connection)
        if version is not None:
            refuse_newer(version, label=address.label)
        else:
            _require_empty(connection, address)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if address.url is None:
            _require_parents(connection, address)


def _require_empty(connection: sa.Connection, address: Address) -> None:
    if address.url is None:
        if connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first() is not None:
            raise StorageError(not_ours(address))
        return
    encoding = connection.scalar(sa.text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise StorageError(
            f"{address.label} keeps texts as {encoding}, which can't hold all; make one with "
            "`createdb -E UTF8 -T template0 NAME`"
        )
    if sa.inspect(connection).get_table_names():
        raise StorageError(f"{address.label} holds tables of something else; give an empty database")


def _require_parents(connection: sa.Connection, address: Address) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        orphans = counted(len(broken), "row")
        raise StorageError(
            f"{address.label}: upgrading would leave {orphans} without a parent, so it was undone; "
            "run `proofreel db check`"
        )
