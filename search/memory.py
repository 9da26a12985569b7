"""What stays true while nobody writes to the database: worked out once, forgotten at the next commit."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

T = TypeVar("T")


class Memory:
    """Values by key, for one database. Not safe for several threads at once."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[int, dict[Hashable, Any]]] = {}

    def kept(self, session: Session, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made by `make` unless it was made since the last commit that `session` sees."""
        # SQLite counts the commits of others, for each connection by itself; a pool has several.
        connection = session.connection().connection.dbapi_connection
        version = int(session.scalar(text("PRAGMA data_version")) or 0)
        known, values = self._kept.get(connection, (version, {}))
        if known != version:
            values = {}
        self._kept[connection] = (version, values)
        if key not in values:
            values[key] = make()
        value: T = values[key]
        return value
