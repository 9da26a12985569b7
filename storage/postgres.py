"""How PostgreSQL is opened, and the few locks that several drivers share there.

Writers run at READ COMMITTED and change rows by conditional updates; readers see one snapshot and can't
write. What must not happen twice at once is held by advisory locks, which end with their transaction or, at
the latest, with their connection, so that no crash leaves one behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from grounding.errors import StorageError
from storage.address import Address
from storage.failures import told

# A machine that vanished is noticed within a minute, on both ends, and what it held is free again.
_CLIENT = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
_IDLE_MS = 60_000
_OURS = 0x70726F66
"""The first half of our advisory locks' numbers; the second is a `Lock`."""


class Lock(IntEnum):
    """What is held. All lie within one database: two databases of a server don't know of each other."""

    SCHEMA = 1
    DRIVERS = 2
    """Shared by all who index; alone by who replaces what they work on."""
    PLAN = 3
    """Alone by who decides what is asked of which video; shared by who begins with a job."""
    MOMENTS = 4
    """By who adds moments, to the end of the transaction: they become visible in the order of their ids."""
    VECTORS = 5


def engine(address: Address, *, writes: bool) -> sa.Engine:
    """Connections that write, or that can't."""
    assert address.url is not None
    url = address.url.set(query={**_CLIENT, "application_name": "proofreel", **address.url.query})
    options = {} if writes else {"postgresql_readonly": True}
    try:
        made = sa.create_engine(
            url,
            isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
            execution_options=options,
            pool_pre_ping=True,
            max_overflow=-1,
        )
    except ImportError as error:
        raise StorageError(
            f"{address.label}: PostgreSQL needs psycopg; run `pip install 'proofreel[postgres]'`"
        ) from error
    if writes:

        @event.listens_for(made, "connect")
        def set_up(connection: Any, _record: object) -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"SET idle_in_transaction_session_timeout = {_IDLE_MS}")
            connection.commit()

    return made


def is_postgresql(session: Session | sa.Connection) -> bool:
    """Whether a session talks to PostgreSQL."""
    bind = session.get_bind() if isinstance(session, Session) else session
    return bind.dialect.name == "postgresql"


def hold(session: Session | sa.Connection, lock: Lock, *, shared: bool = False) -> None:
    """Wait for a lock and hold it to the end of the transaction. On SQLite a writer is alone as it is."""
    if is_postgresql(session):
        function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        session.execute(sa.text(f"SELECT {function}({_OURS}, {lock})"))


def holders(session: Session, lock: Lock) -> list[int]:
    """The server processes whose connections hold a lock of this database."""
    found = session.scalars(
        sa.text(
            "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
            " WHERE locktype = 'advisory' AND granted AND classid = :ours AND objid = :lock"
            " AND datname = current_database() ORDER BY pid"
        ),
        {"ours": _OURS, "lock": int(lock)},
    )
    return list(found)


@contextmanager
def held(
    engine: sa.Engine, lock: Lock, *, label: str, shared: bool = False, busy: str = ""
) -> Iterator[None]:
    """Hold a lock for as long as the block runs, on a connection of its own.

    With `busy` nothing is waited for: who can't have it at once is told that, as a `StorageError`.
    """
    with told(label), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        function = f"pg_{'try_' if busy else ''}advisory_lock{'_shared' if shared else ''}"
        got = connection.scalar(sa.text(f"SELECT {function}({_OURS}, {lock})"))
        if got is False:
            raise StorageError(f"{label}: {busy}")
        try:
            yield
        finally:
            connection.invalidate()  # with its connection ends the lock, also where the server has gone
