"""Looks for what must never be in a database: damage, rows without parents, facts without proof."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass

import sqlalchemy as sa

from storage.database import Database, connect
from storage.failures import primary_code, told
from storage.seen import out_of_step

_READ_ONLY = (
    "whether the full-text index is in step with the moments: that needs a home that can be written; "
    "check a copy of the folder"
)

_QUERIES = {
    "claims without a box": "SELECT id FROM claim WHERE id NOT IN (SELECT claim_id FROM box)",
    "segments done without an answer to each question": (
        "SELECT s.id FROM segment s JOIN job_question q ON q.job_id = s.job_id WHERE s.state = 'done'"
        " AND NOT EXISTS (SELECT 1 FROM answer a WHERE a.segment_id = s.id AND a.question_id = q.question_id)"
    ),
    "rows of segments that are not done": (
        "SELECT id FROM segment WHERE state = 'pending' AND (id IN (SELECT segment_id FROM answer)"
        " OR id IN (SELECT segment_id FROM coverage) OR id IN (SELECT segment_id FROM track)"
        " OR id IN (SELECT segment_id FROM screen_text))"
    ),
    "jobs done with segments pending": (
        "SELECT id FROM job WHERE state = 'done'"
        " AND id IN (SELECT job_id FROM segment WHERE state = 'pending')"
    ),
    "claims of another answer's moment": (
        "SELECT c.id FROM claim c JOIN moment m ON m.id = c.moment_id WHERE c.answer_id <> m.answer_id"
    ),
    "moments of another video": (
        "SELECT m.id FROM moment m JOIN answer a ON a.id = m.answer_id JOIN segment s ON s.id = a.segment_id"
        " JOIN job j ON j.id = s.job_id WHERE m.video_id <> j.video_id OR m.run_id <> j.run_id"
    ),
    "vectors of an odd length": (
        "SELECT moment_id FROM embedding WHERE length(vector) % 2 <> 0 OR length(vector) = 0"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, how often, and the first few ids or lines that show it."""

    what: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found wrong, and which checks could not be made, each with the reason."""

    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...] = ()


def check(db: Database) -> Checked:
    """Everything that is wrong with the database; no finding when it is sound. Reads all of it."""
    with db.reading() as session:
        connection = session.connection()
        damage = _rows(connection, "PRAGMA integrity_check")
        if damage != ["ok"]:
            return Checked(findings=(_finding("damage in the file", damage),))
        found = [("rows without their parent", _rows(connection, "PRAGMA foreign_key_check"))]
        found += [(what, _rows(connection, query)) for what, query in _QUERIES.items()]
        seen = [f"video {video} run {run}" for video, run in out_of_step(session)]
        found.append(("sums of coverage out of step with it", seen))
    full_text = _full_text(db)
    found.append(("full-text index out of step", full_text or []))
    return Checked(
        findings=tuple(_finding(what, rows) for what, rows in found if rows),
        not_checked=(_READ_ONLY,) if full_text is None else (),
    )


def _full_text(db: Database) -> list[str] | None:
    """FTS5 checks itself by a command that counts as writing, which is rolled back; None where nothing can
    be written.
    """
    with told(db.path), closing(connect(db.path)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO moment_fts (moment_fts, rank) VALUES ('integrity-check', 1)")
        except sqlite3.Error as error:
            code = primary_code(error)
            if code == sqlite3.SQLITE_READONLY:
                return None
            if code == sqlite3.SQLITE_CORRUPT:
                return [str(error)]
            raise
    return []


def _rows(connection: sa.Connection, query: str) -> list[str]:
    return [" ".join(map(str, row)) for row in connection.exec_driver_sql(query)]


def _finding(what: str, rows: list[str]) -> Finding:
    return Finding(what=what, count=len(rows), examples=tuple(rows[:5]))
