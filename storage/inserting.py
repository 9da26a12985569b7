"""Making rows that others may be making at the same moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.postgres import is_postgresql


def ensure(
    session: Session, table: Any, values: Mapping[str, Any], *, known_by: Sequence[str]
) -> tuple[int, bool]:
    """The id of the row that `values` name by the columns `known_by`, made when it is missing; and whether it
    was made now. Another driver that makes it at the same moment is waited for.
    """
    same = [getattr(table, name) == values[name] for name in known_by]
    if (found := session.scalar(select(table.id).where(*same))) is not None:
        return int(found), False
    made = postgresql.insert(table) if is_postgresql(session) else sqlite.insert(table)
    new = session.scalar(made.values(values).on_conflict_do_nothing().returning(table.id))
    if new is None:
        new = session.scalars(select(table.id).where(*same)).one()
        return int(new), False
    return int(new), True
