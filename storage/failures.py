"""What a database and the disk say when they can't go on, told as one sentence with the next step."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, OperationalError

from grounding.errors import StorageError, printable

_PRIMARY_CODE = 0xFF  # the low byte of an extended SQLite result code

_SQLITE_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space and run the command again, nothing is lost",
    sqlite3.SQLITE_READONLY: "it can't be written; make the folder writable or give another --home",
    sqlite3.SQLITE_PERM: "it can't be written; make the folder writable or give another --home",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened; check that the folder exists and may be written",
    sqlite3.SQLITE_NOTADB: "it is not a Proofreel database; give another --home or move that file away",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; get back a copy with `proofreel db restore`",
    sqlite3.SQLITE_BUSY: "another process is writing to it; try again when that one is done",
    sqlite3.SQLITE_LOCKED: "another process is writing to it; try again when that one is done",
    sqlite3.SQLITE_IOERR: "the disk failed while reading or writing it; check the disk and its free space",
}
_POSTGRES_SENTENCES = {
    "25006": "it can't be written by this command",
    "28000": "the server lets this user not in; check the user of the URL",
    "28P01": "the server refuses the password; give the right one in the URL, PGPASSWORD or ~/.pgpass",
    "3D000": "there is no such database on the server; make one with `createdb -E UTF8 NAME`",
    "40P01": "two writers waited for each other; run the command again, nothing is lost",
    "42501": "permission denied; the user of the URL needs to own the database's tables",
    "53100": "the server's disk is full; free some space and run the command again, nothing is lost",
    "53300": "the server has no free connection; raise its max_connections, or run fewer drivers",
    "55P03": "another process holds it; try again when that one is done",
    "57014": "the server stopped the statement; run the command again, nothing is lost",
}
_SERVER_GONE = "the connection to the server was lost; run the command again when it is back, nothing is lost"
_DISK_SENTENCES = {
    errno.ENOSPC: "the disk is full; free some space and run the command again, nothing is lost",
    errno.EDQUOT: "the disk quota is used up; free some space and run the command again, nothing is lost",
    errno.EROFS: "the disk is read-only; give a --home on a writable disk",
    errno.EACCES: "permission denied; make the folder writable or give another --home",
    errno.EPERM: "permission denied; make the folder writable or give another --home",
    errno.ENOTDIR: "a part of the path is a file; give a --home that is a folder",
    errno.EEXIST: "there is a file of that name; give a --home that is a folder",
}


class ServerLost(StorageError):
    """The database server went away, or isn't there yet. Whether a commit came through isn't known then."""


@contextmanager
def told(what: Path | str) -> Iterator[None]:
    """Turn what the database or the operating system raises about `what` (a path, or an address as people
    are shown it) into a `StorageError`.

    A broken constraint is a mistake in the program and passes through unchanged.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        told_of = _of_postgres(error) or _of_sqlite(error)
        if told_of is None:
            raise
        kind, sentence = told_of
        raise kind(f"{printable(what)}: {sentence}") from error
    except OSError as error:
        sentence = _DISK_SENTENCES.get(error.errno or 0, error.strerror or str(error))
        raise StorageError(f"{printable(what)}: {sentence}") from error


def _of_sqlite(error: DBAPIError | sqlite3.Error) -> tuple[type[StorageError], str] | None:
    code = primary_code(error.orig if isinstance(error, DBAPIError) else error)
    sentence = None if code is None else _SQLITE_SENTENCES.get(code)
    return None if sentence is None else (StorageError, sentence)


def _of_postgres(error: DBAPIError | sqlite3.Error) -> tuple[type[StorageError], str] | None:
    if not isinstance(error, DBAPIError) or not hasattr(error.orig, "sqlstate"):
        return None
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state in _POSTGRES_SENTENCES:
        return StorageError, _POSTGRES_SENTENCES[state]
    if error.connection_invalidated or (state or "").startswith(("08", "57P")):
        return ServerLost, _SERVER_GONE
    if state is None and isinstance(error, OperationalError):
        said = str(error.orig).strip().splitlines()[0].removeprefix("connection failed: ")
        if "does not exist" in said or "authentication" in said:
            return StorageError, f"the server refuses ({said}); check the database URL"
        return ServerLost, f"the server can't be reached ({said}); check that it runs, and the database URL"
    return None


def primary_code(error: BaseException | None) -> int | None:
    """SQLite's result code without its extension, like `sqlite3.SQLITE_FULL`; None where there is none."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & _PRIMARY_CODE
