"""Lists handed to SQL as one parameter, however long: a JSON text that the database takes apart."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.orm import Session

from storage.postgres import is_postgresql


def listed(session: Session, parameter: str, *, of: Literal["number", "text"] = "number") -> str:
    """SQL for `IN (...)` or a sub-query: the JSON list in `parameter` as a column called `value`."""
    if not is_postgresql(session):
        return f"SELECT value FROM json_each(:{parameter})"
    value = "CAST(value AS bigint) AS value" if of == "number" else "value"
    return f"SELECT {value} FROM json_array_elements_text(CAST(:{parameter} AS json))"


def paired(session: Session, parameter: str) -> str:
    """SQL that selects the pairs of numbers in the JSON list in `parameter`, as two columns."""
    if not is_postgresql(session):
        return f"SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:{parameter})"
    return (
        "SELECT CAST(value ->> 0 AS bigint), CAST(value ->> 1 AS bigint)"
        f" FROM json_array_elements(CAST(:{parameter} AS json))"
    )
