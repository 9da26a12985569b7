"""The rows of a home's database, to be compared between two runs."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from storage import Database
from storage.address import URL_NAME

CLOCK_COLUMNS = frozenset(
    {"created_at", "committed_at", "finished_at", "seen_at", "started_at", "cost_s", "missing_since"}
)
RUN_TABLES = frozenset({"attempt", "night", "vector_generation", "alembic_version"})
"""What differs when the same work is done in more than one go."""


def rows(home: Path, *, clocks: bool = True, runs: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, sorted; on request without wall-clock columns or RUN_TABLES."""
    if (home / URL_NAME).exists():
        return _rows_on_server(home, clocks=clocks, runs=runs)
    with sqlite3.connect(f"file:{home / 'proofreel.db'}?mode=ro", uri=True) as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith("sqlite_") and (runs or name not in RUN_TABLES)
        ]
        found = {}
        for name in sorted(names):
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')]
            kept = [c for c in columns if clocks or c not in CLOCK_COLUMNS]
            selected = connection.execute(f'SELECT {", ".join(kept)} FROM "{name}"')
            found[name] = [dict(zip(kept, row, strict=True)) for row in sorted(selected, key=repr)]
    connection.close()
    return found


def _rows_on_server(home: Path, *, clocks: bool, runs: bool) -> dict[str, list[dict[str, Any]]]:
    found = {}
    with Database.open(home) as db, db.reading() as session:
        tables = sa.MetaData()
        tables.reflect(session.connection())
        for name, table in sorted(tables.tables.items()):
            if runs or name not in RUN_TABLES:
                left_out = {"words"} if clocks else {"words", *CLOCK_COLUMNS}
                kept = [column for column in table.columns if column.name not in left_out]
                selected = [dict(row) for row in session.execute(sa.select(*kept)).mappings()]
                found[name] = sorted(selected, key=lambda row: repr(tuple(row.values())))
    return found


def content(home: Path) -> dict[str, list[str]]:
    """The rows of every table but RUN_TABLES, sorted, with no trace of when and in which order they came.

    In the place of an id stands a hash of the row that it names: two homes in which the same was found are
    equal, whoever was first.
    """
    found = {name: of for name, of in rows(home, clocks=False, runs=False).items() if "_fts" not in name}
    with sqlite3.connect(f"file:{home / 'proofreel.db'}?mode=ro", uri=True) as connection:
        parents = {
            name: {row[3]: row[2] for row in connection.execute(f'PRAGMA foreign_key_list("{name}")')}
            for name in found
        }
    connection.close()
    by_id = {name: {row["id"]: row for row in of if "id" in row} for name, of in found.items()}
    known: dict[tuple[str, Any], str] = {}

    def told(name: str, row: dict[str, Any]) -> str:
        facts = {
            column: named(parents[name][column], value) if column in parents[name] else value
            for column, value in row.items()
            if column != "id" or column in parents[name]
        }
        return repr(sorted(facts.items()))

    def named(name: str, id: Any) -> Any:
        if id is None or name not in by_id:
            return id
        if (name, id) not in known:
            known[name, id] = hashlib.sha256(told(name, by_id[name][id]).encode()).hexdigest()[:16]
        return known[name, id]

    return {name: sorted(told(name, row) for row in of) for name, of in found.items()}
