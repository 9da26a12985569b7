"""How SQLite is opened: one writer at a time, any number of readers, no lost update."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

BUSY_TIMEOUT_S = 30.0


def connect(path: Path, *, mode: str = "rw") -> sqlite3.Connection:
    """A bare connection in autocommit mode; `mode` as in SQLite's URIs (`rw`, `rwc`, `ro`)."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    if not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
        # A reader of a write-ahead log makes files beside the database; where it can't, nobody writes either.
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )


def engine(path: Path, *, writes: bool) -> sa.Engine:
    """Connections that write, or that can't."""
    made = sa.create_engine(
        "sqlite://", creator=lambda: connect(path), poolclass=sa.QueuePool, max_overflow=-1
    )

    @event.listens_for(made, "connect")
    def set_up(connection: Any, _record: object) -> None:
        # FULL, not NORMAL: after a power cut NORMAL may take back the last commits. Their moment ids would be
        # given again while a vector index, already on disk, still holds the old ones; and a person's verdict
        # can't be computed again. It costs one fsync a segment, some milliseconds.
        for pragma in ("foreign_keys=ON", "synchronous=FULL", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute(f"PRAGMA query_only={'OFF' if writes else 'ON'}")

    @event.listens_for(made, "begin")
    def begin(connection: sa.Connection) -> None:
        # The driver's own BEGIN is deferred: two writers read the same value, one overwrites the other.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return made
