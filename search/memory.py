"""What stays true while nobody writes to the database: worked out once, forgotten at the next commit."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from storage.postgres import is_postgresql

T = TypeVar("T")


class Memory:
    """Values by key, for one database. Not safe for several threads at once."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[str, dict[Hashable, Any]]] = {}

    def kept(self, session: Session, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made by `make` unless it was made since the last commit that `session` sees."""
        whose, version = _version(session)
        known, values = self._kept.get(whose, (version, {}))
        if known != version:
            values = {}
        self._kept[whose] = (version, values)
        if key not in values:
            values[key] = make()
        value: T = values[key]
        return value


def _version(session: Session) -> tuple[Any, str]:
    """What changes with every commit that `session` sees, and for whom it is counted."""
    if is_postgresql(session):
        return None, str(session.scalar(text("SELECT CAST(pg_current_snapshot() AS text)")))
    # SQLite counts the commits of others, for each connection by itself; a pool has several.
    connection = session.connection().connection.dbapi_connection
    return connection, str(session.scalar(text("PRAGMA data_version")))
