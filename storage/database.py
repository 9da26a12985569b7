"""The database of a home: no lost update, whole commits, and readers who see one snapshot.

By default it is SQLite's `proofreel.db` in the home, with one writer at a time. A URL names a PostgreSQL
database instead, in which several drivers may work at once. What differs is in `storage.sqlite` and
`storage.postgres`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from grounding.errors import StorageError
from storage import postgres, sqlite
from storage.address import FILE_NAME, Address, address_of, remember
from storage.failures import ServerLost, told
from storage.mounts import refuse_network_disk
from storage.versions import no_index, require_current, stored_version

__all__ = ["FILE_NAME", "Database"]

_PAUSE_S = 0.5

T = TypeVar("T")


class Database:
    """An open home. Safe for several threads and processes, not to be carried across a fork.

    `home` is the folder, `label` how its database is named to people.
    """

    def __init__(self, address: Address) -> None:
        """Use `Database.open`, which checks that the database can be used."""
        self.address = address
        self.home = address.home
        self.label = address.label
        self.patience_s = 0.0
        """How long a server that went away is waited for."""
        self._pid = os.getpid()
        self._write_engine = _engine(address, writes=True)
        self._read_engine = _engine(address, writes=False)

    @classmethod
    def open(cls, home: Path, *, url: str | None = None, create: bool = False) -> Database:
        """Open the database of `home`: the one at `url`, the one that the home remembers, or its own file.

        With `create` the folder and the tables are made when they are missing, and an older schema is
        upgraded after a backup (in `backups/`). Without it a missing database or an older schema is a
        `StorageError` that names the command to run. Also a `StorageError`: a newer schema, what is no
        database of ours, a damaged one, a home that can't be written (with `create`), a server that can't be
        reached, SQLite on a network file system. `url` of anything but PostgreSQL is a `ValueError`.
        """
        address = address_of(home, url)
        if create:
            with told(address.home):
                address.home.mkdir(parents=True, exist_ok=True)
                _require_writable(address.home)
        elif address.url is None and not address.path.exists():
            raise StorageError(no_index(home))
        if address.url is None:
            refuse_network_disk(address.home)
        if create:
            from storage.upgrading import create_or_upgrade

            create_or_upgrade(address)
            remember(address)
        database = cls(address)
        try:
            database._check()
        except BaseException:
            database.close()
            raise
        return database

    @property
    def path(self) -> Path:
        """The file of a home that keeps its truth in SQLite."""
        return self.address.path

    @property
    def is_shared(self) -> bool:
        """Whether several drivers may work in it at once."""
        return self.address.url is not None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction; commits at the end, or rolls back. Don't nest it, and keep it short.

        On SQLite it holds the write lock from its start, and every other writer waits for it. On PostgreSQL
        others write meanwhile: what was read may have changed, unless the row was locked.
        """
        self._refuse_fork()
        self._wait_for(self._write_engine)
        with (
            told(self.label),
            Session(self._write_engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            session.connection()
            yield session

    def write(self, work: Callable[[Session], T]) -> T:
        """Give what `work` gives in one transaction; once more when a server went away during it.

        `work` must be safe to do twice: what was cut off may have been committed. Raises `StorageError` when
        the server isn't back after `patience_s` seconds.
        """
        give_up = time.monotonic() + self.patience_s
        while True:
            try:
                with self.writing() as session:
                    return work(session)
            except ServerLost:
                if time.monotonic() >= give_up:
                    raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One snapshot of the database: what others commit meanwhile is not seen. Writing raises."""
        self._refuse_fork()
        self._wait_for(self._read_engine)
        with told(self.label), Session(self._read_engine, expire_on_commit=False) as session:
            yield session

    def holding(
        self, lock: postgres.Lock, *, shared: bool = False, busy: str = ""
    ) -> AbstractContextManager[None]:
        """Hold one of the locks that PostgreSQL's drivers share, for as long as the block runs.

        It is waited for; with `busy` it is not, and who can't have it is told that. On SQLite the `HomeLock`
        keeps others away.
        """
        if not self.is_shared:
            return nullcontext()
        return postgres.held(self._write_engine, lock, label=self.label, shared=shared, busy=busy)

    def close(self) -> None:
        """Close every connection; a second time does nothing."""
        if os.getpid() == self._pid:
            self._write_engine.dispose()
            self._read_engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_for(self, engine: sa.Engine) -> None:
        """Leave a connection that works in the pool, as soon as the server gives one."""
        give_up = time.monotonic() + self.patience_s
        while self.patience_s and self.is_shared:
            try:
                with told(self.label):
                    engine.connect().close()
                return
            except ServerLost:
                if time.monotonic() >= give_up:
                    self.patience_s = 0.0  # whatever is still tried then, to clean up, waits no more
                    raise
                time.sleep(_PAUSE_S)

    def _check(self) -> None:
        with self.reading() as session:
            require_current(stored_version(session.connection()), address=self.address)

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise StorageError(
                f"{self.label} was opened by process {self._pid} before a fork; open it again in this one"
            )


def _engine(address: Address, *, writes: bool) -> sa.Engine:
    if address.url is None:
        return sqlite.engine(address.path, writes=writes)
    return postgres.engine(address, writes=writes)


def _require_writable(home: Path) -> None:
    """Try it: neither the mode bits nor `os.access` tell the truth for root or a read-only mount."""
    probe = home / f".writable-{os.getpid()}"
    try:
        probe.touch()
    finally:
        probe.unlink(missing_ok=True)
