"""Copies of a whole database, made while it is in use, and put back with what they replace kept."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from grounding.errors import StorageError, printable
from storage import dumps
from storage.address import FILE_NAME, Address, address_of, remember
from storage.database import Database
from storage.failures import primary_code, told
from storage.lock import HomeLock
from storage.sqlite import connect
from storage.versions import refuse_newer

_SIDE_FILES = ("-wal", "-shm")


def backup(db: Database, out: Path) -> Path:
    """Copy the database to the new file `out`, whole and consistent while others write to it.

    A copy of a PostgreSQL database is what `pg_dump` writes. Raises `ValueError` when `out` exists,
    `StorageError` when it can't be written. Vector indexes are not in it: they are rebuilt from it.
    """
    if out.exists():
        raise ValueError(f"{printable(out)} exists; give the backup a new name")
    _copy(db.address, out)
    return out


def copy_of(address: Address, *, named: str = "") -> Path:
    """Copy the database to a new file in the home's `backups`, with `named` and the time in its name."""
    ending = "db" if address.url is None else "dump"
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    out = address.home / "backups" / f"proofreel-{named}{'-' if named else ''}{stamp}.{ending}"
    with told(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
    _copy(address, out)
    return out


def _copy(address: Address, out: Path) -> None:
    if address.url is None:
        copy_database(address.path, out)
    else:
        dumps.dump(address, out)


def restore(home: Path, copy: Path, *, url: str | None = None) -> Path | None:
    """Put `copy` in the place of the home's database; gives where the replaced one was kept, or None.

    The copy is checked first and holds no older program's schema longer than until the next `index` or
    `db upgrade`. Raises `StorageError` when it is no sound database of ours, comes from a newer Proofreel,
    or when another process is indexing into this home.
    """
    if not copy.is_file():
        raise ValueError(
            f"there is no backup {printable(copy)}; give the file that `proofreel db backup` made"
        )
    address = address_of(home, url)
    if address.url is not None:
        with told(home):
            home.mkdir(parents=True, exist_ok=True)
        kept = dumps.restore(address, copy, keep=lambda: copy_of(address, named="replaced"))
        remember(address)
        return kept
    _require_sound(copy)
    with told(home):
        home.mkdir(parents=True, exist_ok=True)
    path = home / FILE_NAME
    with HomeLock(home), told(home):
        kept = _keep(path) if path.exists() else None
        # Written as one transaction: who reads meanwhile sees the old content or the new.
        with closing(connect(copy)) as reader, closing(connect(path, mode="rwc")) as writer:
            reader.backup(writer)
            writer.execute("PRAGMA journal_mode=WAL")
        sync_folder(home)
    return kept


def copy_database(source: Path, out: Path) -> None:
    """Copy a database with SQLite's online backup; `out` is there whole and on disk, or not at all."""
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    with told(out):
        try:
            with closing(connect(source)) as reader, closing(connect(partial, mode="rwc")) as writer:
                reader.backup(writer)
                writer.execute("PRAGMA journal_mode=DELETE")
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(out)
            sync_folder(out.parent)
        finally:
            for suffix in ("", *_SIDE_FILES, "-journal"):
                partial.with_name(partial.name + suffix).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    kept = path.parent / "backups" / f"{path.stem}-replaced-{stamp}.db"
    kept.parent.mkdir(exist_ok=True)
    try:
        copy_database(path, kept)
    except StorageError:
        # Too damaged to be read as a database: kept byte by byte, for it may be all that there is.
        for suffix in ("", *_SIDE_FILES):
            if (side := path.with_name(path.name + suffix)).exists():
                side.replace(kept.with_name(kept.name + suffix))
    return kept


def _require_sound(copy: Path) -> None:
    with told(copy), closing(connect(copy)) as connection:
        if not _is_ours(connection):
            raise StorageError(
                f"{printable(copy)} is no copy of a Proofreel database; "
                "give the file that `proofreel db backup` made"
            )
        refuse_newer(_version(connection), label=printable(copy))
        problems = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if problems != "ok":
        raise StorageError(f"{printable(copy)} is damaged ({problems}); give another backup")


def _is_ours(connection: sqlite3.Connection) -> bool:
    try:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    except sqlite3.DatabaseError as error:
        if primary_code(error) == sqlite3.SQLITE_NOTADB:
            return False
        raise
    return found is not None


def _version(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return "" if row is None else str(row[0])
