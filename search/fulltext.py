"""Words looked up in the moments' texts, as SQLite (FTS5) and PostgreSQL (tsvector) do it.

Both take texts apart alike (runs of letters and digits, without accents, stemmed by Porter) and find the same
moments; they rank them each in its own way. Expressions are written as FTS5 reads them (`search.query`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from search.scope import IN_VIEW, Scope
from storage.listing import listed
from storage.postgres import is_postgresql

_PIECE = re.compile(r'"(?:[^"]|"")*"|[()]|\bAND\b|\bOR\b')
_OPERATORS = {"AND": "&", "OR": "|"}
_ACCENT = re.compile("[\u0300-\u036f]+")
_NO_WORD = re.compile(r"[\W_]+")


def matching(
    session: Session, expression: str, *, scope: Scope, most: int, k: int
) -> list[tuple[int, float]]:
    """The `k` moments that hold the words best, of the newest `most` in the scope that hold them: each with
    its rank, the higher the better.
    """
    values: dict[str, Any] = {"expression": expression, "most": most, "k": k}
    if scope.allowed is not None:
        values["allowed"] = json.dumps(scope.allowed.tolist())
    if is_postgresql(session):
        values["expression"] = as_tsquery(expression)
        statement = _postgresql(session, scope)
    else:
        statement = _sqlite(session, scope)
    return [(int(row[0]), float(row[1])) for row in session.execute(text(statement), values)]


def _sqlite(session: Session, scope: Scope) -> str:
    inside = ""
    if scope.allowed is not None:
        # The plus keeps SQLite from running the whole search anew for each id.
        inside = f"AND +rowid IN ({listed(session, 'allowed')})"
    elif scope.hides:
        inside = f"AND EXISTS (SELECT 1 FROM moment WHERE moment.id = moment_fts.rowid AND {IN_VIEW})"
    return (
        "SELECT rowid, -rank FROM (SELECT rowid, rank FROM moment_fts"
        f" WHERE moment_fts MATCH :expression {inside} ORDER BY rowid DESC LIMIT :most)"
        " ORDER BY rank, rowid LIMIT :k"
    )


def _postgresql(session: Session, scope: Scope) -> str:
    inside = f"AND {IN_VIEW}" if scope.hides else ""
    if scope.allowed is not None:
        inside = f"AND id IN ({listed(session, 'allowed')})"
    query = "to_tsquery('proofreel', :expression)"
    return (
        f"SELECT id, ts_rank(words, {query}, 1) AS place FROM (SELECT id, words FROM moment"
        f" WHERE words @@ {query} {inside} ORDER BY id DESC LIMIT :most) AS newest"
        " ORDER BY place DESC, id LIMIT :k"
    )


def held_by_any(session: Session, names: Sequence[str]) -> tuple[str, ...]:
    """Those of `names` (words or phrases) that any moment's text holds."""
    if not is_postgresql(session):
        query = text(
            f"SELECT value FROM ({listed(session, 'names')}) WHERE EXISTS"
            " (SELECT 1 FROM moment_fts WHERE moment_fts MATCH '\"' || value || '\"' LIMIT 1)"
        )
        return tuple(session.scalars(query, {"names": json.dumps(list(names))}))
    query = text(
        "SELECT place FROM json_array_elements_text(CAST(:names AS json))"
        " WITH ORDINALITY AS each (name, place)"
        " WHERE EXISTS (SELECT 1 FROM moment WHERE words @@ to_tsquery('proofreel', name)) ORDER BY place"
    )
    found = session.scalars(query, {"names": json.dumps([as_phrase(name) for name in names])})
    return tuple(names[place - 1] for place in found)


def as_tsquery(expression: str) -> str:
    """An expression of quoted words, AND, OR and brackets, as `to_tsquery` reads it."""
    pieces = _PIECE.findall(expression)
    return " ".join(_OPERATORS.get(p) or (as_phrase(p[1:-1]) if p[0] == '"' else p) for p in pieces)


def as_phrase(words: str) -> str:
    """Words that follow each other, for `to_tsquery`; made bare as those of `moment.words` are."""
    bare = _ACCENT.sub("", unicodedata.normalize("NFD", words))
    return f"'{_NO_WORD.sub(' ', bare).strip()}'"
