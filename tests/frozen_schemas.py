"""Copies of every schema that a release has used, as SQL: what its users' databases look like today.

`python -m tests.frozen_schemas` writes the copy of the current schema, with the rows of one small home in
it; it never overwrites one. A released copy never changes.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from storage import Database, commit_segment
from storage.versions import CURRENT
from tests.postgres import Server
from tests.rows import add_job, segment_rows

FOLDER = Path(__file__).parent / "data" / "schemas"
_SHADOWS = "name LIKE 'moment_fts_%' AND type = 'table' OR name LIKE 'sqlite_%'"


def schema_of(path: Path) -> list[str]:
    """The statements that make the tables, indexes and triggers of a database, tables first."""
    query = (
        f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND NOT ({_SHADOWS}) "
        "ORDER BY type = 'trigger', type = 'index', rowid"
    )
    with closing(sqlite3.connect(path)) as connection:
        return [f"{row[0]};" for row in connection.execute(query)]


def dump(path: Path) -> str:
    """Schema and rows as one SQL script; the full-text index is filled by its trigger."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [
            row[0]
            for row in connection.execute(
                f"SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'moment_fts' "
                f"AND NOT ({_SHADOWS}) ORDER BY rowid"
            )
        ]
        rows = []
        for table in tables:
            columns = [f"quote({row[1]})" for row in connection.execute(f"PRAGMA table_info({table})")]
            for values in connection.execute(f"SELECT {', '.join(columns)} FROM {table}"):
                rows.append(f"INSERT INTO {table} VALUES ({', '.join(values)});")
    return "\n".join([*schema_of(path), *rows]) + "\n"


def load(copy: Path, path: Path) -> None:
    """Make the database `path` from a frozen copy."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(copy.read_text())


def main() -> None:
    names = (f"{CURRENT}.sql", f"{CURRENT}.postgresql.sql")
    out, on_server = (FOLDER / name for name in names)
    if out.exists() and on_server.exists():
        raise SystemExit(f"{out} is there already; a released schema never changes, add a migration")
    with tempfile.TemporaryDirectory() as folder:
        if not out.exists():
            _fill(Path(folder), url=None)
            out.write_text(dump(Path(folder) / "proofreel.db"))
        if not on_server.exists():
            server = Server()
            database = server.create()
            _fill(Path(folder) / "other", url=server.url(database))
            on_server.write_text(server.dump(database))
            server.remove()


def _fill(home: Path, *, url: str | None) -> None:
    with Database.open(home, url=url, create=True) as db, db.writing() as session:
        job = add_job(session)
        commit_segment(session, job.segments[0].id, segment_rows(job.questions[0].id))


if __name__ == "__main__":
    main()
