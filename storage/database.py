"""The database of a home folder: one writer at a time, any number of readers, no lost update.

This version serves SQLite only (`proofreel.db` in the home folder). The schema and the statements keep to
what PostgreSQL has as well; the set-up here is what is SQLite's own.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from grounding.errors import StorageError, printable
from storage.failures import told
from storage.mounts import refuse_network_disk
from storage.versions import no_index, require_current, stored_version

FILE_NAME = "proofreel.db"
BUSY_TIMEOUT_S = 30.0


class Database:
    """An open home. Safe for several threads and processes, not to be carried across a fork.

    `home` is the folder, `path` the database file in it.
    """

    def __init__(self, home: Path) -> None:
        """Use `Database.open`, which checks that the file can be used."""
        self.home = home
        self.path = home / FILE_NAME
        self._pid = os.getpid()
        self._write_engine = _engine(self.path, writes=True)
        self._read_engine = _engine(self.path, writes=False)

    @classmethod
    def open(cls, home: Path, *, url: str | None = None, create: bool = False) -> Database:
        """Open the database of `home`.

        With `create` the folder and the database are made when they are missing, and an older schema is
        upgraded after a backup (in `backups/`). Without it a missing database or an older schema is a
        `StorageError` that names the command to run. Also a `StorageError`: a newer schema, a file that is
        no database, a damaged one, a home that can't be written (with `create`), a network file system.
        `url` of anything but SQLite is a `ValueError`.
        """
        home = _home_of(home, url=url)
        path = home / FILE_NAME
        if create:
            with told(home):
                home.mkdir(parents=True, exist_ok=True)
                _require_writable(home)
        elif not path.exists():
            raise StorageError(no_index(home))
        refuse_network_disk(home)
        if create:
            from storage.upgrading import create_or_upgrade

            create_or_upgrade(path)
        database = cls(home)
        try:
            database._check()
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction that holds the write lock from its start; commits at the end, or rolls back.

        Keep it short: every other writer waits for it, `BUSY_TIMEOUT_S` seconds at most. Don't nest it.
        """
        self._refuse_fork()
        with told(self.path), Session(self._write_engine, expire_on_commit=False) as session, session.begin():
            session.connection()
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One snapshot of the database: what others commit meanwhile is not seen. Writing raises."""
        self._refuse_fork()
        with told(self.path), Session(self._read_engine, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Close every connection; a second time does nothing."""
        if os.getpid() == self._pid:
            self._write_engine.dispose()
            self._read_engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        with self.reading() as session:
            require_current(stored_version(session.connection()), path=self.path)

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise StorageError(
                f"{printable(self.path)} was opened by process {self._pid} before a fork; "
                "open it again in this one"
            )


def _home_of(home: Path, *, url: str | None) -> Path:
    if url is None:
        return home.absolute()
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise ValueError(
            f"a database URL needs the form sqlite:////absolute/folder/{FILE_NAME}, not "
            f"{parsed.render_as_string()}; this version keeps its data in SQLite only"
        )
    path = Path(parsed.database)
    if path.name != FILE_NAME:
        raise ValueError(f"the file of a database URL is named {FILE_NAME}, not {path.name}")
    return path.parent.absolute()


def _require_writable(home: Path) -> None:
    """Try it: neither the mode bits nor `os.access` tell the truth for root or a read-only mount."""
    probe = home / f".writable-{os.getpid()}"
    try:
        probe.touch()
    finally:
        probe.unlink(missing_ok=True)


def connect(path: Path, *, mode: str = "rw") -> sqlite3.Connection:
    """A bare connection in autocommit mode; `mode` as in SQLite's URIs (`rw`, `rwc`, `ro`)."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    if not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
        # A reader of a write-ahead log makes files beside the database; where it can't, nobody writes either.
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )


def _engine(path: Path, *, writes: bool) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite://", creator=lambda: connect(path), poolclass=sa.QueuePool, max_overflow=-1
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        # FULL, not NORMAL: after a power cut NORMAL may take back the last commits. Their moment ids would be
        # given again while a vector index, already on disk, still holds the old ones; and a person's verdict
        # can't be computed again. It costs one fsync a segment, some milliseconds.
        for pragma in ("foreign_keys=ON", "synchronous=FULL", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute(f"PRAGMA query_only={'OFF' if writes else 'ON'}")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # The driver's own BEGIN is deferred: two writers read the same value, one overwrites the other.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
