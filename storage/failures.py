"""What SQLite and the disk say when they can't go on, told as one sentence with the next step."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

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
_DISK_SENTENCES = {
    errno.ENOSPC: "the disk is full; free some space and run the command again, nothing is lost",
    errno.EDQUOT: "the disk quota is used up; free some space and run the command again, nothing is lost",
    errno.EROFS: "the disk is read-only; give a --home on a writable disk",
    errno.EACCES: "permission denied; make the folder writable or give another --home",
    errno.EPERM: "permission denied; make the folder writable or give another --home",
    errno.ENOTDIR: "a part of the path is a file; give a --home that is a folder",
    errno.EEXIST: "there is a file of that name; give a --home that is a folder",
}


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite or the operating system raises about `path` into a `StorageError`.

    A broken constraint is a mistake in the program and passes through unchanged.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        sentence = _of_sqlite(error)
        if sentence is None:
            raise
        raise StorageError(f"{printable(path)}: {sentence}") from error
    except OSError as error:
        sentence = _DISK_SENTENCES.get(error.errno or 0, error.strerror or str(error))
        raise StorageError(f"{printable(path)}: {sentence}") from error


def _of_sqlite(error: DBAPIError | sqlite3.Error) -> str | None:
    code = primary_code(error.orig if isinstance(error, DBAPIError) else error)
    return None if code is None else _SQLITE_SENTENCES.get(code)


def primary_code(error: BaseException | None) -> int | None:
    """SQLite's result code without its extension, like `sqlite3.SQLITE_FULL`; None where there is none."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & _PRIMARY_CODE
